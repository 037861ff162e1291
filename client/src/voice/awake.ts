/** The part of the browser's screen wake lock that is used here. */
export interface Sentinel {
  readonly released: boolean;
  release(): Promise<void>;
}

/**
 * Awake keeps a phone's screen on while a conversation goes on: a locked phone silences the microphone. The system takes the lock
 * back when the page is hidden; tell it again when it is seen.
 */
export class Awake {
  private held: Sentinel | undefined;
  private wanted = false;
  private asking = false;

  /** `ask` rejects where the system does not want it, as with a battery that is low. */
  constructor(private readonly ask: () => Promise<Sentinel>) {}

  /** Whether the screen is to stay on from now on. */
  set(wanted: boolean): void {
    this.wanted = wanted;
    if (!wanted) {
      // A lock that is gone already is as good as released.
      this.held?.release().catch(() => undefined);
      this.held = undefined;
      return;
    }
    if (this.asking || (this.held && !this.held.released)) return;
    this.asking = true;
    this.ask().then(
      (sentinel) => {
        this.asking = false;
        this.held = sentinel;
        if (!this.wanted) this.set(false);
      },
      () => {
        this.asking = false;
      },
    );
  }
}
