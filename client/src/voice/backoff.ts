/** The first try comes at once, or nearly: many pages that lost the same server must not come back in the same instant. */
const firstMs = 200;
const capMs = 5000;

/** Backoff says how long to wait before the next try: longer each time, and never for everybody the same. */
export class Backoff {
  private tries = 0;

  /** `random` gives numbers from 0 up to 1. */
  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds to the next try: 100 to 300, then twice that each time, up to 2.5 to 5 seconds. */
  next(): number {
    const base = Math.min(firstMs * 2 ** this.tries, capMs / 1.5);
    this.tries++;
    return Math.round(base * (0.5 + this.random()));
  }

  /** The next try is a first one again. */
  reset(): void {
    this.tries = 0;
  }
}
