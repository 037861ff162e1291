// The charts' memory: the server's figures as they were at each look, bounded.
import type { Point } from "@/charts/geometry";
import { sum, type Stats } from "./stats";

/** One look at the server. Amounts are since the server's start; differences between looks make rates. */
export interface Sample {
  /** Milliseconds of the page's clock, which only goes forward. */
  readonly at: number;
  readonly stats: Stats;
}

export interface History {
  readonly samples: readonly Sample[];
  /** Why the samples begin where they do: another process answered than before. */
  readonly restarted: boolean;
}

export const noHistory: History = { samples: [], restarted: false };

/** Ten minutes at a look every two seconds. */
export const maxSamples = 300;

/** Two looks at one process disagree about its start by no more than a slow answer takes. */
const sameStartMs = 10_000;

/** Appends a look. One at another process (a restart, or another instance behind a load balancer) begins anew: its amounts say nothing of the first one's. */
export function remember(history: History, sample: Sample): History {
  const last = history.samples.at(-1);
  if (last && !sameProcess(last, sample)) return { samples: [sample], restarted: true };
  return { samples: [...history.samples.slice(1 - maxSamples), sample], restarted: history.restarted };
}

function sameProcess(a: Sample, b: Sample): boolean {
  if (b.stats.uptimeMs < a.stats.uptimeMs || b.stats.total < a.stats.total) return false;
  return Math.abs(b.at - b.stats.uptimeMs - (a.at - a.stats.uptimeMs)) < sameStartMs;
}

/** What a chart draws: one value of each sample. */
export function series(history: History, value: (stats: Stats) => number | undefined): Point[] {
  return history.samples.map(({ at, stats }) => [at, value(stats) ?? null]);
}

/** The span over which a rate is taken: long enough that one start a minute does not flicker. */
const rateSpanMs = 30_000;

/** And the shortest: one start two seconds after the first look is not thirty a minute. */
const leastSpanMs = 10_000;

/** What a chart draws of an amount that grows: how much per minute, over the half minute before each sample. */
export function perMinute(history: History, amount: (stats: Stats) => number): Point[] {
  const { samples } = history;
  let from = 0;
  return samples.map((sample, i) => {
    while (from < i - 1 && sample.at - samples[from]!.at > rateSpanMs) from++;
    const before = samples[from]!;
    const span = sample.at - before.at;
    if (span < leastSpanMs) return [sample.at, null];
    return [sample.at, (Math.max(0, amount(sample.stats) - amount(before.stats)) / span) * 60_000];
  });
}

/** Conversations that ended. */
export const ended = (s: Stats): number => sum(s.byReason);

/** What did not get through, in milliseconds of speech: it should be 0. */
export const lostMs = (s: Stats): number => (s.counters["lostAudioMs"] ?? 0) + (s.counters["uplinkDroppedMs"] ?? 0);
