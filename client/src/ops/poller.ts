/** What a poller needs of the world. */
export interface PollerWorld {
  /** Whether somebody can see the page. */
  visible(): boolean;
  /** From 0 up to 1. */
  random(): number;
}

/** Milliseconds between two looks, and the longest that failures stretch them to. */
export const everyMs = 2000;
const longestMs = 60_000;

/** How a look went: all is well, ask more seldom (with the server's own wish in seconds, or 0), or stop until somebody calls `again`. */
export type Verdict = { readonly next: "go" | "stop" } | { readonly next: "wait"; readonly retryAfter: number };

/**
 * Poller looks at the server again and again: one look at a time, each one later after a failure, and none while nobody
 * sees the page. Owned by whoever calls `start`, who must call `stop`.
 */
export class Poller {
  private running = false;
  private failures = 0;
  private stopped = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | undefined;

  /** `look` must not reject; what it does after its signal was aborted is of no account. */
  constructor(
    private readonly look: (signal: AbortSignal) => Promise<Verdict>,
    private readonly world: PollerWorld,
  ) {}

  start(): void {
    this.running = true;
    this.again();
  }

  stop(): void {
    this.running = false;
    this.rest();
  }

  /** Looks now, whatever went before: somebody asked, or gave a key. */
  again(): void {
    this.failures = 0;
    this.stopped = false;
    this.rest();
    this.turn();
  }

  /** The page came into view, or went out of it. */
  visibilityChanged(): void {
    if (!this.world.visible()) this.rest();
    else if (!this.stopped && this.timer === undefined && !this.abort) this.turn();
  }

  private rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.abort?.abort();
    this.abort = undefined;
  }

  private turn(): void {
    this.timer = undefined;
    if (!this.running || !this.world.visible()) return;
    const abort = new AbortController();
    this.abort = abort;
    void this.look(abort.signal).then((verdict) => {
      if (abort.signal.aborted) return;
      this.abort = undefined;
      if (verdict.next === "stop") {
        this.stopped = true;
        return;
      }
      this.timer = setTimeout(() => this.turn(), this.delay(verdict));
    });
  }

  private delay(verdict: Verdict): number {
    if (verdict.next !== "wait") {
      this.failures = 0;
      return everyMs;
    }
    this.failures++;
    // Spread, so that the pages of many operators do not come back in one instant.
    const wait = Math.min(everyMs * 2 ** this.failures, longestMs) * (0.75 + this.world.random() / 4);
    return Math.max(wait, Math.min(verdict.retryAfter * 1000, longestMs));
  }
}
