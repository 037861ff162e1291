// A small server of the protocol's "Resuming" for tests: it counts, keeps, repeats and forgets as docs/protocol.md says, and
// remembers everything, so that a test can compare what was said with what arrived.
import { FakeSocket } from "./fake-socket";
import { isCounted } from "./protocol";

/** What a place in one side's numbering holds at the other: a mark, or that the message was given up. */
export type Heard = number | "skipped";

/** More messages than this are not repeated: the oldest are skipped. */
const maxKept = 12;

/** A WebSocket whose two directions are queues that a test moves, message by message. */
export class Wire extends FakeSocket {
  readonly up: (string | ArrayBuffer)[] = [];
  readonly down: (string | ArrayBuffer)[] = [];
  private cut = false;

  constructor(private readonly server: ModelServer) {
    super();
  }

  override send(data: string | ArrayBuffer): void {
    super.send(data);
    this.up.push(data);
  }

  override close(code?: number): void {
    super.close(code);
    this.cut = true;
  }

  /** Delivers the oldest message of a direction, if there is one. */
  deliver(direction: "up" | "down"): void {
    const data = this[direction].shift();
    if (data === undefined) return;
    if (direction === "up") return this.server.receive(this, data);
    if (this.cut || this.readyState !== 1) return;
    this.onmessage?.call(this as unknown as WebSocket, { data } as MessageEvent);
  }

  /** Breaks the line: of what is under way upwards so much still arrives, nothing downwards. Not `noticed`: half open. */
  break(arrives: number, noticed: boolean): void {
    for (let i = 0; i < arrives; i++) this.deliver("up");
    this.up.length = this.down.length = 0;
    this.cut = true;
    this.server.lost(this);
    if (noticed) this.drop(1006);
  }
}

interface Ticket {
  readonly instance: number;
  readonly covered: number;
}

/** One session, on one instance at a time; a ticket carries it to the next. */
export class ModelServer {
  /** The client's messages in the lineage that survives, by their number; speech and text by their mark. */
  heard: Heard[] = [];
  /** How much speech was in a message that the client gave up, by its number, as far as it was told. */
  lostMs: number[] = [];
  /** The server's own messages that were written in that lineage. */
  said: Heard[] = [];

  private instance = 1;
  private wire: Wire | undefined;
  private covered = 0;
  private acknowledged = 0;
  private firstKept = 0;
  private refusals = 0;
  /** What the model says while nobody listens. */
  private readonly waiting: number[] = [];

  /** The client's messages are part of what the newest ticket remembers. */
  cover(to: number): void {
    this.covered = Math.max(this.covered, Math.min(to, this.heard.length));
    this.tell({ type: "resume_ticket", resumeTicket: this.ticket() });
    this.tell({ type: "ack", received: this.heard.length, covered: this.covered });
  }

  ack(): void {
    this.tell({ type: "ack", received: this.heard.length, covered: this.covered });
  }

  /** The model speaks, or writes; it gets its number when it is written. */
  say(mark: number): void {
    this.waiting.push(mark);
    this.flush();
  }

  /** The instance is gone, and all that it knew; `refusals` times the next one says that it does not have the session. */
  vanish(refusals: number): void {
    this.instance++;
    this.refusals = refusals;
    this.wire = undefined;
    this.waiting.length = 0;
  }

  lost(wire: Wire): void {
    if (this.wire === wire) this.wire = undefined;
  }

  receive(wire: Wire, data: string | ArrayBuffer): void {
    if (data instanceof ArrayBuffer) {
      if (this.wire === wire) this.heard.push(new Int16Array(data)[0]!);
      return;
    }
    const m = JSON.parse(data) as { type: string; [key: string]: unknown };
    if (m.type === "start_session") return this.start(wire, m);
    if (m.type === "ping") return void wire.down.push(JSON.stringify({ type: "pong", t: m["t"] }));
    // The newest connection wins: what comes on another one is not counted.
    if (this.wire !== wire) return;
    if (isCounted(m.type)) this.heard.push(Number(m["text"] ?? m["data"]));
    if (m.type === "ack") this.acknowledged = Math.max(this.acknowledged, Number(m["received"]));
    if (m.type === "skipped") {
      const messages = Number(m["messages"]);
      for (let i = 0; i < messages; i++) {
        this.lostMs[this.heard.length] = Number(m["audioMs"]) / messages;
        this.heard.push("skipped");
      }
    }
  }

  private start(wire: Wire, m: { [key: string]: unknown }): void {
    const resume = m["resume"] as { resumeTicket: string; received: number | null } | undefined;
    if (!resume) {
      this.restart();
      this.wire = wire;
      this.tell({ type: "session_started", sessionId: "s", resumeTicket: this.ticket() });
      return this.flush();
    }
    if (this.refusals > 0) {
      this.refusals--;
      wire.break(0, false);
      return wire.drop(1013);
    }
    const ticket = JSON.parse(resume.resumeTicket) as Ticket;
    const elsewhere = ticket.instance !== this.instance;
    if (elsewhere) this.takeOver(ticket, resume.received ?? 0);
    if (resume.received === null) this.restart();
    const received = resume.received ?? 0;
    this.wire = wire;
    const { length } = this.heard;
    this.tell({ type: "session_resumed", sessionId: "s", received: length, lost: elsewhere ? null : 0, resumeTicket: this.ticket(), upstream: "kept" });
    this.repeat(received);
    this.flush();
  }

  /** A session that lives nowhere: what is known is what the ticket covers, and what the client says it has. */
  private takeOver(ticket: Ticket, received: number): void {
    this.heard = this.heard.slice(0, ticket.covered);
    this.lostMs = this.lostMs.slice(0, ticket.covered);
    this.said = this.said.slice(0, received);
    this.covered = ticket.covered;
    this.acknowledged = this.firstKept = received;
  }

  private restart(): void {
    this.heard = [];
    this.lostMs = [];
    this.said = [];
    this.covered = this.acknowledged = this.firstKept = 0;
  }

  private repeat(received: number): void {
    this.acknowledged = Math.max(this.acknowledged, received);
    const gone = this.firstKept - received;
    if (gone > 0) {
      this.tell({ type: "skipped", messages: gone, audioMs: 0, reason: "no_room" });
      this.said.fill("skipped", received, this.firstKept);
    }
    for (const mark of this.said.slice(Math.max(received, this.firstKept))) this.write(mark as number);
  }

  private flush(): void {
    while (this.wire && this.waiting.length > 0) {
      const mark = this.waiting.shift()!;
      this.said.push(mark);
      this.write(mark);
    }
    this.firstKept = Math.max(this.firstKept, this.said.length - maxKept);
  }

  /** Odd marks are speech, even ones text. */
  private write(mark: number): void {
    this.wire?.down.push(mark % 2 === 1 ? new Int16Array([mark, 0]).buffer : JSON.stringify({ type: "text_response", text: String(mark) }));
  }

  private ticket(): string {
    return JSON.stringify({ instance: this.instance, covered: this.covered } satisfies Ticket);
  }

  private tell(message: object): void {
    this.wire?.down.push(JSON.stringify(message));
  }
}
