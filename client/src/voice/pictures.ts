import type { Outgoing } from "./outgoing";

/**
 * Pictures holds the newest picture of a camera until the line takes it. One is on its way at a time: the next one goes when
 * the server has that, and speech never waits behind two.
 */
export class Pictures {
  /** How many were sent, and how many gave way to a newer one before that. */
  sent = 0;
  superseded = 0;
  /** How long the last one took until the server had it, milliseconds; 0: not known. */
  tookMs = 0;

  private newest: string | undefined;
  private onWay: { readonly number: number; readonly since: number } | undefined;

  constructor(
    private readonly outgoing: Outgoing,
    private readonly now: () => number,
  ) {}

  /** There is one to be sent, and nothing in its way. */
  get ready(): boolean {
    return this.newest !== undefined && this.onWay === undefined;
  }

  /** Takes a `video_frame` message; one that still waits is superseded. */
  offer(message: string): void {
    if (this.newest !== undefined) this.superseded++;
    this.newest = message;
  }

  /** Numbers the newest and hands it out, if it may go. Everything before it must have been handed out. */
  next(): ReturnType<Outgoing["next"]> {
    const { newest } = this;
    if (newest === undefined || this.onWay) return undefined;
    this.newest = undefined;
    this.sent++;
    this.onWay = { number: this.outgoing.pushPicture(newest), since: this.now() };
    return this.outgoing.next();
  }

  /** The server has told what it has. */
  acknowledged(): void {
    if (!this.onWay || this.outgoing.acknowledged < this.onWay.number) return;
    this.tookMs = Math.round(this.now() - this.onWay.since);
    this.onWay = undefined;
  }

  /** A new line: a picture that was lost with the old one gives way to a newer one. */
  rewound(): void {
    this.onWay = undefined;
    if (this.newest !== undefined) this.outgoing.dropPicture();
  }

  /** No more are wanted. */
  clear(): void {
    this.newest = undefined;
  }
}
