import { frameMs } from "./audio-format";
import {
  isCounted,
  parseServerMessage,
  ProtocolError,
  type ClientMessage,
  type ServerMessage,
  type SessionConfig,
} from "./protocol";

/** What a connection tells its owner. Nothing is called after `closed`, and `closed` is called once. */
export interface ConnectionEvents {
  message(message: ServerMessage): void;
  /** Samples of the model's voice; the buffer is the receiver's. */
  audio(pcm: ArrayBuffer): void;
  /** The server sent something that is not in the protocol; it was ignored. */
  protocolError(error: ProtocolError): void;
  closed(how: Closed): void;
}

export interface Closed {
  /** The close code; 1006 when the connection broke or was given up. */
  readonly code: number;
  /** Whether it had been open: a refused upgrade never was. */
  readonly opened: boolean;
}

/** Numbers of one connection, for the details on the page and for resuming (docs/protocol.md, "Counting"). */
export interface ConnectionCounts {
  /** Counted messages sent and received. A message gets its number when it is given to the socket. */
  readonly sent: number;
  readonly received: number;
  /** What the server has acknowledged of `sent`. */
  readonly acknowledged: number;
  /** Microphone frames that were thrown away because the socket did not take them in time. */
  readonly droppedFrames: number;
}

/** What the connection needs of a WebSocket; tests give their own. */
export type Socket = Pick<
  WebSocket,
  "binaryType" | "bufferedAmount" | "readyState" | "protocol" | "send" | "close" | "onopen" | "onmessage" | "onclose" | "onerror"
>;

const socketOpen = 1;

/** Beyond this many bytes in the socket (half a second of speech) frames wait here, where the oldest can still be dropped. */
const highWaterBytes = 16_000;

/** 5 s of frames. When full the oldest goes: the model should hear now, not then. */
const maxWaitingFrames = 5000 / frameMs;

/** Text messages that may wait; a person cannot type so many while a line is stalled. */
const maxWaitingMessages = 64;

/** How soon to look again whether the socket takes more. */
const retryMs = 50;

const openTimeoutMs = 10_000;

const pingEveryMs = 10_000;
/**
 * A line that does not answer a ping for this long is dead, whatever the operating system believes. Silence alone is no
 * sign of it: the timers of a hidden page may run once a minute, and so may the pings.
 */
const answerTimeoutMs = 20_000;

/** After a hint of trouble (the device says it is offline) an answer to a ping is expected sooner. */
const probeTimeoutMs = 4000;

const ackEveryMs = 250;
const ackEveryBytes = 8192;

/**
 * Connection is the client's end of one voice WebSocket. It may be given frames and messages before it is opened; they
 * wait, bounded, and follow `start_session` in order.
 */
export class Connection {
  private socket: Socket | undefined;
  private opened = false;
  private over = false;

  /** Frames (ArrayBuffer) and text messages, in the order in which they will be sent. */
  private waiting: (ArrayBuffer | ClientMessage)[] = [];
  private waitingFrames = 0;

  private sent = 0;
  private received = 0;
  private acknowledged = 0;
  private droppedFrames = 0;
  private receivedAcked = 0;
  private bytesSinceAck = 0;

  private lastSign = 0;
  /** When the first ping that has had no answer was sent. */
  private askedSince: number | undefined;
  private openTimer: Timer;
  private pumpTimer: Timer;
  private ackTimer: Timer;
  private pingTimer: Timer;
  private probeTimer: Timer;

  constructor(
    private readonly config: SessionConfig,
    private readonly events: ConnectionEvents,
    private readonly now: () => number,
  ) {}

  get counts(): ConnectionCounts {
    return {
      sent: this.sent,
      received: this.received,
      acknowledged: this.acknowledged,
      droppedFrames: this.droppedFrames,
    };
  }

  /** Takes a socket that is connecting; may be called once. */
  open(socket: Socket): void {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.onOpen();
    socket.onmessage = (event: MessageEvent<unknown>) => this.onMessage(event.data);
    socket.onclose = (event) => this.finish(event.code);
    // The close event that follows says all that a page may know.
    socket.onerror = null;
    this.openTimer = setTimeout(() => this.abandon(), openTimeoutMs);
  }

  /** Sends one microphone frame; takes the buffer. */
  sendAudio(frame: ArrayBuffer): void {
    if (this.over) return;
    if (this.waitingFrames >= maxWaitingFrames) {
      this.waiting.splice(this.waiting.findIndex(isFrame), 1);
      this.waitingFrames--;
      this.droppedFrames++;
    }
    this.waiting.push(frame);
    this.waitingFrames++;
    this.pump();
  }

  /** Sends a message, after the frames that were given before it. False: the line is over or stalled, nothing was taken. */
  send(message: ClientMessage): boolean {
    if (this.over || this.waiting.length - this.waitingFrames >= maxWaitingMessages) return false;
    this.waiting.push(message);
    this.pump();
    return true;
  }

  /** Asks for a sign of life now; without one within seconds the line is given up. */
  probe(): void {
    if (!this.opened || this.over || this.probeTimer !== undefined) return;
    const asked = this.now();
    this.write({ type: "ping", t: asked });
    this.probeTimer = setTimeout(() => {
      this.probeTimer = undefined;
      if (this.lastSign < asked) this.abandon();
    }, probeTimeoutMs);
  }

  /** Closes the socket as the client's own wish; `closed` is not called any more. */
  close(): void {
    if (this.over) return;
    this.stop();
    this.socket?.close(1000);
  }

  private onOpen(): void {
    this.opened = true;
    clearTimeout(this.openTimer);
    this.lastSign = this.now();
    this.write({ type: "start_session", config: this.config });
    this.pingTimer = setInterval(() => this.beat(), pingEveryMs);
    this.pump();
  }

  private onMessage(data: unknown): void {
    if (this.over) return;
    this.lastSign = this.now();
    this.askedSince = undefined;
    if (data instanceof ArrayBuffer) {
      this.count(data.byteLength);
      if (data.byteLength % 2 !== 0) {
        this.events.protocolError(new ProtocolError("The server sent half a sample of speech."));
      } else {
        this.events.audio(data);
      }
    } else if (typeof data === "string") {
      this.onText(data);
    }
    this.pump();
  }

  private onText(text: string): void {
    let message: ServerMessage;
    try {
      message = parseServerMessage(text);
    } catch (error) {
      // Valid or not, it has its number.
      this.count(text.length);
      if (!(error instanceof ProtocolError)) throw error;
      this.events.protocolError(error);
      return;
    }
    if (isCounted(message.type)) this.count(text.length);
    if (message.type === "ack") this.acknowledged = Math.max(this.acknowledged, message.received);
    this.events.message(message);
  }

  private count(bytes: number): void {
    this.received++;
    this.bytesSinceAck += bytes;
    if (this.bytesSinceAck >= ackEveryBytes) this.acknowledge();
    else this.ackTimer ??= setTimeout(() => this.acknowledge(), ackEveryMs);
  }

  private acknowledge(): void {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    this.bytesSinceAck = 0;
    if (this.over || this.received === this.receivedAcked) return;
    this.receivedAcked = this.received;
    this.write({ type: "ack", received: this.received });
  }

  /** Gives the socket what it takes without piling up. */
  private pump(): void {
    const socket = this.socket;
    if (!socket || !this.opened || this.over) return;
    while (this.waiting.length > 0 && socket.readyState === socketOpen && socket.bufferedAmount < highWaterBytes) {
      const next = this.waiting.shift()!;
      if (isFrame(next)) {
        this.waitingFrames--;
        this.sent++;
        socket.send(next);
      } else {
        this.write(next);
      }
    }
    if (this.waiting.length > 0) {
      this.pumpTimer ??= setTimeout(() => {
        this.pumpTimer = undefined;
        this.pump();
      }, retryMs);
    }
  }

  private write(message: ClientMessage): void {
    if (this.socket?.readyState !== socketOpen) return;
    if (isCounted(message.type)) this.sent++;
    this.socket.send(JSON.stringify(message));
  }

  private beat(): void {
    const t = this.now();
    if (this.askedSince !== undefined && t - this.askedSince >= answerTimeoutMs) return this.abandon();
    if (t - this.lastSign < pingEveryMs / 2) return;
    this.askedSince ??= t;
    this.write({ type: "ping", t });
  }

  /** Gives up a line that no longer answers; its own close handshake would only wait longer. */
  private abandon(): void {
    this.socket?.close();
    this.finish(1006);
  }

  private finish(code: number): void {
    if (this.over) return;
    this.stop();
    this.events.closed({ code, opened: this.opened });
  }

  private stop(): void {
    this.over = true;
    this.waiting = [];
    this.waitingFrames = 0;
    clearTimeout(this.openTimer);
    clearTimeout(this.pumpTimer);
    clearTimeout(this.ackTimer);
    clearTimeout(this.probeTimer);
    clearInterval(this.pingTimer);
    if (this.socket) this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined;

function isFrame(x: ArrayBuffer | ClientMessage): x is ArrayBuffer {
  return x instanceof ArrayBuffer;
}
