// The messages of docs/protocol.md, as types, and the one place where a stranger's JSON becomes one of them.

/** The subprotocol that this client speaks. */
export const subprotocol = "stonepot.v1";

/** Offered beside it by a connection that resumes a session: it needs no start ticket. */
export const resumeSubprotocol = "stonepot.resume";

/** How the end of speech is found. */
export interface VadConfig {
  mode?: "auto" | "manual";
  startSensitivity?: "high" | "low";
  endSensitivity?: "high" | "low";
  prefixPaddingMs?: number;
  silenceDurationMs?: number;
  interruptible?: boolean;
}

/** What a client may wish for; the server decides what it allows. */
export interface SessionConfig {
  assistant?: string;
  model?: string;
  voice?: string;
  language?: string;
  systemInstruction?: string;
  userId?: string;
  modality?: "audio" | "text";
  transcription?: { input: boolean; output: boolean };
  vad?: VadConfig;
  audio?: { inputSampleRate: number };
  resumable?: boolean;
}

/** What a new connection says to go on with a session. */
export interface Resume {
  sessionId: string;
  resumeTicket: string;
  /** Counted messages of the server that this client has; null: the page was reloaded, counts begin anew both ways. */
  received: number | null;
}

/** What a client sends as text; sound goes as binary messages. */
export type ClientMessage =
  | { type: "start_session"; config?: SessionConfig; resume?: Resume }
  | { type: "text"; text: string; turnComplete?: boolean }
  | { type: "video_frame"; mimeType: string; data: string }
  | { type: "activity_start" }
  | { type: "activity_end" }
  | { type: "turn_complete" }
  | { type: "interrupt" }
  | { type: "update_session"; config: SessionConfig }
  | { type: "ack"; received: number }
  | { type: "skipped"; messages: number; audioMs: number; reason: string }
  | { type: "ping"; t: number }
  | { type: "end_session" };

/** Tokens, as the model counts them. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  estimatedCostUsd?: number;
}

/** What a turn took. */
export interface TurnFacts {
  index: number;
  responseMs: number;
  audioMs: number;
  interrupted: boolean;
}

/** A function that the model wants to be called. */
export interface ToolCall {
  id: string;
  name: string;
  args: unknown;
}

/** What a server sends as text; speech comes as binary messages. */
export type ServerMessage =
  | { type: "session_started"; sessionId: string; workflow: string; resumeTicket: string | undefined }
  | {
      type: "session_ready";
      sessionId: string;
      model: string;
      voice: string;
      language: string;
      assistant: string;
      simulated: boolean;
      outputHz: number;
      maxDurationMs: number;
      startupMs: number;
    }
  | { type: "input_transcript" | "output_transcript"; text: string; final: boolean }
  | { type: "text_response"; text: string }
  | { type: "interrupted" }
  | { type: "generation_complete" }
  | { type: "turn_complete"; turn: TurnFacts }
  | { type: "turn_restarted"; reason: string }
  | { type: "tool_call"; calls: ToolCall[] }
  | { type: "tool_call_cancelled"; ids: string[] }
  | { type: "tool_activity"; id: string; name: string; state: string }
  | { type: "usage"; usage: Usage }
  | { type: "voice_activity"; state: "started" | "ended" }
  | { type: "session_updated"; model: string; voice: string; language: string }
  | { type: "reconnecting"; reason: string; attempt: number }
  | { type: "reconnected"; gapMs: number; replayedAudioMs: number; lostAudioMs: number }
  | { type: "session_expiring"; timeLeftMs: number }
  | {
      type: "session_resumed";
      sessionId: string;
      received: number;
      /** Null: another instance has the session now, and knows only what the ticket covers. */
      lost: number | null;
      resumeTicket: string;
      upstream: string;
    }
  | { type: "resume_ticket"; resumeTicket: string }
  | { type: "skipped"; messages: number; audioMs: number }
  | { type: "ack"; received: number; covered: number }
  | { type: "warning"; code: string; message: string; field?: string }
  | { type: "error"; error: string; code: string; retryable: boolean; field?: string }
  | { type: "session_ended"; reason: string; durationMs: number; turns: number; usage?: Usage }
  | { type: "pong"; t: number }
  /** A type that this client does not know; newer servers may send it. */
  | { type: "unknown"; name: string };

/** ProtocolError says that the server sent something that is no message of the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Types that are about the connection itself and are not counted (docs/protocol.md, "Resuming"), either way. */
const uncounted: ReadonlySet<string> = new Set([
  "start_session",
  "init",
  "session_started",
  "session_resumed",
  "resume_ticket",
  "skipped",
  "ack",
  "ping",
  "pong",
  "error",
  "session_ended",
]);

/** Whether a text message counts towards the numbers that both sides compare after a reconnect. */
export function isCounted(type: string): boolean {
  return !uncounted.has(type);
}

/**
 * Whether a close says that the session is over (docs/protocol.md, "How it ends"). Every other one, a lost connection
 * included, leaves a resumable session alive.
 */
export function endsSession(closeCode: number): boolean {
  return finalCloses.has(closeCode) || (closeCode >= 4500 && closeCode <= 4999);
}

/** From 4500 on they all are; of those that say "come back" these mean: for a new session. */
const finalCloses: ReadonlySet<number> = new Set([1000, 1002, 1007, 1009, 4001, 4002, 4003]);

/** Reads one text message of the server; throws ProtocolError when it is not one. */
export function parseServerMessage(text: string): ServerMessage {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ProtocolError("The server sent a message that is not JSON.");
  }
  const m = new Fields(json, "message");
  const type = m.string("type");
  switch (type) {
    case "session_started":
      return {
        type,
        sessionId: m.string("sessionId"),
        workflow: m.string("workflow", ""),
        resumeTicket: m.has("resumeTicket") ? m.string("resumeTicket") : undefined,
      };
    case "session_ready": {
      const audio = m.object("audio").object("output");
      const outputHz = audio.number("sampleRate");
      if (!Number.isInteger(outputHz) || outputHz < 8000 || outputHz > 192_000) {
        throw new ProtocolError(`The server announced speech at ${outputHz} Hz, which cannot be played.`);
      }
      return {
        type,
        sessionId: m.string("sessionId"),
        model: m.string("model", ""),
        voice: m.string("voice", ""),
        language: m.string("language", ""),
        assistant: m.string("assistant", ""),
        simulated: m.boolean("simulated", false),
        outputHz,
        maxDurationMs: m.object("limits", {}).number("maxDurationMs", 0),
        startupMs: m.number("startupMs", 0),
      };
    }
    case "input_transcript":
    case "output_transcript":
      return { type, text: m.string("text"), final: m.boolean("final", false) };
    case "text_response":
      return { type, text: m.string("text") };
    case "interrupted":
    case "generation_complete":
      return { type };
    case "turn_complete": {
      const turn = m.object("turn", {});
      return {
        type,
        turn: {
          index: turn.number("index", 0),
          responseMs: turn.number("responseMs", 0),
          audioMs: turn.number("audioMs", 0),
          interrupted: turn.boolean("interrupted", false),
        },
      };
    }
    case "turn_restarted":
      return { type, reason: m.string("reason", "") };
    case "tool_call":
      return {
        type,
        calls: m.list("calls").map((call) => ({
          id: call.string("id"),
          name: call.string("name"),
          args: call.any("args"),
        })),
      };
    case "tool_call_cancelled":
      return { type, ids: m.strings("ids") };
    case "tool_activity":
      return { type, id: m.string("id", ""), name: m.string("name"), state: m.string("state") };
    case "usage":
      return { type, usage: usage(m) };
    case "voice_activity": {
      const state = m.string("state");
      if (state !== "started" && state !== "ended") return { type: "unknown", name: `voice_activity ${state}` };
      return { type, state };
    }
    case "session_updated":
      return { type, model: m.string("model", ""), voice: m.string("voice", ""), language: m.string("language", "") };
    case "reconnecting":
      return { type, reason: m.string("reason", ""), attempt: m.number("attempt", 1) };
    case "reconnected":
      return {
        type,
        gapMs: m.number("gapMs", 0),
        replayedAudioMs: m.number("replayedAudioMs", 0),
        lostAudioMs: m.number("lostAudioMs", 0),
      };
    case "session_expiring":
      return { type, timeLeftMs: m.number("timeLeftMs") };
    case "session_resumed":
      return {
        type,
        sessionId: m.string("sessionId"),
        received: m.number("received"),
        lost: m.has("lost") ? m.number("lost") : null,
        resumeTicket: m.string("resumeTicket"),
        upstream: m.string("upstream", ""),
      };
    case "resume_ticket":
      return { type, resumeTicket: m.string("resumeTicket") };
    case "skipped":
      return { type, messages: m.number("messages"), audioMs: m.number("audioMs", 0) };
    case "ack":
      return { type, received: m.number("received"), covered: m.number("covered", 0) };
    case "warning":
      return { type, code: m.string("code"), message: m.string("message", ""), ...field(m) };
    case "error":
      return {
        type,
        error: m.string("error", ""),
        code: m.string("code"),
        retryable: m.boolean("retryable", false),
        ...field(m),
      };
    case "session_ended":
      return {
        type,
        reason: m.string("reason"),
        durationMs: m.number("durationMs", 0),
        turns: m.number("turns", 0),
        ...(m.has("usage") ? { usage: usage(m.object("usage")) } : {}),
      };
    case "pong":
      return { type, t: m.number("t") };
    default:
      return { type: "unknown", name: type };
  }
}

function usage(m: Fields): Usage {
  return {
    inputTokens: m.number("inputTokens", 0),
    outputTokens: m.number("outputTokens", 0),
    ...(m.has("estimatedCostUsd") ? { estimatedCostUsd: m.number("estimatedCostUsd") } : {}),
  };
}

function field(m: Fields): { field?: string } {
  return m.has("field") ? { field: m.string("field") } : {};
}

/**
 * Fields reads typed values out of an unknown object. A getter without a fallback throws ProtocolError when the field
 * is absent; a value of the wrong type always throws. `null` counts as absent.
 */
export class Fields {
  private readonly value: Readonly<Record<string, unknown>>;

  constructor(
    value: unknown,
    private readonly path: string,
  ) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ProtocolError(`The server sent a ${path} that is not an object.`);
    }
    this.value = value as Readonly<Record<string, unknown>>;
  }

  has(key: string): boolean {
    return this.value[key] !== undefined && this.value[key] !== null;
  }

  any(key: string): unknown {
    return this.value[key];
  }

  string(key: string, fallback?: string): string {
    const v = this.value[key] ?? fallback;
    return typeof v === "string" ? v : this.fail(key, "text");
  }

  number(key: string, fallback?: number): number {
    const v = this.value[key] ?? fallback;
    return typeof v === "number" && Number.isFinite(v) ? v : this.fail(key, "a number");
  }

  boolean(key: string, fallback?: boolean): boolean {
    const v = this.value[key] ?? fallback;
    return typeof v === "boolean" ? v : this.fail(key, "true or false");
  }

  object(key: string, fallback?: object): Fields {
    return new Fields(this.value[key] ?? fallback, `${this.path}.${key}`);
  }

  list(key: string): Fields[] {
    const v = this.value[key];
    if (!Array.isArray(v)) return this.fail(key, "a list");
    return v.map((item: unknown, i) => new Fields(item, `${this.path}.${key}[${i}]`));
  }

  strings(key: string): string[] {
    const v = this.value[key];
    if (!Array.isArray(v) || !v.every((item): item is string => typeof item === "string")) {
      return this.fail(key, "a list of texts");
    }
    return v;
  }

  private fail(key: string, wanted: string): never {
    throw new ProtocolError(`The server sent a ${this.path} whose "${key}" is not ${wanted}.`);
  }
}
