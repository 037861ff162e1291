// What a call shows: the snapshot that a page draws, and the levels and counters that never pass through it.
import type { Caption } from "./captions";
import type { ConnectionCounts } from "./connection";
import type { Problem } from "./problem";
import type { ServerMessage } from "./protocol";
import type { Status } from "./state";

/** What the page draws. Replaced as a whole on every change, never modified. */
export interface CallSnapshot {
  readonly status: Status;
  readonly muted: boolean;
  /** The person says when they speak (`vad.mode: manual`); nothing is heard but while they are `talking`. */
  readonly pushToTalk: boolean;
  readonly talking: boolean;
  /** The conversation goes without a microphone. */
  readonly textOnly: boolean;
  readonly captions: readonly Caption[];
  /** Why the last call failed or ended early. */
  readonly problem: Problem | undefined;
  /** Something passing that the person should know; nothing ended. */
  readonly notice: Notice | undefined;
  /** While connecting: what is still awaited. */
  readonly awaiting: "both" | "microphone" | "server" | "nothing";
  readonly session: SessionFacts | undefined;
  /** A conversation that is not under way and can be: `Call.resume`. */
  readonly offer: Offer | undefined;
}

/** Whether the conversation goes on nowhere, or in another window. */
export type Offer = "continue" | "takeBack";

/** What is told in passing. */
export type Notice =
  | { readonly kind: SimpleNotice }
  | { readonly kind: "expiring"; readonly timeLeftMs: number }
  | { readonly kind: "tool"; readonly name: string };

/**
 * `reconnecting`: the model is being found again; `resuming`: the server is. `soundHeld`: by the browser;
 * `soundTaken`, `microphoneHeld`: by the system.
 */
export type SimpleNotice = "reconnecting" | "resuming" | "soundHeld" | "soundTaken" | "microphoneLost" | "microphoneHeld" | "offline";

/** What the server said of the session, and how it goes. */
export interface SessionFacts {
  readonly id: string;
  readonly model: string;
  readonly voice: string;
  readonly language: string;
  readonly simulated: boolean;
  /** When the server was ready, on the clock of `now`; undefined before. */
  readonly readySince: number | undefined;
  readonly endedAt: number | undefined;
  readonly startupMs: number;
  /** How long the session may last; 0: for ever. */
  readonly maxDurationMs: number;
  readonly turns: number;
  /** End of speech to first audio of the last answer, as the server saw it; 0 when unknown. */
  readonly responseMs: number;
  /** The same of the newest answers, at most `maxResponses`. */
  readonly responses: readonly number[];
  readonly lastWarning: string;
}

/** Loudness of both sides now, RMS 0 to 1. One object for the life of a call; read it when drawing. */
export interface Levels {
  microphone: number;
  speech: number;
}

/** Counters for the details on the page and for tests. */
export interface CallStats extends ConnectionCounts {
  readonly playedMs: number;
  readonly queuedMs: number;
  readonly underruns: number;
  readonly refusedSamples: number;
  /** Binary messages dropped because the person had interrupted that answer. */
  readonly discardedMessages: number;
  readonly protocolErrors: number;
}

/** Before the first call. */
export const idle: CallSnapshot = {
  status: "idle",
  muted: false,
  pushToTalk: false,
  talking: false,
  textOnly: false,
  captions: [],
  problem: undefined,
  notice: undefined,
  awaiting: "nothing",
  session: undefined,
  offer: undefined,
};

/** Before the server has said anything. */
export const noSession: SessionFacts = {
  id: "",
  model: "",
  voice: "",
  language: "",
  simulated: false,
  readySince: undefined,
  endedAt: undefined,
  startupMs: 0,
  maxDurationMs: 0,
  turns: 0,
  responseMs: 0,
  responses: [],
  lastWarning: "",
};

/** What `session_ready` says of a session that is ready since then, on the clock of `now`. */
export function readyFacts(m: Extract<ServerMessage, { type: "session_ready" }>, readySince: number): Partial<SessionFacts> {
  const { sessionId: id, model, voice, language, simulated, startupMs, maxDurationMs } = m;
  return { id, model, voice, language, simulated, startupMs, maxDurationMs, readySince };
}

/** Of so many answers the delays are kept. */
export const maxResponses = 99;

/** The middle of some durations; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : sorted.length > 0 ? (sorted[half - 1]! + sorted[half]!) / 2 : undefined;
}
