import type { Socket } from "./socket";

/** A WebSocket for tests: what is sent is kept, what the server would do is called. */
export class FakeSocket implements Socket {
  binaryType: BinaryType = "blob";
  bufferedAmount = 0;
  readyState: 0 | 1 | 2 | 3 = 0;
  protocol = "stonepot.v1";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;

  /** Whether somebody is there who answers a ping, at once. */
  alive = false;

  /** `offered` are the subprotocols of the upgrade. */
  constructor(readonly offered: readonly string[] = []) {}

  readonly sent: (string | ArrayBuffer)[] = [];
  /** The code that it was closed with from this side; 1005: none. */
  closedWith: number | undefined;

  /** Text messages that were sent, parsed. */
  get messages(): { type: string; [key: string]: unknown }[] {
    return this.sent
      .filter((m): m is string => typeof m === "string")
      .map((m) => JSON.parse(m) as { type: string; [key: string]: unknown });
  }

  get types(): string[] {
    return this.sent.map((m) => (typeof m === "string" ? (JSON.parse(m) as { type: string }).type : "binary"));
  }

  send(data: string | ArrayBufferLike | Blob | ArrayBufferView<ArrayBuffer>): void {
    if (this.readyState !== 1) throw new Error("The socket is not open.");
    if (typeof data !== "string" && !(data instanceof ArrayBuffer)) throw new Error("Neither text nor a buffer.");
    this.sent.push(data);
    if (this.alive && typeof data === "string" && data.includes('"ping"')) queueMicrotask(() => this.text({ type: "pong", t: 0 }));
  }

  close(code?: number): void {
    this.closedWith = code ?? 1005;
    this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.call(this as unknown as WebSocket, {} as unknown as globalThis.Event);
  }

  /** The server sends a text message. */
  text(message: object | string): void {
    this.data(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The server sends speech. */
  binary(bytes: number): void {
    this.data(new ArrayBuffer(bytes));
  }

  drop(code: number): void {
    this.readyState = 3;
    this.onclose?.call(this as unknown as WebSocket, { code } as CloseEvent);
  }

  private data(data: unknown): void {
    this.onmessage?.call(this as unknown as WebSocket, { data } as MessageEvent);
  }
}
