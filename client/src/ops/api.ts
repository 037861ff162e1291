// The operator's REST calls. The key travels as Bearer and nowhere else: addresses end up in logs and histories.
import type { Server } from "@/voice/server";
import { parseSessions, parseStats, type Session, type Stats } from "./stats";

/** Why the server did not do what the operator asked. */
export type Refusal =
  /** The server wants a key, and got none or a wrong one. */
  | "keyWanted"
  /** There is no key at the server: whoever is not at the machine itself is told that there is nothing. */
  | "closed"
  /** The conversation is over, or lives on another instance. */
  | "gone"
  | "busy"
  | "offline"
  | "unreachable"
  /** Somebody answers, but not a Stonepot. */
  | "strange";

export class OpsError extends Error {
  constructor(
    readonly refusal: Refusal,
    /** Seconds to wait, where the server says so; 0 where it does not. */
    readonly retryAfter = 0,
    options?: ErrorOptions,
  ) {
    super(refusal, options);
  }
}

const timeoutMs = 8000;

/** Gently: the browser is told why, then its connection closes. At once: the connection is dropped. */
export type Manner = "gently" | "atOnce";

/** Operator speaks to the routes of one server. Every call rejects with OpsError, or with the signal's reason when that was aborted. */
export class Operator {
  constructor(
    private readonly server: Server,
    private readonly key: () => string,
  ) {}

  stats(signal: AbortSignal): Promise<Stats> {
    return this.read("/api/session/stats", parseStats, signal);
  }

  sessions(signal: AbortSignal): Promise<readonly Session[]> {
    return this.read("/api/session", parseSessions, signal);
  }

  /** Ends a conversation; resolves when the server has begun to. */
  async end(id: string, manner: Manner, signal: AbortSignal): Promise<void> {
    const path = `/api/session/${encodeURIComponent(id)}`;
    if (manner === "gently") await this.ask("PUT", `${path}/end`, signal);
    else await this.ask("DELETE", path, signal);
  }

  private async read<T>(path: string, parse: (body: unknown) => T, signal: AbortSignal): Promise<T> {
    const response = await this.ask("GET", path, signal);
    try {
      return parse(await response.json());
    } catch (cause) {
      signal.throwIfAborted();
      throw new OpsError("strange", 0, { cause });
    }
  }

  private async ask(method: string, path: string, signal: AbortSignal): Promise<Response> {
    const key = this.key();
    let response: Response;
    try {
      response = await this.server.fetch(new URL(path, this.server.baseUrl), {
        method,
        headers: key ? { Authorization: `Bearer ${key}` } : {},
        cache: "no-store",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw new OpsError(this.server.online() ? "unreachable" : "offline", 0, { cause });
    }
    if (!response.ok) throw await refusalOf(response);
    return response;
  }
}

async function refusalOf(response: Response): Promise<OpsError> {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  switch (response.status) {
    case 401:
    case 403:
      return new OpsError("keyWanted");
    case 404:
      return new OpsError((await codeOf(response)) === "session_not_found" ? "gone" : "closed");
    case 429:
    case 503:
      return new OpsError("busy", retryAfter);
    default:
      return new OpsError(response.status >= 500 ? "unreachable" : "strange", retryAfter);
  }
}

async function codeOf(response: Response): Promise<unknown> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null && "code" in body ? body.code : undefined;
  } catch {
    return undefined;
  }
}
