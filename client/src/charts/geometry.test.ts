import { describe, expect, it } from "vitest";
import { areaPath, extentOf, linePath, roundUp } from "./geometry";

describe("a chart", () => {
  const box = { width: 100, height: 10 };

  it("spans all its lines, a minute at least, up to a round number", () => {
    expect(extentOf([[[0, 3], [120_000, 7]], [[60_000, 12]]])).toEqual({ from: 0, to: 120_000, top: 20 });
    expect(extentOf([[[5000, 0]]])).toEqual({ from: -55_000, to: 5000, top: 1 });
    expect(extentOf([[]], 500)).toEqual({ from: 0, to: 60_000, top: 500 });
    expect([0, 0.3, 1, 1.1, 5, 51, 1000, 1001].map(roundUp)).toEqual([1, 0.5, 1, 2, 5, 100, 1000, 2000]);
  });

  it("draws what is there, and breaks where nothing is", () => {
    const extent = { from: 0, to: 100, top: 10 };
    expect(linePath([[0, 0], [50, 10], [60, null], [70, 5], [100, 5]], extent, box)).toBe("M0 10L50 0M70 5L100 5");
    expect(areaPath([[0, 0], [50, 10], [100, 5]], extent, box)).toBe("M0 10L50 0L100 5L100 10L0 10Z");
    expect(areaPath([[0, 0], [50, 10], [55, null], [60, 10], [100, 5]], extent, box)).toBe("M0 10L50 0L50 10L0 10ZM60 0L100 5L100 10L60 10Z");
    expect(areaPath([[0, 1]], extent, box)).toBe("");
    expect(linePath([], extent, box)).toBe("");
  });
});
