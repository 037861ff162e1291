// The operator's routes of a server, for tests: it answers what it is told to.
import type { Server } from "@/voice/server";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
}

/** FakeServer answers by path; a number is a status without figures, an Error a network that is gone. */
export class FakeServer implements Server {
  readonly baseUrl = "http://stonepot.test";
  readonly asked: Asked[] = [];
  answers: Record<string, unknown> = {};
  onlineNow = true;
  /** The key that is wanted; undefined: none. */
  key: string | undefined;

  readonly online = (): boolean => this.onlineNow;

  readonly fetch = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const { href, pathname: path } = new URL(String(input));
    const method = init?.method ?? "GET";
    const authorization = new Headers(init?.headers).get("Authorization");
    if (href.includes("?")) throw new Error(`An address with a query: ${href}`);
    this.asked.push({ method, path, authorization });
    const answer = this.answers[`${method} ${path}`];
    if (answer instanceof Error) return Promise.reject(answer);
    if (answer instanceof Response) return Promise.resolve(answer.clone());
    const open = this.answers["open"] === true && path === "/api/session/stats";
    if (this.key !== undefined && authorization !== `Bearer ${this.key}` && !open) return Promise.resolve(refused(401, "unauthorized"));
    if (answer === undefined) return Promise.resolve(refused(404, "not_found"));
    return Promise.resolve(Response.json(answer));
  };
}

export function refused(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ success: false, error: "No.", code }, { status, headers });
}

/** What `GET /api/session/stats` answers, with what a test changes. */
export function statsAnswer(change: Record<string, unknown> = {}): Record<string, unknown> {
  const none = { count: 0, p50: 0, p90: 0, p99: 0, max: 0 };
  return {
    success: true,
    uptimeMs: 60_000,
    active: 2,
    detached: 1,
    peak: 3,
    total: 5,
    byBackend: { gemini: 5 },
    byReason: { ended: 2, browser_gone: 1 },
    refused: {},
    readyMs: none,
    responseMs: { count: 4, p50: 400, p90: 700, p99: 900, max: 950 },
    counters: { resumes: 2, renewals: 1, lostAudioMs: 0, uplinkDroppedMs: 0 },
    usage: { inputTokens: 100, outputTokens: 50, byModality: { inputAudio: 100 } },
    warmPool: { gemini: { hits: 1, misses: 2, dead: 0, idle: 1 } },
    ...change,
  };
}

/** One of the conversations that `GET /api/session` answers. */
export function sessionAnswer(id: string, change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id,
    state: "live",
    backend: "gemini",
    simulated: true,
    assistant: "default",
    startedAt: "2026-01-01T00:00:00Z",
    durationMs: 65_000,
    startupMs: 120,
    counters: { turns: 3, renewals: 1, resumes: 0, lostAudioMs: 0, uplinkDroppedMs: 20 },
    usage: { inputTokens: 10, outputTokens: 5, byModality: {} },
    ...change,
  };
}
