const ackEveryMs = 250;
const ackEveryBytes = 8192;

/** Incoming numbers the server's counted messages as they come, and acknowledges them (docs/protocol.md, "Resuming"). */
export class Incoming {
  received = 0;

  private acked = 0;
  private bytesSinceAck = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    /** The server listens. */
    private readonly attached: () => boolean,
    private readonly write: (received: number) => void,
  ) {}

  /** One more message, of so many bytes. */
  count(bytes: number): void {
    this.received++;
    this.bytesSinceAck += bytes;
    if (this.bytesSinceAck >= ackEveryBytes) this.acknowledge();
    else this.timer ??= setTimeout(() => this.acknowledge(), ackEveryMs);
  }

  /** Tells the server what is here; `again`: though it was told before. */
  acknowledge(again = false): void {
    this.stop();
    this.bytesSinceAck = 0;
    if (!this.attached() || (this.received === this.acked && !again)) return;
    this.acked = this.received;
    this.write(this.received);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
