import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type Closed } from "./connection";
import { FakeSocket } from "./fake-socket";
import type { ServerMessage } from "./protocol";

function setUp() {
  const socket = new FakeSocket();
  const got = { messages: [] as ServerMessage[], audio: [] as number[], errors: [] as string[], closed: [] as Closed[] };
  const connection = new Connection(
    { voice: "Kore" },
    {
      message: (m) => got.messages.push(m),
      audio: (pcm) => got.audio.push(pcm.byteLength),
      protocolError: (e) => got.errors.push(e.message),
      closed: (how) => got.closed.push(how),
    },
    () => Date.now(),
  );
  return { socket, got, connection };
}

const frame = (): ArrayBuffer => new ArrayBuffer(640);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("Connection", () => {
  it("sends start_session first, then what was given before it was open, in order", () => {
    const { socket, connection } = setUp();
    connection.sendAudio(frame());
    connection.send({ type: "text", text: "hi" });
    connection.sendAudio(frame());
    connection.open(socket);
    connection.sendAudio(frame());
    expect(socket.sent).toEqual([]);
    socket.open();
    expect(socket.types).toEqual(["start_session", "binary", "text", "binary", "binary"]);
    expect(socket.messages[0]).toEqual({ type: "start_session", config: { voice: "Kore" } });
    expect(socket.binaryType).toBe("arraybuffer");
    expect(connection.counts.sent).toBe(4);
  });

  it("drops the oldest frames when the socket stalls, counts them, and keeps every text", () => {
    const { socket, connection } = setUp();
    connection.open(socket);
    socket.open();
    socket.bufferedAmount = 20_000;
    connection.send({ type: "turn_complete" });
    const last = frame();
    for (let i = 0; i < 260; i++) connection.sendAudio(frame());
    connection.sendAudio(last);
    expect(socket.types).toEqual(["start_session"]);
    expect(connection.counts).toMatchObject({ sent: 0, droppedFrames: 11 });

    socket.bufferedAmount = 0;
    vi.advanceTimersByTime(100);
    expect(socket.types.slice(1, 3)).toEqual(["turn_complete", "binary"]);
    // Dropped frames had no number: there is no hole in the count.
    expect(connection.counts.sent).toBe(251);
    expect(socket.sent.at(-1)).toBe(last);
  });

  it("refuses text when far too much waits", () => {
    const { connection } = setUp();
    for (let i = 0; i < 64; i++) expect(connection.send({ type: "text", text: String(i) })).toBe(true);
    expect(connection.send({ type: "text", text: "one more" })).toBe(false);
  });

  it("counts what the protocol counts, in both directions, valid or not", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.open();
    socket.text({ type: "session_started", sessionId: "s" });
    socket.text({ type: "pong", t: 1 });
    expect(connection.counts.received).toBe(0);
    socket.text({ type: "interrupted" });
    socket.binary(960);
    socket.text({ type: "of a newer server" });
    socket.text("not JSON");
    socket.binary(961);
    expect(connection.counts.received).toBe(5);
    expect(got.audio).toEqual([960]);
    expect(got.errors.length).toBe(2);
    socket.text({ type: "ack", received: 7, covered: 3 });
    expect(connection.counts).toMatchObject({ received: 5, acknowledged: 7 });
  });

  it("acknowledges every 250 ms while there is traffic, and each 8 KB", () => {
    const { socket, connection } = setUp();
    connection.open(socket);
    socket.open();
    const acks = (): unknown[] => socket.messages.filter((m) => m.type === "ack").map((m) => m["received"]);
    socket.binary(100);
    vi.advanceTimersByTime(249);
    expect(acks()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(acks()).toEqual([1]);
    vi.advanceTimersByTime(5000);
    expect(acks()).toEqual([1]);
    for (let i = 0; i < 8; i++) socket.binary(1024);
    expect(acks()).toEqual([1, 9]);
    vi.advanceTimersByTime(5000);
    expect(acks()).toEqual([1, 9]);
    // What is uncounted on the way up leaves no trace in the count.
    expect(connection.counts.sent).toBe(0);
  });

  it("tells its end once, with the code", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.open();
    socket.drop(1013);
    socket.drop(1006);
    expect(got.closed).toEqual([{ code: 1013, opened: true }]);
    expect(connection.send({ type: "interrupt" })).toBe(false);
    socket.text({ type: "interrupted" });
    expect(got.messages).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("tells a refused upgrade from a broken line", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.drop(1006);
    expect(got.closed).toEqual([{ code: 1006, opened: false }]);
  });

  it("gives up a server that does not answer the upgrade", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    vi.advanceTimersByTime(10_000);
    expect(got.closed).toEqual([{ code: 1006, opened: false }]);
  });

  it("asks a silent server for a sign of life, and gives up one that is dead", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.open();
    vi.advanceTimersByTime(20_000);
    expect(socket.types.filter((t) => t === "ping").length).toBe(2);
    socket.text({ type: "pong", t: 1 });
    vi.advanceTimersByTime(29_000);
    expect(got.closed).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(got.closed).toEqual([{ code: 1006, opened: true }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("asks before it gives up a line that it could not watch, as in a hidden page whose timers stand still", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.open();
    vi.setSystemTime(Date.now() + 60_000);
    vi.advanceTimersByTime(10_000);
    expect(got.closed).toEqual([]);
    expect(socket.types.at(-1)).toBe("ping");
    socket.text({ type: "pong", t: 1 });
    vi.setSystemTime(Date.now() + 60_000);
    vi.advanceTimersByTime(10_000);
    expect(got.closed).toEqual([]);
    vi.advanceTimersByTime(20_000);
    expect(got.closed).toEqual([{ code: 1006, opened: true }]);
  });

  it("does nothing more when a socket opens that was given up", () => {
    const { socket, connection } = setUp();
    connection.open(socket);
    connection.close();
    socket.open();
    expect(socket.sent).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("finds out within seconds when there is a hint of trouble", () => {
    const alive = setUp();
    alive.connection.open(alive.socket);
    alive.socket.open();
    alive.connection.probe();
    vi.advanceTimersByTime(1000);
    alive.socket.text({ type: "pong", t: 1 });
    vi.advanceTimersByTime(4000);
    expect(alive.got.closed).toEqual([]);
    alive.connection.close();

    const dead = setUp();
    dead.connection.open(dead.socket);
    dead.socket.open();
    vi.advanceTimersByTime(1);
    dead.connection.probe();
    vi.advanceTimersByTime(4000);
    expect(dead.got.closed).toEqual([{ code: 1006, opened: true }]);
  });

  it("says nothing after it was closed by its owner", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.open();
    connection.close();
    expect(socket.closedWith).toBe(1000);
    socket.drop(1000);
    expect(got.closed).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
