import { describe, expect, it } from "vitest";
import { Backoff } from "./backoff";

describe("tries", () => {
  it("begin at once, grow rarer to seconds, and begin anew", () => {
    for (const random of [() => 0, () => 0.5, () => 0.999]) {
      const backoff = new Backoff(random);
      const waits = Array.from({ length: 12 }, () => backoff.next());
      expect(waits[0]).toBeGreaterThanOrEqual(100);
      expect(waits[0]).toBeLessThanOrEqual(300);
      expect(waits.toSorted((a, b) => a - b)).toEqual(waits);
      expect(waits.at(-1)).toBeGreaterThan(1600);
      expect(waits.at(-1)).toBeLessThanOrEqual(5000);
      backoff.reset();
      expect(backoff.next()).toBe(waits[0]);
    }
  });

  it("of many pages do not fall together", () => {
    const waits = new Set(Array.from({ length: 100 }, () => new Backoff().next()));
    expect(waits.size).toBeGreaterThan(30);
  });
});
