import { describe, expect, it } from "vitest";
import type { AudioEvents } from "./audio";
import type { PlaybackReport } from "./player";
import { redact } from "./redact";
import { RingLog } from "./ring-log";
import type { Socket } from "./socket";
import { exported, Tap, type Entry } from "./tap";

/** A socket that takes everything, and says what a test gives it. */
class TestSocket extends EventTarget {
  readyState = 1;
  readonly sent: unknown[] = [];
  send = (data: unknown): void => void this.sent.push(data);

  says(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}

function tapped() {
  const clock = { now: 1000 };
  const tap = new Tap(() => clock.now);
  const socket = new TestSocket();
  const given = socket as unknown as Socket & EventTarget;
  return { clock, tap, socket, given };
}

const ofKind = <K extends Entry["kind"]>(tap: Tap, kind: K): Extract<Entry, { kind: K }>[] =>
  tap.list().filter((e): e is Extract<Entry, { kind: K }> => e.kind === kind);

describe("the tap", () => {
  it("keeps both directions of messages with time and size", () => {
    const { clock, tap, socket, given } = tapped();
    tap.turnOn();
    expect(tap.socket(given)).toBe(given);
    given.send('{"type":"text","text":"grüß 🌍"}');
    clock.now = 1250;
    socket.says('{"type":"pong","t":1}');
    expect(socket.sent).toEqual(['{"type":"text","text":"grüß 🌍"}']);
    expect(ofKind(tap, "message")).toMatchObject([
      { way: "up", type: "text", at: 1000, bytes: new TextEncoder().encode('{"type":"text","text":"grüß 🌍"}').length },
      { way: "down", type: "pong", at: 1250, bytes: 21 },
    ]);
  });

  it("takes sound together, a second at a time, and keeps no samples", () => {
    const { clock, tap, socket, given } = tapped();
    tap.turnOn();
    tap.socket(given);
    for (let i = 0; i < 75; i++) {
      clock.now = 1000 + i * 20 + (i >= 60 ? 100 : 0);
      given.send(new ArrayBuffer(640));
      if (i < 10) socket.says(new ArrayBuffer(960));
    }
    expect(ofKind(tap, "audio")).toMatchObject([
      { way: "up", at: 1000, frames: 50, bytes: 32_000, longestGapMs: 20 },
      { way: "down", at: 1000, frames: 10, bytes: 9600 },
      { way: "up", at: 2000, lastAt: 2580, frames: 25, longestGapMs: 120 },
    ]);
    expect(tap.frames.up.list()).toHaveLength(74);
    expect(tap.frames.up.list().map((f) => f.gapMs)).toContain(120);
    // A message comes behind the sound before it.
    socket.says('{"type":"turn_complete"}');
    socket.says(new ArrayBuffer(960));
    expect(tap.list().filter((e) => e.kind !== "line" && e.way === "down").map((e) => e.kind)).toEqual(["audio", "message", "audio"]);
  });

  it("does nothing while it is off, and begins in the middle of a conversation", () => {
    const { tap, socket, given } = tapped();
    const send = given.send;
    tap.socket(given);
    expect(given.send).toBe(send);
    socket.says('{"type":"pong"}');
    expect(tap.list()).toEqual([]);

    tap.turnOn();
    socket.says('{"type":"usage"}');
    tap.turnOff();
    socket.says('{"type":"ack"}');
    tap.turnOn();
    socket.says('{"type":"turn_complete"}');
    // Turned on twice, it listens once.
    expect(tap.list().map((e) => (e.kind === "message" ? e.type : e.kind === "line" ? e.event : ""))).toEqual(["recording", "usage", "recording", "turn_complete"]);
  });

  it("tells how a line came and went", () => {
    const { tap, socket, given } = tapped();
    tap.turnOn();
    tap.socket(given);
    socket.dispatchEvent(new Event("open"));
    socket.dispatchEvent(Object.assign(new Event("close"), { code: 4507 }));
    expect(ofKind(tap, "line")).toMatchObject([{ event: "recording" }, { event: "dialled" }, { event: "opened" }, { event: "closed", code: 4507 }]);
  });

  it("follows the playback queue, and hands the reports on", () => {
    const { clock, tap, socket, given } = tapped();
    const seen: PlaybackReport[] = [];
    const events: AudioEvents = { report: (r) => void seen.push(r), failed: () => undefined, suspended: () => undefined };
    const { report } = tap.audio(events);
    const of = (queued: number, underruns: number): PlaybackReport => ({ epoch: 0, received: 0, queued, played: 0, underruns, refused: 0, level: 0 });
    report(of(100, 0));
    tap.turnOn();
    tap.socket(given);
    report(of(24_000, 0));
    socket.says('{"type":"session_ready","audio":{"input":{"sampleRate":16000},"output":{"sampleRate":48000,"channels":1}}}');
    clock.now = 1030;
    report(of(24_000, 1));
    expect(seen).toHaveLength(3);
    expect(tap.buffer.list()).toEqual([
      { at: 1000, queuedMs: 1000, underruns: 0 },
      { at: 1030, queuedMs: 500, underruns: 1 },
    ]);
  });

  it("has a bound for all that it keeps", () => {
    const { clock, tap, socket, given } = tapped();
    tap.turnOn();
    tap.socket(given);
    const long = "x".repeat(3000);
    for (let i = 0; i < 6000; i++) {
      clock.now += 20;
      socket.says(JSON.stringify({ type: "output_transcript", text: i % 2 ? long : "" }));
      given.send(new ArrayBuffer(640));
    }
    const list = tap.list();
    expect(list.length).toBeLessThanOrEqual(5001);
    expect(list.reduce((sum, e) => sum + (e.kind === "message" ? e.text.length : 0), 0)).toBeLessThanOrEqual(2_000_000);
    expect(tap.entries.forgotten).toBeGreaterThan(0);
    expect(tap.frames.up.length).toBe(3000);
    tap.clear();
    expect(tap.list()).toEqual([]);
    expect(tap.entries.forgotten).toBe(0);
  });

  it("exports one object a line, with times from the beginning", () => {
    const { clock, tap, socket, given } = tapped();
    tap.turnOn();
    tap.socket(given);
    clock.now = 1500;
    socket.says('{"type":"session_started","resumeTicket":"abc"}');
    socket.says("no json");
    given.send(new ArrayBuffer(640));
    const lines = exported(tap.list()).trimEnd().split("\n").map((line): unknown => JSON.parse(line));
    expect(lines).toEqual([
      { t: 0, line: "recording" },
      { t: 0, line: "dialled" },
      { t: 500, way: "down", bytes: 47, message: { type: "session_started", resumeTicket: "(redacted)" } },
      { t: 500, way: "down", bytes: 7, message: "no json" },
      { t: 500, way: "up", bytes: 640, audio: { frames: 1, spanMs: 0, longestGapMs: 0 } },
    ]);
    expect(exported([])).toBe("");
  });
});

describe("what is kept of a message", () => {
  const ticket = "v1.k3yc0ntent-that_nobody/else+may=see." + "A".repeat(300);

  it("has no ticket, wherever it stands", () => {
    for (const message of [
      { type: "session_started", resumeTicket: ticket },
      { type: "start_session", resume: { sessionId: "s", resumeTicket: ticket, received: 3 } },
      { type: "start_session", ticket },
      { type: "odd", deep: [{ a: { accessToken: ticket } }] },
    ]) {
      const { text, type } = redact(JSON.stringify(message));
      expect(text).not.toContain(ticket.slice(0, 20));
      expect(text).toContain("(redacted)");
      expect(type).toBe(message.type);
    }
    // What was half written, or is not JSON at all.
    expect(redact(`{"type":"resume_ticket","resumeTicket":"${ticket}`).text).not.toContain("AAAA");
    expect(redact(`{"type":"resume_ticket","resumeTicket":"${ticket}`).type).toBe("(not JSON)");
  });

  it("is all the rest, but for bulk", () => {
    const usage = { type: "usage", inputTokens: 3, outputTokens: 4, byModality: { inputText: 3 } };
    expect(JSON.parse(redact(JSON.stringify(usage)).text)).toEqual(usage);
    const picture = redact(JSON.stringify({ type: "video_frame", mimeType: "image/jpeg", data: "A".repeat(50_000) }));
    expect(JSON.parse(picture.text)).toEqual({ type: "video_frame", mimeType: "image/jpeg", data: "(50000 characters of base64)" });
    expect(redact(JSON.stringify({ type: "text", text: "x".repeat(10_000) })).text.length).toBeLessThan(4200);
    expect(redact("[1,2]")).toEqual({ type: "(no type)", text: "[1,2]" });
    expect(redact("null").type).toBe("(no type)");
  });
});

describe("a ring log", () => {
  it("forgets the oldest, by number and by weight, and never the newest", () => {
    const log = new RingLog<string>(4, 10, (s) => s.length);
    for (const s of ["a", "b", "c", "d", "e"]) log.push(s);
    expect(log.list()).toEqual(["b", "c", "d", "e"]);
    log.push("12345678");
    expect(log.list()).toEqual(["d", "e", "12345678"]);
    log.push("longer than all may weigh");
    expect(log.list()).toEqual(["longer than all may weigh"]);
    expect(log.forgotten).toBe(6);
    for (let i = 0; i < 100; i++) log.push(String(i));
    expect(log.list()).toEqual(["96", "97", "98", "99"]);
    expect(log.length).toBe(4);
  });
});
