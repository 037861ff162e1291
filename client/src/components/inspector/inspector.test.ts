import { describe, expect, it } from "vitest";
import type { Entry } from "@/voice/tap";
import { everything, matching } from "./filter";
import { bufferOf, gapsOf } from "./timing";
import { nameOf, pretty, summaryOf } from "./words";

let id = 0;
const message = (type: string, way: "up" | "down", rest = {}): Entry => {
  const text = JSON.stringify({ type, ...rest });
  return { kind: "message", id: ++id, at: 0, way, type, bytes: text.length, text };
};
const sound = (way: "up" | "down"): Entry => ({ kind: "audio", id: ++id, at: 0, way, frames: 10, bytes: 6400, lastAt: 180, longestGapMs: 25 });
const closed: Entry = { kind: "line", id: ++id, at: 0, event: "closed", code: 1006 };

describe("the filter", () => {
  const entries = [message("text", "up", { text: "The Bridge" }), message("ack", "up"), message("output_transcript", "down", { text: "old" }), sound("up"), sound("down"), closed];
  const names = (filter: Partial<typeof everything>) => matching(entries, { ...everything, ...filter }).map(nameOf);

  it("leaves out the routine at first, and nothing else", () => {
    expect(names({})).toEqual(["text", "output_transcript", "microphone", "speech", "line closed"]);
    expect(names({ routine: true })).toContain("ack");
    expect(names({ sound: false })).toEqual(["text", "output_transcript", "line closed"]);
  });

  it("tells the directions apart, and shows the line with both", () => {
    expect(names({ way: "up" })).toEqual(["text", "microphone", "line closed"]);
    expect(names({ way: "down" })).toEqual(["output_transcript", "speech", "line closed"]);
  });

  it("finds names and content, whatever the case", () => {
    expect(names({ text: " bridge " })).toEqual(["text"]);
    expect(names({ text: "TRANSCRIPT" })).toEqual(["output_transcript"]);
    expect(names({ text: "nothing of the kind" })).toEqual([]);
  });

  it("has entries that can be read in a line", () => {
    expect(summaryOf(message("usage", "down", { inputTokens: 3 }))).toBe('{"inputTokens":3}');
    expect(summaryOf(message("session_updated", "down", { sessionId: "abc", voice: "Kore" }))).toBe('{"voice":"Kore"}');
    expect(summaryOf({ kind: "audio", id: 0, at: 0, way: "down", frames: 1, bytes: 960, lastAt: 0, longestGapMs: 0 })).toBe("1 frame");
    expect(summaryOf(sound("up"))).toBe("10 frames in 180 ms, 200 ms of sound, longest gap 25 ms");
    expect(summaryOf(closed)).toBe("code 1006");
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty("no json")).toBe("no json");
  });
});

describe("the plots", () => {
  it("show the gaps of the last half minute", () => {
    const frames = Array.from({ length: 100 }, (_, i) => ({ at: i * 1000, gapMs: i === 95 ? 400 : 20 }));
    const gaps = gapsOf(frames, 100_000);
    expect(gaps?.points.filter(([, gap]) => gap !== null)).toHaveLength(29);
    expect(gaps).toMatchObject({ median: 20, p95: 20, longest: 400 });
    // Frames that follow each other are one line, which breaks where there was a pause.
    const paused = gapsOf([{ at: 100, gapMs: 20 }, { at: 120, gapMs: 20 }, { at: 5020, gapMs: 20 }], 6000);
    expect(paused?.points).toEqual([[100, 20], [120, 20], [5000, null], [5020, 20]]);
    expect(gapsOf(frames, 500_000)).toBeUndefined();
    expect(gapsOf([], 0)).toBeUndefined();
  });

  it("show the playback queue, its underruns, and silence between answers", () => {
    const at = (t: number, queuedMs: number, underruns: number) => ({ at: t, queuedMs, underruns });
    const buffer = bufferOf([at(0, 900, 1), at(70_000, 100, 1), at(70_030, 0, 2), at(80_000, 50, 2)], 80_100);
    expect(buffer).toMatchObject({ now: 50, highest: 100, underruns: [70_030], total: 2 });
    expect(buffer?.points).toEqual([[70_000, null], [70_000, 100], [70_030, 0], [80_000, null], [80_000, 50]]);
    expect(bufferOf([at(0, 900, 0)], 5000)?.now).toBe(0);
    expect(bufferOf([], 0)).toBeUndefined();
  });
});
