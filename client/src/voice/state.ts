// The life of a call as a table: what a status and an event lead to. It is pure; call.ts carries the effects out.
// state.vectors.json lists every edge, and the test checks it both ways.

/** Where a conversation is: exactly one of these. */
export type Status =
  | "idle"
  | "connecting"
  | "listening"
  | "thinking"
  | "speaking"
  | "interrupted"
  /** The person hung up; the server's `session_ended` is awaited. */
  | "ending"
  | "ended"
  | "failed";

export type Event =
  /** The person asked for a conversation. */
  | "start"
  /** `session_ready`. */
  | "ready"
  /** The person began or stopped to speak, as the upstream or the microphone's level tells. */
  | "speechStarted"
  | "speechEnded"
  | "textSent"
  /** The first sample of an answer sounds; the last one has sounded and no more will come. */
  | "playbackStarted"
  | "playbackEnded"
  /** The model's turn is over and nothing of it is left to play. */
  | "turnEmpty"
  /** The person pressed "interrupt". */
  | "interrupt"
  /** `interrupted`: the server says that the model was cut short. */
  | "interrupted"
  | "turnRestarted"
  /** Timers: `interrupted` was shown long enough; the model did not answer. */
  | "settled"
  | "patienceOver"
  | "hangUp"
  /** The page is left: a reload may go on with the conversation. */
  | "left"
  /** The session is over as it should be. */
  | "ended"
  /** It is over and should not be. */
  | "failed";

export type Effect =
  | "open"
  | "clearPlayback"
  | "sendInterrupt"
  | "sendEnd"
  | "letGo"
  | "startSettling"
  | "stopSettling"
  | "startPatience"
  | "stopPatience"
  | "startFarewell"
  | "stopFarewell"
  | "teardown";

export interface Step {
  readonly status: Status;
  readonly effects: readonly Effect[];
}

/** What an event leads to: the next status, and what this edge does besides leaving and entering. */
type Edge = readonly [Status, ...Effect[]];

/** Effects that belong to a status and not to an edge: a new edge cannot forget to stop a timer. */
const onEnter: Partial<Record<Status, readonly Effect[]>> = {
  connecting: ["open"],
  thinking: ["startPatience"],
  interrupted: ["startSettling"],
  ending: ["startFarewell"],
  ended: ["teardown"],
  failed: ["teardown"],
};

const onExit: Partial<Record<Status, readonly Effect[]>> = {
  thinking: ["stopPatience"],
  interrupted: ["stopSettling"],
  ending: ["stopFarewell"],
};

const leave = {
  hangUp: ["ending", "clearPlayback", "sendEnd"],
  left: ["idle", "clearPlayback", "letGo"],
  ended: ["ended", "clearPlayback"],
  failed: ["failed", "clearPlayback"],
} as const satisfies Partial<Record<Event, Edge>>;

export const edges: Record<Status, Partial<Record<Event, Edge>>> = {
  idle: {
    start: ["connecting"],
  },
  connecting: {
    ready: ["listening"],
    ...leave,
  },
  listening: {
    speechEnded: ["thinking"],
    textSent: ["thinking"],
    playbackStarted: ["speaking"],
    // The answer has been played already, or not begun: nothing to show, but nothing of it may sound later.
    interrupted: ["listening", "clearPlayback"],
    turnRestarted: ["thinking", "clearPlayback"],
    ...leave,
  },
  thinking: {
    speechStarted: ["listening"],
    playbackStarted: ["speaking"],
    turnEmpty: ["listening"],
    interrupt: ["interrupted", "clearPlayback", "sendInterrupt"],
    interrupted: ["interrupted", "clearPlayback"],
    turnRestarted: ["thinking", "clearPlayback"],
    patienceOver: ["listening"],
    ...leave,
  },
  speaking: {
    playbackEnded: ["listening"],
    interrupt: ["interrupted", "clearPlayback", "sendInterrupt"],
    interrupted: ["interrupted", "clearPlayback"],
    turnRestarted: ["thinking", "clearPlayback"],
    ...leave,
  },
  // Shown for a moment even to somebody who goes on to speak: it is what their voice has done.
  interrupted: {
    speechEnded: ["thinking"],
    textSent: ["thinking"],
    playbackStarted: ["speaking"],
    // The person went on to speak over what little had begun.
    interrupted: ["interrupted", "clearPlayback"],
    turnRestarted: ["thinking", "clearPlayback"],
    settled: ["listening"],
    ...leave,
  },
  ending: {
    // The server has been told, or never will be.
    left: ["ended"],
    ended: ["ended"],
    // The person wanted to leave; that the line broke on the way out is not their concern.
    failed: ["ended"],
  },
  ended: {
    start: ["connecting"],
  },
  failed: {
    start: ["connecting"],
  },
};

/** The next step of a call, or undefined where the event means nothing in this status and is ignored. */
export function transition(status: Status, event: Event): Step | undefined {
  const edge = edges[status][event];
  if (!edge) return undefined;
  const [next, ...own] = edge;
  if (next === status) return { status, effects: own };
  return { status: next, effects: [...(onExit[status] ?? []), ...own, ...(onEnter[next] ?? [])] };
}

/** Whether a call is under way: there is a microphone or a socket to speak of. */
export function isLive(status: Status): boolean {
  switch (status) {
    case "connecting":
    case "listening":
    case "thinking":
    case "speaking":
    case "interrupted":
      return true;
    case "idle":
    case "ending":
    case "ended":
    case "failed":
      return false;
  }
}
