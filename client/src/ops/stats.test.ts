import { describe, expect, it } from "vitest";
import { ProtocolError } from "@/voice/protocol";
import { sessionAnswer, statsAnswer } from "./fake-server";
import { groupsOf } from "./groups";
import { parseSessions, parseStats, sum } from "./stats";

describe("the figures", () => {
  it("are read as the server sends them", () => {
    const stats = parseStats(statsAnswer());
    expect(stats).toMatchObject({ uptimeMs: 60_000, active: 2, detached: 1, total: 5, starts: { byBackend: { gemini: 5 } } });
    expect(stats.latencies["responseMs"]).toEqual({ count: 4, p50: 400, p90: 700, p99: 900, max: 950 });
    expect(sum(stats.byReason)).toBe(3);
    expect(stats.starts).not.toHaveProperty("byReason");
    expect(stats.warmPool).toEqual({ gemini: { hits: 1, misses: 2, dead: 0, idle: 1 } });
  });

  it("have a cost, and other latencies and breakdowns, only where the server tells them", () => {
    expect(parseStats(statsAnswer()).usage.costUsd).toBeUndefined();
    const added = { count: 9, p50: 40, p90: 60, p99: 90, max: 400 };
    const newer = parseStats(
      statsAnswer({ addedUs: added, byAssistant: { guide: 4 }, usage: { inputTokens: 1, outputTokens: 2, estimatedCostUsd: 0.5 } }),
    );
    expect(newer.latencies["addedUs"]).toEqual(added);
    expect(newer.starts["byAssistant"]).toEqual({ guide: 4 });
    expect(newer.usage.costUsd).toBe(0.5);
  });

  it("of something else are refused", () => {
    for (const answer of [undefined, null, 7, "hello", [], {}, { uptimeMs: "1", active: 0, total: 0 }]) {
      expect(() => parseStats(answer)).toThrow(ProtocolError);
    }
    expect(() => parseSessions({ sessions: 3 })).toThrow(ProtocolError);
    expect(() => parseSessions({ sessions: [{}] })).toThrow(ProtocolError);
  });

  it("of an older server lack what it does not know", () => {
    expect(parseStats({ uptimeMs: 1, active: 0, total: 0 })).toMatchObject({ detached: 0, refused: {}, latencies: {}, warmPool: {}, usage: { inputTokens: 0 } });
  });
});

describe("conversations", () => {
  it("are added up by what they talk with", () => {
    const sessions = parseSessions({
      sessions: [
        sessionAnswer("a"),
        sessionAnswer("b"),
        sessionAnswer("c", { assistant: "guide", usage: { inputTokens: 1, outputTokens: 1, estimatedCostUsd: 0.25 } }),
        sessionAnswer("d", { backend: "vertex", variant: "brisk" }),
      ],
    });
    expect(groupsOf(sessions)).toMatchObject([
      { backend: "gemini", assistant: "default", variant: "", sessions: 2, turns: 6, renewals: 2, lostMs: 40, tokens: 30, costUsd: undefined },
      { backend: "gemini", assistant: "guide", sessions: 1, costUsd: 0.25 },
      { backend: "vertex", assistant: "default", variant: "brisk", sessions: 1 },
    ]);
  });
});
