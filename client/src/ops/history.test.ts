import { describe, expect, it } from "vitest";
import { statsAnswer } from "./fake-server";
import { maxSamples, noHistory, perMinute, remember, series, type History } from "./history";
import { parseStats } from "./stats";

/** A history of looks every two seconds at a server that has begun `total(i)` conversations. */
function looks(n: number, total: (i: number) => number): History {
  let history = noHistory;
  for (let i = 0; i < n; i++) {
    history = remember(history, { at: i * 2000, stats: parseStats(statsAnswer({ uptimeMs: 60_000 + i * 2000, total: total(i) })) });
  }
  return history;
}

describe("the charts' memory", () => {
  it("is bounded, and keeps the newest", () => {
    const { samples } = looks(maxSamples + 50, (i) => i);
    expect(samples).toHaveLength(maxSamples);
    expect(samples.at(-1)?.stats.total).toBe(maxSamples + 49);
    expect(samples[0]?.stats.total).toBe(50);
  });

  it("begins anew with another process", () => {
    const before = looks(10, () => 5);
    const restarted = remember(before, { at: 22_000, stats: parseStats(statsAnswer({ uptimeMs: 500, total: 0 })) });
    expect(restarted).toMatchObject({ restarted: true, samples: [{ at: 22_000 }] });
    const quickly = remember(before, { at: 20_000, stats: parseStats(statsAnswer({ uptimeMs: 77_000, total: 5 })) });
    expect(quickly.samples).toHaveLength(1);
    const fewer = remember(before, { at: 20_000, stats: parseStats(statsAnswer({ uptimeMs: 80_000, total: 2 })) });
    expect(fewer.samples).toHaveLength(1);
    // A slow answer, or a page that was hidden for an hour, is still of the same one.
    const later = remember(before, { at: 3_618_000 + 3000, stats: parseStats(statsAnswer({ uptimeMs: 60_000 + 3_618_000, total: 9 })) });
    expect(later).toMatchObject({ restarted: false });
    expect(later.samples).toHaveLength(11);
  });

  it("makes rates of amounts", () => {
    const points = perMinute(looks(40, (i) => i * 2), (s) => s.total);
    for (const [, value] of points.slice(0, 5)) expect(value).toBeNull();
    for (const [, value] of points.slice(5)) expect(value).toBeCloseTo(60);
    // One start shows for half a minute, and then no more.
    const once = perMinute(looks(40, (i) => (i < 10 ? 0 : 1)), (s) => s.total);
    expect(once[9]?.[1]).toBe(0);
    expect(once[11]?.[1]).toBeGreaterThan(0);
    expect(once[39]?.[1]).toBe(0);
  });

  it("has gaps where a server tells nothing", () => {
    expect(series(looks(2, () => 0), (s) => s.latencies["addedUs"]?.p50)).toEqual([[0, null], [2000, null]]);
  });
});
