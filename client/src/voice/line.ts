import { socketOpen, type Closed, type Socket } from "./socket";

/** What a line tells its owner. Nothing is called after `closed`, and `closed` is called once. */
export interface LineEvents {
  opened(): void;
  received(data: string | ArrayBuffer): void;
  closed(how: Closed): void;
}

/** Beyond this many bytes in the socket (half a second of speech) no more is given to it. */
const highWaterBytes = 16_000;

const openTimeoutMs = 10_000;

/** How often a line is looked at, and how late that may be before it says that the page or the device stood still. */
const beatMs = 1000;
const stoodStillMs = 5000;

/** A line that has said nothing for this long is asked for a sign of life. While somebody speaks the server acknowledges all the time. */
const silenceMs = 3000;

/** And one that gives none for this long is dead, whatever the operating system believes. */
const answerTimeoutMs = 5000;

/**
 * A line that brings something proves nothing for the other direction. While nothing proves that what is written arrives it is asked
 * that often, and a question that brings no proof for so long ends the line: longer than a slow one takes, whose buffers are full.
 */
const proofMs = 5000;
const proofTimeoutMs = 8000;

/** After a hint of trouble (the device was offline, or asleep) the sign is expected sooner. */
const probeTimeoutMs = 2500;

/**
 * Line is one WebSocket, from the dial to its end. It finds out when the other side is gone without a word: a network
 * that changed, a laptop that slept. What goes over it is its owner's business, but for `ping`.
 */
export class Line {
  private opened = false;
  private over = false;

  private readonly since: number;
  private lastSign: number;
  /** When the first ping that has had no answer was sent. */
  private askedSince: number | undefined;
  /** When it was last known that what is written arrives, and when the first ping was sent that has proved nothing so far. */
  private lastProof = 0;
  private provingSince: number | undefined;
  /** When the line was last looked at, by the clock on the wall: that one goes on while the device sleeps. */
  private lastBeat = 0;

  private readonly openTimer: Timer;
  private beatTimer: Timer;
  private probeTimer: Timer;

  /** Takes a socket that is connecting. `now` is a clock that only goes forward. */
  constructor(
    private readonly socket: Socket,
    private readonly events: LineEvents,
    private readonly now: () => number,
  ) {
    this.since = this.lastSign = now();
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.onOpen();
    socket.onmessage = (event: MessageEvent<unknown>) => this.onMessage(event.data);
    socket.onclose = (event) => this.finish(event.code);
    // The close event that follows says all that a page may know.
    socket.onerror = null;
    this.openTimer = setTimeout(() => this.abandon(), openTimeoutMs);
  }

  /** Milliseconds since the dial. */
  get age(): number {
    return this.now() - this.since;
  }

  /** The socket takes more without piling it up. */
  get hasRoom(): boolean {
    return this.open && this.socket.bufferedAmount < highWaterBytes;
  }

  private get open(): boolean {
    return this.opened && !this.over && this.socket.readyState === socketOpen;
  }

  /** Gives a message to the socket. False: it is not open, and the message is gone. */
  send(data: string | ArrayBuffer): boolean {
    if (!this.open) return false;
    this.socket.send(data);
    return true;
  }

  /** Tells that something which was written has arrived. */
  arrived(): void {
    this.lastProof = this.now();
    this.provingSince = undefined;
  }

  /** Asks for a sign of life now; without one within seconds the line is given up. */
  probe(): void {
    if (!this.open || this.probeTimer !== undefined) return;
    const asked = this.now();
    this.ask(asked);
    this.probeTimer = setTimeout(() => {
      this.probeTimer = undefined;
      // Whatever came since is a sign; `ask` forgets it when it comes.
      if (this.askedSince !== undefined) this.abandon();
    }, probeTimeoutMs);
  }

  /** Gives the line up: it breaks for both sides, and `closed` is called. */
  abandon(): void {
    // Without a code, which would speak for the conversation. The handshake may never end; nobody waits for it.
    this.socket.close();
    this.finish(1006);
  }

  /** Lets go of the socket, with a code that tells the server why, or without; `closed` is not called any more. */
  close(code?: number): void {
    if (this.over) return;
    this.stop();
    this.socket.close(code);
  }

  private onOpen(): void {
    this.opened = true;
    clearTimeout(this.openTimer);
    this.lastSign = this.now();
    this.arrived();
    this.lastBeat = Date.now();
    this.beatTimer = setInterval(() => this.beat(), beatMs);
    this.events.opened();
  }

  private onMessage(data: unknown): void {
    if (this.over) return;
    this.lastSign = this.now();
    this.askedSince = undefined;
    if (typeof data === "string" || data instanceof ArrayBuffer) this.events.received(data);
  }

  private beat(): void {
    const wall = Date.now();
    const stoodStill = wall - this.lastBeat > stoodStillMs;
    this.lastBeat = wall;
    // A hidden page's timers may stand still, and a device may have slept: nobody could have seen an answer.
    if (stoodStill) {
      this.provingSince = undefined;
      return this.probe();
    }
    const now = this.now();
    const silent = this.askedSince !== undefined && now - this.askedSince >= answerTimeoutMs;
    const deaf = this.provingSince !== undefined && now - this.provingSince >= proofTimeoutMs;
    if (silent || deaf) return this.abandon();
    if (this.askedSince === undefined && now - this.lastSign >= silenceMs) {
      this.ask(now);
    } else if (this.provingSince === undefined && now - this.lastProof >= proofMs) {
      this.ping(now);
    }
  }

  private ask(now: number): void {
    this.askedSince = now;
    this.ping(now);
  }

  private ping(now: number): void {
    this.provingSince ??= now;
    this.send(JSON.stringify({ type: "ping", t: now }));
  }

  private finish(code: number): void {
    if (this.over) return;
    this.stop();
    this.events.closed({ code, opened: this.opened });
  }

  private stop(): void {
    this.over = true;
    clearTimeout(this.openTimer);
    clearTimeout(this.probeTimer);
    clearInterval(this.beatTimer);
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined;
