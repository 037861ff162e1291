// What the operator's routes answer (handlers/openapi.json, `Stats` and `Session`), read with care: a server may be older or
// newer than the page. What is missing is left out, and a newer server's latencies and breakdowns are shown under their names.
import { Fields } from "@/voice/protocol";

/** Numbers by name. */
export type Counts = Readonly<Record<string, number>>;

/** A distribution since the server's start, in the unit that its name ends in (`Ms`, `Us`). */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly byModality: Counts;
  /** Only where the server reckons it. */
  readonly costUsd: number | undefined;
}

export interface Stats {
  readonly uptimeMs: number;
  readonly active: number;
  /** Of `active`, those that wait for their browser. */
  readonly detached: number;
  readonly peak: number;
  readonly total: number;
  readonly refused: Counts;
  readonly byReason: Counts;
  /** Starts by backend, and by whatever else the server tells them apart (assistant, variant): name to counts. */
  readonly starts: Readonly<Record<string, Counts>>;
  /** `readyMs`, `responseMs` and others that the server has: name to distribution. */
  readonly latencies: Readonly<Record<string, Latency>>;
  readonly counters: Counts;
  readonly usage: Usage;
  /** Connections that are opened before they are needed, by backend. */
  readonly warmPool: Readonly<Record<string, Counts>>;
}

export interface Session {
  readonly id: string;
  readonly state: string;
  readonly backend: string;
  readonly simulated: boolean;
  readonly model: string;
  readonly voice: string;
  readonly assistant: string;
  readonly variant: string;
  readonly userId: string;
  readonly address: string;
  readonly durationMs: number;
  readonly startupMs: number;
  readonly counters: Counts;
  readonly usage: Usage;
}

/** Reads the answer of `GET /api/session/stats`; throws ProtocolError where it is no such answer. */
export function parseStats(value: unknown): Stats {
  const f = new Fields(value, "answer");
  return {
    uptimeMs: f.number("uptimeMs"),
    active: f.number("active"),
    detached: f.number("detached", 0),
    peak: f.number("peak", 0),
    total: f.number("total"),
    refused: counts(f.any("refused")),
    byReason: counts(f.any("byReason")),
    starts: pick(value, (name, x) => (/^by[A-Z]/.test(name) && name !== "byReason" && isObject(x) ? counts(x) : undefined)),
    latencies: pick(value, (_, x) => latency(x)),
    counters: counts(f.any("counters")),
    usage: usage(f.any("usage")),
    warmPool: pick(f.any("warmPool"), (_, x) => (isObject(x) ? counts(x) : undefined)),
  };
}

/** Reads the answer of `GET /api/session`; throws ProtocolError where it is no such answer. */
export function parseSessions(value: unknown): readonly Session[] {
  return new Fields(value, "answer").list("sessions").map((f) => ({
    id: f.string("id"),
    state: f.string("state", ""),
    backend: f.string("backend", ""),
    simulated: f.boolean("simulated", false),
    model: f.string("model", ""),
    voice: f.string("voice", ""),
    assistant: f.string("assistant", ""),
    variant: f.string("variant", ""),
    userId: f.string("userId", ""),
    address: f.string("address", ""),
    durationMs: f.number("durationMs", 0),
    startupMs: f.number("startupMs", 0),
    counters: counts(f.any("counters")),
    usage: usage(f.any("usage")),
  }));
}

/** The sum of all. */
export function sum(of: Counts): number {
  return Object.values(of).reduce((a, b) => a + b, 0);
}

function usage(value: unknown): Usage {
  const numbers = counts(value);
  return {
    inputTokens: numbers["inputTokens"] ?? 0,
    outputTokens: numbers["outputTokens"] ?? 0,
    byModality: counts(isObject(value) ? value["byModality"] : undefined),
    costUsd: numbers["estimatedCostUsd"],
  };
}

function counts(value: unknown): Counts {
  return pick(value, (_, x) => (typeof x === "number" && Number.isFinite(x) ? x : undefined));
}

function latency(value: unknown): Latency | undefined {
  const { count, p50, p90, p99, max } = counts(value);
  if (count === undefined || p50 === undefined || p90 === undefined || p99 === undefined || max === undefined) return undefined;
  return { count, p50, p90, p99, max };
}

/** The fields of an object that `take` makes something of. */
function pick<T>(value: unknown, take: (name: string, x: unknown) => T | undefined): Record<string, T> {
  const taken: [string, T][] = [];
  for (const [name, x] of isObject(value) ? Object.entries(value) : []) {
    const made = take(name, x);
    if (made !== undefined) taken.push([name, made]);
  }
  return Object.fromEntries(taken);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
