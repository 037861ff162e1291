import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isCounted, parseServerMessage, ProtocolError, type ClientMessage } from "./protocol";

interface Sample {
  name: string;
  type: string;
  message: object;
}

// The Go tests read the same files: neither end can drift alone.
const folder = new URL("../../../live/testdata/protocol/", import.meta.url);
const server = JSON.parse(readFileSync(new URL("server_messages.json", folder), "utf8")) as {
  valid: Record<string, object[]>;
  tolerated: Sample[];
  invalid: { name: string; text: string }[];
};
const client = JSON.parse(readFileSync(new URL("client_messages.json", folder), "utf8")) as {
  valid: Record<string, object[]>;
};

describe("messages of the server", () => {
  for (const [type, samples] of Object.entries(server.valid)) {
    it(`${type}: every sample is read as that type`, () => {
      for (const sample of samples) expect(parseServerMessage(JSON.stringify(sample)).type).toBe(type);
    });
  }
  for (const { name, type, message } of server.tolerated) {
    it(`tolerates ${name}`, () => {
      const parsed = parseServerMessage(JSON.stringify(message));
      expect(parsed.type === "unknown" ? parsed.name : parsed.type).toBe(type);
    });
  }
  for (const { name, text } of server.invalid) {
    it(`refuses ${name}`, () => {
      expect(() => parseServerMessage(text)).toThrow(ProtocolError);
    });
  }

  it("reads the fields that the page draws", () => {
    expect(parseServerMessage(JSON.stringify(server.valid["session_ready"]![0]))).toEqual({
      type: "session_ready",
      sessionId: "0b6f8c0e5c7a4d1f",
      model: "gemini-3.8-live",
      voice: "Kore",
      language: "en-US",
      assistant: "default",
      simulated: true,
      outputHz: 24_000,
      maxDurationMs: 3_600_000,
      startupMs: 131,
    });
    expect(parseServerMessage(JSON.stringify(server.valid["error"]![1]))).toEqual({
      type: "error",
      error: "This server does not let clients choose the voice.",
      code: "not_allowed",
      retryable: false,
      field: "voice",
    });
  });

  it("keeps text as it is", () => {
    const text = 'quotes " and \\, \n, ünïcödé 你好 🎙️';
    expect(parseServerMessage(JSON.stringify({ type: "output_transcript", text }))).toMatchObject({ text, final: false });
  });
});

describe("messages of the client", () => {
  it("are of types that the server accepts", () => {
    // One of each; the compiler keeps the record complete.
    const one: { [T in ClientMessage["type"]]: Extract<ClientMessage, { type: T }> } = {
      start_session: { type: "start_session", config: { transcription: { input: true, output: true } }, resume: { sessionId: "s", resumeTicket: "t", received: null } },
      text: { type: "text", text: "hello" },
      video_frame: { type: "video_frame", mimeType: "image/jpeg", data: "/9j/" },
      activity_start: { type: "activity_start" },
      activity_end: { type: "activity_end" },
      turn_complete: { type: "turn_complete" },
      interrupt: { type: "interrupt" },
      update_session: { type: "update_session", config: { voice: "Puck" } },
      ack: { type: "ack", received: 1 },
      skipped: { type: "skipped", messages: 3, audioMs: 60, reason: "no_room" },
      ping: { type: "ping", t: 1 },
      end_session: { type: "end_session" },
    };
    for (const message of Object.values(one)) {
      const samples = client.valid[message.type];
      expect(samples, message.type).toBeDefined();
      const known = new Set(samples!.flatMap((sample) => Object.keys(sample)));
      for (const key of Object.keys(message)) expect(known, `${message.type}.${key}`).toContain(key);
    }
  });

  it("count exactly when the protocol says so", () => {
    const uncounted = ["ack", "error", "init", "ping", "pong", "resume_ticket", "session_ended", "session_resumed"];
    uncounted.push("session_started", "skipped", "start_session");
    const all = new Set([...Object.keys(client.valid), ...Object.keys(server.valid)]);
    expect([...all].filter((type) => !isCounted(type)).sort()).toEqual(uncounted.sort());
    expect(isCounted("something of a newer server")).toBe(true);
  });
});
