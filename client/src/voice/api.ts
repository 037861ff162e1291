// The two REST calls that the page makes: permission for a conversation, and what the server offers.
import { Fields, subprotocol } from "./protocol";
import { ProblemError, problemOf, withRetryAfter } from "./problem";
import type { Server } from "./server";

/** Permission to open one voice WebSocket. */
export interface Admission {
  /** Absolute, `ws:` or `wss:`. */
  readonly url: string;
  readonly protocols: readonly string[];
}

/** A model that a person may choose. */
export interface ModelOffer {
  readonly id: string;
  readonly label: string;
  readonly voices: readonly string[];
  /** Tags that it may be asked for; none: it follows the person. */
  readonly languages: readonly string[];
  /** How long a conversation with pictures may last; 0: as long as any other. */
  readonly videoLimitMs: number;
}

/** What a page may show of the server before a conversation. */
export interface ServerConfig {
  /** No key is configured: the model is pretended. */
  readonly simulated: boolean;
  /** What a person may choose from; empty where the server does not tell. */
  readonly assistants: readonly { readonly name: string; readonly label: string }[];
  readonly defaultAssistant: string;
  readonly models: readonly ModelOffer[];
  readonly defaultModel: string;
  /** Fields of `start_session.config` that a client may set. */
  readonly clientMaySet: readonly string[];
  /** Bytes of the largest `video_frame` message. */
  readonly maxVideoBytes: number;
  /** How voices sound, in a word or two, by name. */
  readonly voiceNotes: ReadonlyMap<string, string>;
}

const defaultPath = "/api/gemini-live-stream";
/** Where the server does not tell. */
export const usualVideoBytes = 512 * 1024;
const createTimeoutMs = 10_000;

/**
 * Asks `POST /api/session/create`, because a page cannot read why a WebSocket was refused. Rejects with ProblemError;
 * with the signal's reason when that was aborted.
 */
export async function createSession(server: Server, signal: AbortSignal): Promise<Admission> {
  let response: Response;
  try {
    response = await server.fetch(new URL("/api/session/create", server.baseUrl), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
      cache: "no-store",
      signal: AbortSignal.any([signal, AbortSignal.timeout(createTimeoutMs)]),
    });
  } catch (cause) {
    signal.throwIfAborted();
    throw new ProblemError(problemOf(server.online() ? "server_unreachable" : "offline"), { cause });
  }
  // An older server, or a bare one that only has the WebSocket: that can be tried without permission.
  if (response.status === 404) return admission(server, new Fields({}, "answer"));

  let body: Fields;
  try {
    body = new Fields(await response.json(), "answer");
  } catch (cause) {
    signal.throwIfAborted();
    throw new ProblemError(problemOf(response.status >= 500 ? "server_unreachable" : "not_a_stonepot"), { cause });
  }
  if (!response.ok || body.any("success") === false) throw new ProblemError(refusal(response, body));
  try {
    return admission(server, body);
  } catch (cause) {
    throw new ProblemError(problemOf("not_a_stonepot"), { cause });
  }
}

/** Asks `GET /api/config`. The page works without the answer: undefined when there is none. */
export async function readConfig(server: Server, signal: AbortSignal): Promise<ServerConfig | undefined> {
  try {
    const response = await server.fetch(new URL("/api/config", server.baseUrl), { signal });
    if (!response.ok) return undefined;
    const body = new Fields(await response.json(), "answer");
    const name = body.string("defaultBackend", "gemini");
    const backend = body.object("backends", {}).object(name, {});
    return {
      simulated: backend.boolean("simulated", false),
      assistants: body.has("assistants") ? body.list("assistants").map((x) => ({ name: x.string("name"), label: x.string("label") })) : [],
      defaultAssistant: body.string("defaultAssistant", ""),
      models: backend.has("models")
        ? backend.list("models").map((x) => ({
            id: x.string("id"),
            label: x.string("label"),
            voices: x.strings("voices"),
            languages: x.has("languages") ? x.strings("languages") : [],
            videoLimitMs: x.number("videoLimitMs", 0),
          }))
        : [],
      defaultModel: backend.string("defaultModel", ""),
      voiceNotes: new Map(Object.entries(body.any("voiceNotes") ?? {}).filter((x): x is [string, string] => typeof x[1] === "string")),
      maxVideoBytes: body.object("limits", {}).number("maxVideoBytes", usualVideoBytes),
      clientMaySet: body.has("clientMaySet") ? body.strings("clientMaySet") : [],
    };
  } catch {
    return undefined;
  }
}

function admission(server: Server, body: Fields): Admission {
  const url = new URL(body.string("url", defaultPath), server.baseUrl);
  url.protocol = url.protocol.replace(/^http/, "ws");
  const protocols = [body.string("protocol", subprotocol)];
  // A start ticket travels as a second offered subprotocol: browsers cannot set headers on a WebSocket.
  if (body.has("ticket")) protocols.push(`stonepot.ticket.${body.string("ticket")}`);
  return { url: url.href, protocols };
}

function refusal(response: Response, body: Fields) {
  const code = typeof body.any("code") === "string" ? body.string("code") : codeOfStatus(response.status);
  const sentence = typeof body.any("error") === "string" ? body.string("error") : "";
  const problem = problemOf(code, sentence);
  const retryAfter = Number(response.headers.get("Retry-After"));
  return retryAfter > 0 ? withRetryAfter(problem, retryAfter) : problem;
}

function codeOfStatus(status: number): string {
  switch (status) {
    case 401:
      return "unauthorized";
    case 403:
      return "origin_not_allowed";
    case 429:
      return "rate_limited";
    case 503:
      return "at_capacity";
    default:
      return "internal";
  }
}
