// What can go wrong, in the words of the person it happens to: what happened, and what they can do about it.

/** Why a conversation failed or ended early, in sentences for the person. */
export interface Problem {
  /** A code of docs/protocol.md, or one of this page's own; stable, for tests and reports. */
  readonly code: string;
  readonly title: string;
  /** What happened, if the title does not say it all. */
  readonly detail: string;
  /** The next step. */
  readonly next: string;
  /** `limit` is an end that was to be expected; it is not shown as a fault. */
  readonly tone: "error" | "limit";
  /** The conversation can go on without a microphone. */
  readonly canType: boolean;
  /** It goes away by itself: another try is worth while after this many milliseconds. */
  readonly retryAfterMs?: number;
}

/** ProblemError carries a problem out of a promise. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly problem: Problem,
    options?: ErrorOptions,
  ) {
    super(`${problem.title}: ${problem.detail}`, options);
  }
}

type Words = Omit<Problem, "code" | "tone" | "canType"> & Partial<Pick<Problem, "tone" | "canType">>;

const again = "Press the button to start again.";
const later = "Wait a moment, then press the button to try again.";
const operator = "Please tell the people who run this page; trying again will not help.";

const words: Readonly<Record<string, Words>> = {
  // This side: the microphone, the browser, the line.
  microphone_refused: {
    title: "The microphone is blocked",
    detail: "This page was not allowed to use your microphone.",
    next: "Allow it with the icon beside the address, then press the button again.",
    canType: true,
  },
  microphone_missing: {
    title: "No microphone found",
    detail: "Your browser found no microphone on this device.",
    next: "Connect one, then press the button again.",
    canType: true,
  },
  microphone_busy: {
    title: "The microphone is in use",
    detail: "Your device would not hand over its microphone; another program may be holding it.",
    next: "Close other calls or recorders, then press the button again.",
    canType: true,
  },
  insecure_origin: {
    title: "This address is not secure",
    detail: "Browsers give microphone and sound only to pages opened with https:// or on localhost.",
    next: "Open this page with https:// in front of its address.",
  },
  unsupported: {
    title: "This browser cannot do it",
    detail: "It lacks the audio features that a voice conversation needs.",
    next: "Use a current version of Chrome, Edge, Firefox or Safari.",
  },
  audio_failed: {
    title: "Sound could not be started",
    detail: "The browser could not open its audio output.",
    next: "Reload the page. If that does not help, check your sound settings.",
  },
  offline: {
    title: "You are offline",
    detail: "This device has no network connection.",
    next: "Check your network, then press the button again.",
  },
  server_unreachable: {
    title: "The server cannot be reached",
    detail: "Your network works, but the server does not answer.",
    next: later,
  },
  connection_lost: {
    title: "The connection was lost",
    detail: "The line to the server broke.",
    next: "Check your network, then press the button to start a new conversation.",
  },
  out_of_reach: {
    title: "The connection was lost",
    detail: "The server could not be reached again for a while.",
    next: "Check your network, then press the button to go on with the conversation.",
  },
  not_a_stonepot: {
    title: "The server answered strangely",
    detail: "Something else than the voice server answered, perhaps a sign-in page of your network.",
    next: "Reload the page.",
  },

  // The server, before the conversation.
  at_capacity: {
    title: "All lines are busy",
    detail: "The server holds as many conversations as it can.",
    next: later,
  },
  rate_limited: {
    title: "Too many tries",
    detail: "You or your network started too many conversations in a short time.",
    next: later,
  },
  server_draining: {
    title: "The server is restarting",
    detail: "A new version is being put in place.",
    next: "Press the button again; the next conversation goes to the new one.",
  },
  unauthorized: {
    title: "You are not signed in",
    detail: "The server wants to know who you are before it starts a conversation.",
    next: "Sign in again, then reload the page.",
  },
  origin_not_allowed: {
    title: "This page may not talk to that server",
    detail: "The server does not accept conversations from this address.",
    next: operator,
  },
  upstream_not_configured: {
    title: "No model is connected",
    detail: "This server has no credentials for the model.",
    next: operator,
  },

  // The conversation's end.
  internal: {
    title: "Something broke on the server",
    detail: "The conversation could not go on.",
    next: again,
  },
  slow_client: {
    title: "Your connection is too slow",
    detail: "The answer could not be sent to you in time.",
    next: "Move closer to your router or change the network, then start again.",
  },
  upstream_unavailable: {
    title: "The model cannot be reached",
    detail: "The server could not connect to the model.",
    next: later,
  },
  upstream_quota: {
    title: "The model is fully booked",
    detail: "The quota of this server is used up for now.",
    next: "Try again in a few minutes.",
  },
  upstream_rejected: {
    title: "The model refused",
    detail: "The model did not accept the conversation.",
    next: again,
  },
  upstream_auth: {
    title: "The model did not accept the server",
    detail: "The server's own credentials were refused.",
    next: operator,
  },
  max_duration: {
    title: "Time is up",
    detail: "The conversation reached its longest duration.",
    next: "Press the button to start a new one.",
    tone: "limit",
  },
  idle_timeout: {
    title: "Ended after a long silence",
    detail: "Nobody said anything for a while.",
    next: "Press the button to start a new conversation.",
    tone: "limit",
  },
  budget_spent: {
    title: "The budget is used up",
    detail: "The conversation used what it was allowed to.",
    next: "Press the button to start a new one.",
    tone: "limit",
  },
  ended_by_operator: {
    title: "The conversation was ended",
    detail: "The people who run this server ended it.",
    next: "Press the button to start a new one.",
    tone: "limit",
  },
  replaced: {
    title: "The conversation moved",
    detail: "It goes on in another tab or window.",
    next: "Press the button to take it back here.",
    tone: "limit",
  },
  session_not_found: {
    title: "The conversation is over",
    detail: "It was left for too long, and the server has let it go.",
    next: "Press the button to start a new one.",
    tone: "limit",
  },
  browser_gone: {
    title: "The conversation is over",
    detail: "It was left for too long, and the server has let it go.",
    next: "Press the button to start a new one.",
    tone: "limit",
  },
};

/** Codes for which the server's own sentence says more than this page could. */
const serverKnowsBetter: ReadonlySet<string> = new Set([
  "upstream_rejected",
  "not_allowed",
  "bad_config",
  "unauthorized",
  "upstream_not_configured",
]);

/** Describes a code; `sentence` is the server's own, if it gave one. */
export function problemOf(code: string, sentence = ""): Problem {
  const w = words[code];
  if (!w) {
    return {
      code,
      title: "The conversation could not go on",
      detail: sentence || "The server ended it.",
      next: again,
      tone: "error",
      canType: false,
    };
  }
  const detail = serverKnowsBetter.has(code) && sentence ? sentence : w.detail;
  return { code, title: w.title, detail, next: w.next, tone: w.tone ?? "error", canType: w.canType ?? false };
}

/** A problem that goes away with time, where the server says when. */
export function withRetryAfter(problem: Problem, seconds: number): Problem {
  const wait = seconds <= 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} minutes`;
  return { ...problem, next: `Wait ${wait}, then press the button to try again.`, retryAfterMs: seconds * 1000 };
}

/** The code for a close without an `error` message before it (docs/protocol.md, "How it ends"). */
export function codeOfClose(closeCode: number, opened: boolean): string {
  const code = closeCodes[closeCode];
  if (code) return code;
  return opened ? "connection_lost" : "server_unreachable";
}

const closeCodes: Readonly<Record<number, string>> = {
  1000: "ended",
  1002: "protocol_error",
  1007: "bad_message",
  1009: "frame_too_large",
  1011: "internal",
  1012: "server_draining",
  1013: "at_capacity",
  4000: "slow_client",
  4001: "upstream_unavailable",
  4002: "upstream_quota",
  4003: "rate_limited",
  4500: "max_duration",
  4501: "upstream_rejected",
  4502: "upstream_auth",
  4503: "bad_config",
  4504: "unauthorized",
  4505: "replaced",
  4506: "session_not_found",
  4507: "ended_by_operator",
  4508: "budget_spent",
  4509: "idle_timeout",
};
