import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeSocket } from "./fake-socket";
import { Line } from "./line";
import type { Closed } from "./socket";

function setUp() {
  const socket = new FakeSocket();
  const got = { opened: 0, received: [] as unknown[], closed: [] as Closed[] };
  const line = new Line(
    socket,
    { opened: () => got.opened++, received: (data) => got.received.push(data), closed: (how) => got.closed.push(how) },
    () => performance.now(),
  );
  return { socket, got, line };
}

const pings = (socket: FakeSocket): number => socket.types.filter((t) => t === "ping").length;
const broken = [{ code: 1006, opened: true }];

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a line", () => {
  it("carries what it is given once it is open, and tells its end once", () => {
    const { socket, got, line } = setUp();
    expect(line.hasRoom).toBe(false);
    expect(line.send("early")).toBe(false);
    socket.open();
    expect(got.opened).toBe(1);
    expect(line.send("text")).toBe(true);
    socket.text("answer");
    socket.drop(1013);
    socket.text("late");
    socket.drop(1006);
    expect(got).toEqual({ opened: 1, received: ["answer"], closed: [{ code: 1013, opened: true }] });
    expect(socket.sent).toEqual(["text"]);
    expect(line.send("too late")).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("gives up a server that does not answer the upgrade", () => {
    const { got } = setUp();
    vi.advanceTimersByTime(10_000);
    expect(got.closed).toEqual([{ code: 1006, opened: false }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is asked for a sign of life only when it is silent", () => {
    const { socket, line } = setUp();
    socket.open();
    for (let i = 0; i < 20; i++) {
      vi.advanceTimersByTime(1000);
      socket.binary(960);
      line.arrived();
    }
    expect(pings(socket)).toBe(0);
    vi.advanceTimersByTime(7500);
    expect(pings(socket)).toBe(1);
    socket.text({ type: "pong", t: 1 });
    line.arrived();
    vi.advanceTimersByTime(5000);
    expect(pings(socket)).toBe(2);
  });

  it("that brings speech and takes nothing is given up too", () => {
    const { socket, got, line } = setUp();
    socket.open();
    const hear = (seconds: number): void => {
      for (let i = 0; i < seconds; i++) {
        vi.advanceTimersByTime(1000);
        socket.binary(960);
      }
    };
    hear(10);
    expect(pings(socket)).toBe(1);
    line.arrived();
    hear(12);
    expect(pings(socket)).toBe(2);
    expect(got.closed).toEqual([]);
    hear(2);
    expect(got.closed).toEqual(broken);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("that is half open is given up within seconds, without a word about the conversation", () => {
    const { socket, got } = setUp();
    socket.open();
    vi.advanceTimersByTime(7900);
    expect(got.closed).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(got.closed).toEqual(broken);
    expect(socket.closedWith).toBe(1005);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is asked before it is given up when nobody could watch it, as in a hidden page whose timers stand still", () => {
    const { socket, got } = setUp();
    socket.open();
    for (let i = 0; i < 3; i++) {
      vi.setSystemTime(Date.now() + 60_000);
      vi.advanceTimersByTime(2500);
      expect(pings(socket)).toBe(i + 1);
      socket.text({ type: "pong", t: 1 });
      vi.advanceTimersByTime(2500);
      expect(got.closed).toEqual([]);
    }
  });

  it("that died while the device slept is found out soon after", () => {
    const { socket, got } = setUp();
    socket.open();
    vi.setSystemTime(Date.now() + 600_000);
    vi.advanceTimersByTime(5000);
    expect(got.closed).toEqual(broken);
  });

  it("is found alive or dead soon after a hint of trouble", () => {
    const alive = setUp();
    alive.socket.open();
    alive.line.probe();
    alive.line.probe();
    expect(pings(alive.socket)).toBe(1);
    vi.advanceTimersByTime(1000);
    alive.socket.text({ type: "pong", t: 1 });
    vi.advanceTimersByTime(2000);
    expect(alive.got.closed).toEqual([]);
    alive.line.close();

    const dead = setUp();
    dead.line.probe();
    dead.socket.open();
    dead.line.probe();
    vi.advanceTimersByTime(2500);
    expect(dead.got.closed).toEqual(broken);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does nothing more when a socket opens that was let go", () => {
    const { socket, got, line } = setUp();
    line.close(1000);
    socket.open();
    expect(got).toEqual({ opened: 0, received: [], closed: [] });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("has room until half a second of speech lies in the socket", () => {
    const { socket, line } = setUp();
    socket.open();
    expect(line.hasRoom).toBe(true);
    socket.bufferedAmount = 16_000;
    expect(line.hasRoom).toBe(false);
    socket.bufferedAmount = 0;
    socket.readyState = 2;
    expect(line.hasRoom).toBe(false);
  });
});
