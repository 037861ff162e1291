import type { Point } from "@/charts/geometry";
import type { BufferSample, FrameSample } from "@/voice/tap";

/** How much of the past the plots show. */
export const windowMs = 30_000;

/** What a plot draws, and its figures. */
export interface Gaps {
  readonly points: readonly Point[];
  readonly median: number;
  readonly p95: number;
  readonly longest: number;
}

/** The time between binary messages of the last half minute; undefined: there were none. */
export function gapsOf(frames: readonly FrameSample[], now: number): Gaps | undefined {
  const recent = frames.filter((f) => f.at > now - windowMs);
  if (recent.length === 0) return undefined;
  const points: Point[] = [];
  recent.forEach(({ at, gapMs }, i) => {
    // A pause is between this frame's gap and the last frame: nothing is drawn there.
    const before = recent[i - 1]?.at;
    if (before !== undefined && at - gapMs - before > 1) points.push([at - gapMs, null]);
    points.push([at, gapMs]);
  });
  const sorted = recent.map((f) => f.gapMs).sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
  return { points, median: at(0.5), p95: at(0.95), longest: at(1) };
}

export interface Buffered {
  readonly points: readonly Point[];
  readonly now: number;
  readonly highest: number;
  /** When speech ran dry, as far as it is in sight. */
  readonly underruns: readonly number[];
  /** How often it did so in the whole conversation. */
  readonly total: number;
}

/** A speaker that is silent reports nothing; the line breaks there. */
const silentMs = 1000;

/** The playback queue of the last half minute; undefined: nothing was played. */
export function bufferOf(samples: readonly BufferSample[], now: number): Buffered | undefined {
  const last = samples.at(-1);
  if (!last) return undefined;
  const points: Point[] = [];
  const underruns: number[] = [];
  let highest = 0;
  let before: BufferSample | undefined;
  for (const sample of samples) {
    if (sample.at > now - windowMs) {
      if (before && sample.at - before.at > silentMs) points.push([sample.at, null]);
      points.push([sample.at, sample.queuedMs]);
      highest = Math.max(highest, sample.queuedMs);
      if (before && sample.underruns > before.underruns) underruns.push(sample.at);
    }
    before = sample;
  }
  return { points, now: now - last.at > silentMs ? 0 : last.queuedMs, highest, underruns, total: last.underruns };
}
