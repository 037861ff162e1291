import { describe, expect, it } from "vitest";
import { SpeechDetector } from "./speech-detector";

/** Feeds frames of 20 ms; returns the changes with the time in ms at which they came. */
function run(detector: SpeechDetector, ...parts: [level: number, ms: number][]): string[] {
  const changes: string[] = [];
  let time = 0;
  for (const [level, ms] of parts) {
    for (let t = 0; t < ms; t += 20) {
      time += 20;
      const change = detector.push(level);
      if (change) changes.push(`${change} ${time}`);
    }
  }
  return changes;
}

describe("SpeechDetector", () => {
  it("tells when somebody speaks and when they have stopped", () => {
    expect(run(new SpeechDetector(), [0.001, 1000], [0.1, 1000], [0.001, 1000])).toEqual(["started 1080", "ended 2600"]);
  });

  it("bridges the pauses between words", () => {
    expect(run(new SpeechDetector(), [0.1, 400], [0.001, 400], [0.1, 400], [0.001, 1000])).toEqual(["started 80", "ended 1800"]);
  });

  it("does not take a click for speech", () => {
    expect(run(new SpeechDetector(), [0.001, 500], [0.8, 60], [0.001, 1000])).toEqual([]);
  });

  it("gets used to a noisy room", () => {
    const detector = new SpeechDetector();
    const changes = run(detector, [0.05, 20_000]);
    expect(changes.at(-1)).toMatch(/^ended/);
    expect(run(detector, [0.4, 400])).toEqual(["started 80"]);
  });

  it("forgets on reset, and tells whether somebody was speaking", () => {
    const detector = new SpeechDetector();
    run(detector, [0.1, 400]);
    expect(detector.reset()).toBe(true);
    expect(detector.reset()).toBe(false);
  });
});
