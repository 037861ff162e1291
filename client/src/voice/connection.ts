import { Backoff } from "./backoff";
import { bytesPerMs } from "./audio-format";
import { Incoming } from "./incoming";
import { Line } from "./line";
import { Outgoing, type Gap } from "./outgoing";
import { Pictures } from "./pictures";
import {
  endsSession,
  isCounted,
  parseServerMessage,
  ProtocolError,
  type ClientMessage,
  type ServerMessage,
  type SessionConfig,
} from "./protocol";
import type { Closed, Socket } from "./socket";

/** What a connection tells its owner. Nothing is called after `closed`, and `closed` is called once. */
export interface ConnectionEvents {
  message(message: ServerMessage): void;
  /** Samples of the model's voice; the buffer is the receiver's. */
  audio(pcm: ArrayBuffer): void;
  /** The server sent something that is not in the protocol; it was ignored. */
  protocolError(error: ProtocolError): void;
  /** A newer ticket: whoever has it can go on with the session. */
  ticket(ticket: Ticket): void;
  /** The line is gone, and is being taken up again; a `session_resumed` says that it is. */
  lost(): void;
  /** The line broke before there was a session: another one is wanted, by `open`. */
  again(): void;
  closed(how: End): void;
}

/** What it takes to go on with a session. */
export interface Ticket {
  readonly sessionId: string;
  readonly resumeTicket: string;
}

export interface End extends Closed {
  /** The session may live on, but could not be reached for long enough. */
  readonly gaveUp: boolean;
}

/** Numbers of one session, for the details on the page and for tests (docs/protocol.md, "Counting"). */
export interface ConnectionCounts {
  /** Counted messages sent at least once, and received. */
  readonly sent: number;
  readonly received: number;
  /** What the server has acknowledged of `sent`. */
  readonly acknowledged: number;
  /** Messages that were given up because there was no room for them; the server was told. */
  readonly dropped: number;
  /** What the server said that it gave up. */
  readonly skipped: number;
  /** How often the session was taken up again on a new line. */
  readonly resumed: number;
  /** The way to the server and back, as `measure` found it last, milliseconds; 0: not known. */
  readonly rttMs: number;
  /** Pictures that were sent, that gave way to newer ones, and how long the last one took. */
  readonly pictures: number;
  readonly superseded: number;
  readonly pictureMs: number;
}

/** What a connection needs of the world. */
export interface ConnectionWorld {
  /** Opens a socket that resumes; it may throw where the browser refuses to dial. */
  dial(): Socket;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
}

/** How soon to look again whether the socket takes more. */
const retryMs = 50;

/** How long a lost session is looked for, in time spent on it: a sleeping device spends none. */
const patienceMs = 120_000;
/** The same after a reload, where somebody waits in front of nothing. */
const patienceAnewMs = 15_000;
/** The most that one try can be said to have taken. */
const longestTryMs = 20_000;

/** How often a session is begun again whose line broke before the server said a word. */
const maxBeginnings = 3;

/** A line that lived this long was a good one: after it the tries begin anew. */
const healthyMs = 1000;

/** A dial this old that has had no answer is begun again when there is news of the network. */
const staleDialMs = 3000;

/**
 * Connection is the client's end of one session, over as many WebSockets as that takes. It may be given frames and messages
 * before it is opened, and while the line is lost: they wait, bounded, and are sent in order, each once.
 */
export class Connection {
  private line: Line | undefined;
  /** The server listens: counted messages may be written. */
  private attached = false;
  private over = false;
  private saidGoodbye = false;
  /** How many lines were opened, and whether the server has begun a session on one of them. */
  private beginnings = 0;
  private begun = false;

  private ticket: Ticket | undefined;
  /** The page was reloaded, and nothing is known but the ticket. */
  private anew = false;
  private readonly backoff = new Backoff();
  private attachedAt = 0;
  /** Where the time that a loss has taken so far was last added up, and how much it was; undefined: nothing is lost. */
  private lostSince: number | undefined;
  private spentMs = 0;

  private readonly outgoing = new Outgoing();
  private readonly pictures = new Pictures(this.outgoing, () => this.world.now());
  private readonly incoming = new Incoming(() => this.attached && !this.over, (received) => this.write({ type: "ack", received }));
  private skipped = 0;
  private resumed = 0;
  private rttMs = 0;
  /** The `t` of the ping by which the way is being measured. */
  private measuring: number | undefined;

  private dialTimer: Timer;
  private pumpTimer: Timer;

  constructor(
    private readonly config: SessionConfig,
    private readonly world: ConnectionWorld,
    private readonly events: ConnectionEvents,
  ) {}

  get counts(): ConnectionCounts {
    const { skipped, resumed, rttMs } = this;
    const { received } = this.incoming;
    const { sent, acknowledged, dropped } = this.outgoing;
    const { sent: pictures, superseded, tookMs: pictureMs } = this.pictures;
    return { sent, received, acknowledged, dropped, skipped, resumed, rttMs, pictures, superseded, pictureMs };
  }

  /** Begins a session on a socket that is connecting; may be called again as long as there is no session. */
  open(socket: Socket): void {
    if (this.over || this.line) return;
    this.beginnings++;
    this.outgoing.rewind(0);
    this.pictures.rewound();
    this.incoming.received = 0;
    this.take(socket);
  }

  /** Goes on with a session of which only the ticket is left. Instead of `open`. */
  resume(ticket: Ticket): void {
    this.ticket = ticket;
    this.anew = true;
    this.lostSince = this.world.now();
    this.dial();
  }

  /** Sends one microphone frame; takes the buffer. */
  sendAudio(frame: ArrayBuffer): void {
    if (this.over) return;
    this.outgoing.pushAudio(frame, frame.byteLength / bytesPerMs);
    this.pump();
  }

  /** Sends a counted message after what was given before it; returns its number. 0: too much waits, it was not taken. */
  send(message: ClientMessage): number {
    if (this.over) return 0;
    const number = this.outgoing.pushText(JSON.stringify(message));
    if (number > 0) this.pump();
    return number;
  }

  /** Sends a picture (base64) when there is room for it, unless a newer one comes first; undefined: none waits any more. */
  sendPicture(picture: { readonly mimeType: string; readonly data: string } | undefined): void {
    if (this.over) return;
    if (!picture) return this.pictures.clear();
    this.pictures.offer(JSON.stringify({ type: "video_frame", ...picture } satisfies ClientMessage));
    this.pump();
  }

  /** There is news of the network, or the person is back: a lost line is looked for at once, another one is tested. */
  nudge(): void {
    if (this.attached) this.line?.probe();
    else this.hurry();
  }

  /** Measures the way to the server and back; the answer shows in the counts. */
  measure(): void {
    if (!this.attached) return;
    this.measuring = this.world.now();
    this.write({ type: "ping", t: this.measuring });
  }

  /** Looks for a lost line at once. */
  hurry(): void {
    this.spentMs = 0;
    if (this.dialTimer !== undefined) {
      this.backoff.reset();
      this.dial();
    } else if (this.ticket && !this.attached && this.line && this.line.age > staleDialMs) {
      this.line.abandon();
    }
  }

  /** Closes the session as the client's own wish; `closed` is not called any more. */
  close(): void {
    this.stop(1000);
  }

  /** Lets go of the line and leaves the session as it is, for another page to go on with it. */
  leave(): void {
    this.stop(undefined);
  }

  // --- The line ------------------------------------------------------------------------------------------------

  private take(socket: Socket): void {
    this.line = new Line(
      socket,
      {
        opened: () => this.onOpen(),
        received: (data) => this.onData(data),
        closed: (how) => this.onLost(how),
      },
      this.world.now,
    );
  }

  private dial(): void {
    clearTimeout(this.dialTimer);
    this.dialTimer = undefined;
    let socket: Socket;
    try {
      socket = this.world.dial();
    } catch {
      return this.onLost({ code: 1006, opened: false });
    }
    this.take(socket);
  }

  private onOpen(): void {
    if (this.ticket) {
      const received = this.anew ? null : this.incoming.received;
      return this.write({ type: "start_session", resume: { ...this.ticket, received } });
    }
    this.write({ type: "start_session", config: this.config });
    // What is said early need not wait for the answer.
    this.attach();
    this.pump();
  }

  private attach(): void {
    this.attached = true;
    this.attachedAt = this.world.now();
    this.lostSince = undefined;
  }

  private onLost(how: Closed): void {
    if (this.over) return;
    const now = this.world.now();
    if (this.attached && now - this.attachedAt >= healthyMs) this.backoff.reset();
    this.line = undefined;
    this.attached = false;
    this.incoming.stop();
    if (how.code === 1006 && how.opened && !this.begun && !this.ticket && this.beginnings < maxBeginnings) return this.events.again();
    if (!this.ticket || this.saidGoodbye || endsSession(how.code)) return this.finish({ ...how, gaveUp: false });
    if (this.lostSince === undefined) {
      this.spentMs = 0;
      this.events.lost();
    } else {
      this.spentMs += Math.min(now - this.lostSince, longestTryMs);
    }
    this.lostSince = now;
    if (this.spentMs > (this.anew ? patienceAnewMs : patienceMs)) return this.finish({ ...how, gaveUp: true });
    this.dialTimer = setTimeout(() => this.dial(), this.backoff.next());
  }

  // --- Down ----------------------------------------------------------------------------------------------------

  private onData(data: string | ArrayBuffer): void {
    if (typeof data === "string") {
      this.onText(data);
    } else {
      this.incoming.count(data.byteLength);
      if (data.byteLength % 2 === 0) this.events.audio(data);
      else this.events.protocolError(new ProtocolError("The server sent half a sample of speech."));
    }
    this.pump();
  }

  private onText(text: string): void {
    let message: ServerMessage;
    try {
      message = parseServerMessage(text);
    } catch (error) {
      // Valid or not, it has its number.
      this.incoming.count(text.length);
      if (!(error instanceof ProtocolError)) throw error;
      this.events.protocolError(error);
      return;
    }
    if (isCounted(message.type)) this.incoming.count(text.length);
    this.heed(message);
    this.events.message(message);
    // The owner has heard it all; now the server may.
    if (message.type === "session_resumed") this.incoming.acknowledge(true);
  }

  /** Does what a message means for the connection itself. */
  private heed(message: ServerMessage): void {
    switch (message.type) {
      case "session_started":
        this.begun = true;
        if (message.resumeTicket !== undefined) this.keep(message.sessionId, message.resumeTicket);
        return;
      case "resume_ticket":
        if (this.ticket) this.keep(this.ticket.sessionId, message.resumeTicket);
        return;
      case "session_resumed":
        return this.onResumed(message);
      case "skipped":
        this.incoming.received += message.messages;
        this.skipped += message.messages;
        return;
      case "ack":
        if (message.received > this.outgoing.acknowledged) this.line?.arrived();
        this.outgoing.acknowledge(message.received);
        this.pictures.acknowledged();
        return this.outgoing.cover(message.covered);
      case "pong":
        this.line?.arrived();
        // Others are answers to the line's own question whether anybody is there.
        if (message.t !== this.measuring) return;
        this.rttMs = Math.round(this.world.now() - message.t);
        this.measuring = undefined;
        return;
      case "session_ended":
        this.saidGoodbye = true;
        return;
      default:
        return;
    }
  }

  private onResumed(message: Extract<ServerMessage, { type: "session_resumed" }>): void {
    if (message.received > this.outgoing.sent) {
      this.events.protocolError(new ProtocolError("The server has more messages than were sent."));
    }
    this.outgoing.rewind(message.received);
    this.pictures.rewound();
    this.anew = false;
    this.resumed++;
    this.attach();
    this.keep(message.sessionId, message.resumeTicket);
  }

  private keep(sessionId: string, resumeTicket: string): void {
    this.ticket = { sessionId, resumeTicket };
    this.events.ticket(this.ticket);
  }

  // --- Up ------------------------------------------------------------------------------------------------------

  /** Gives the socket what it takes without piling up. */
  private pump(): void {
    const { line } = this;
    if (!line || !this.attached || this.over) return;
    while (line.hasRoom) {
      const next = this.outgoing.next() ?? this.pictures.next();
      if (next === undefined) return;
      if (isGap(next)) this.write({ type: "skipped", ...next, reason: "no_room" });
      else line.send(next);
    }
    if (this.outgoing.waiting || this.pictures.ready) this.pumpTimer ??= setTimeout(() => {
      this.pumpTimer = undefined;
      this.pump();
    }, retryMs);
  }

  private write(message: ClientMessage): void {
    this.line?.send(JSON.stringify(message));
  }

  // --- The end -------------------------------------------------------------------------------------------------

  private finish(how: End): void {
    this.stop(undefined);
    this.events.closed(how);
  }

  private stop(code: number | undefined): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.dialTimer);
    this.dialTimer = undefined;
    clearTimeout(this.pumpTimer);
    this.incoming.stop();
    this.line?.close(code);
    this.line = undefined;
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined;

function isGap(x: ArrayBuffer | string | Gap): x is Gap {
  return typeof x === "object" && "messages" in x;
}
