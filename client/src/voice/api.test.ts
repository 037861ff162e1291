import { describe, expect, it } from "vitest";
import { createSession, readConfig } from "./api";
import type { Server } from "./server";
import { ProblemError, type Problem } from "./problem";

function server(answer: () => Response | Promise<Response>, online = true): Server & { asked: Request[] } {
  const asked: Request[] = [];
  return {
    asked,
    baseUrl: "https://talk.example",
    fetch: async (input, init) => {
      asked.push(new Request(input, init));
      return answer();
    },
    online: () => online,
  };
}

const never = new AbortController().signal;

async function problem(from: Server): Promise<Problem> {
  const error = await createSession(from, never).then(
    () => expect.fail("it was admitted"),
    (e: unknown) => e,
  );
  if (!(error instanceof ProblemError)) throw error;
  return error.problem;
}

describe("createSession", () => {
  it("makes a WebSocket address of what the server answers", async () => {
    const s = server(() => Response.json({ success: true, url: "/api/vertex-ai-live", protocol: "stonepot.v1" }));
    expect(await createSession(s, never)).toEqual({
      url: "wss://talk.example/api/vertex-ai-live",
      protocols: ["stonepot.v1"],
    });
    expect(s.asked[0]).toMatchObject({ method: "POST", url: "https://talk.example/api/session/create" });
  });

  it("takes absolute addresses of either kind, and a start ticket", async () => {
    for (const url of ["wss://other.example/api/live", "https://other.example/api/live"]) {
      const s = server(() => Response.json({ success: true, url, ticket: "abc" }));
      expect(await createSession(s, never)).toEqual({
        url: "wss://other.example/api/live",
        protocols: ["stonepot.v1", "stonepot.ticket.abc"],
      });
    }
  });

  it("tries without permission where the server knows no such call", async () => {
    const s = server(() => new Response("404 page not found", { status: 404 }));
    expect((await createSession(s, never)).url).toBe("wss://talk.example/api/gemini-live-stream");
  });

  it("tells a full server, with the time to wait", async () => {
    const body = { success: false, error: "All 100 sessions are in use.", code: "at_capacity" };
    const full = await problem(server(() => Response.json(body, { status: 503, headers: { "Retry-After": "20" } })));
    expect(full).toMatchObject({ code: "at_capacity", title: "All lines are busy" });
    expect(full.next).toContain("20 s");
    expect(full.retryAfterMs).toBe(20_000);
  });

  it("tells the other refusals by code, or by status where there is none", async () => {
    const cases = [
      [403, "origin_not_allowed", "origin_not_allowed"],
      [503, "upstream_not_configured", "upstream_not_configured"],
      [503, "server_draining", "server_draining"],
      [429, undefined, "rate_limited"],
      [401, undefined, "unauthorized"],
      [500, undefined, "internal"],
    ] as const;
    for (const [status, code, wanted] of cases) {
      expect((await problem(server(() => Response.json({ success: false, code }, { status })))).code).toBe(wanted);
    }
  });

  it("tells no network from a dead server, and from something else that answers", async () => {
    const refuse = (): never => {
      throw new TypeError("Failed to fetch");
    };
    expect((await problem(server(refuse, false))).code).toBe("offline");
    expect((await problem(server(refuse, true))).code).toBe("server_unreachable");
    expect((await problem(server(() => new Response("<html>", { status: 502 })))).code).toBe("server_unreachable");
    expect((await problem(server(() => new Response("<html>Sign in to WiFi")))).code).toBe("not_a_stonepot");
    expect((await problem(server(() => Response.json({ success: true, url: 5 })))).code).toBe("not_a_stonepot");
  });

  it("rejects with the reason of an abort, not with a problem", async () => {
    const abort = new AbortController();
    const s = server(() => {
      abort.abort(new Error("hung up"));
      throw new TypeError("aborted");
    });
    await expect(createSession(s, abort.signal)).rejects.toThrow("hung up");
  });
});

describe("readConfig", () => {
  it("finds out whether the model is simulated", async () => {
    const backends = { gemini: { available: true, simulated: true }, vertex: { simulated: false } };
    const read = (defaultBackend: string) =>
      readConfig(server(() => Response.json({ success: true, defaultBackend, backends })), never);
    expect(await read("gemini")).toMatchObject({ simulated: true, assistants: [], models: [], clientMaySet: [] });
    expect(await read("vertex")).toMatchObject({ simulated: false });
  });

  it("tells what a person may choose from", async () => {
    const models = [{ id: "m", label: "M", modalities: ["audio"], voices: ["Kore"], languages: ["de-DE"], videoLimitMs: 120_000 }];
    const answer = {
      success: true,
      defaultBackend: "gemini",
      backends: { gemini: { simulated: false, defaultModel: "m", models }, vertex: { models: [] } },
      assistants: [{ name: "guide", label: "Guide" }],
      defaultAssistant: "guide",
      clientMaySet: ["voice"],
      limits: { maxVideoBytes: 100_000 },
      voiceNotes: { Kore: "firm", Puck: 7 },
    };
    expect(await readConfig(server(() => Response.json(answer)), never)).toEqual({
      simulated: false,
      assistants: [{ name: "guide", label: "Guide" }],
      defaultAssistant: "guide",
      models: [{ id: "m", label: "M", voices: ["Kore"], languages: ["de-DE"], videoLimitMs: 120_000 }],
      defaultModel: "m",
      clientMaySet: ["voice"],
      maxVideoBytes: 100_000,
      voiceNotes: new Map([["Kore", "firm"]]),
    });
  });

  it("does without an answer", async () => {
    expect(await readConfig(server(() => new Response("", { status: 500 })), never)).toBeUndefined();
    expect(await readConfig(server(() => new Response("<html>")), never)).toBeUndefined();
    expect(await readConfig(server(() => Promise.reject(new TypeError("down"))), never)).toBeUndefined();
  });
});
