import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type End, type Ticket } from "./connection";
import { FakeSocket } from "./fake-socket";
import type { ServerMessage } from "./protocol";

export function setUp() {
  const got = {
    messages: [] as ServerMessage[],
    audio: [] as number[],
    errors: [] as string[],
    tickets: [] as Ticket[],
    lost: 0,
    again: 0,
    closed: [] as End[],
  };
  const sockets = [new FakeSocket()];
  const connection: Connection = new Connection(
    { voice: "Kore" },
    {
      dial: () => {
        sockets.push(new FakeSocket());
        return sockets.at(-1)!;
      },
      now: () => performance.now(),
    },
    {
      message: (m) => got.messages.push(m),
      audio: (pcm) => got.audio.push(pcm.byteLength),
      protocolError: (e) => got.errors.push(e.message),
      ticket: (t) => got.tickets.push(t),
      lost: () => got.lost++,
      again: () => got.again++,
      closed: (how) => got.closed.push(how),
    },
  );
  return {
    got,
    connection,
    sockets,
    /** The newest one. */
    get socket() {
      return sockets.at(-1)!;
    },
  };
}

type Set = ReturnType<typeof setUp>;

/** A session that can be resumed, on its first line. */
function begun(): Set {
  const s = setUp();
  s.connection.open(s.socket);
  s.socket.open();
  s.socket.text({ type: "session_started", sessionId: "s", resumeTicket: "t-1" });
  return s;
}

const resumed = (received: number, more: object = {}): object => ({
  type: "session_resumed",
  sessionId: "s",
  received,
  lost: 0,
  resumeTicket: "t-2",
  upstream: "kept",
  ...more,
});

/** The line breaks, and the next one is open; the server has not answered on it yet. */
function redialled(s: Set, code = 1006): void {
  s.socket.drop(code);
  const before = s.sockets.length;
  vi.advanceTimersByTime(300);
  expect(s.sockets.length).toBe(before + 1);
  s.socket.open();
}

const frame = (mark = 0): ArrayBuffer => new Int16Array(320).fill(mark).buffer;

/** What was sent, speech by its mark. */
const told = (socket: FakeSocket): unknown[] =>
  socket.sent.map((m) => (typeof m === "string" ? (JSON.parse(m) as { type: string }).type : new Int16Array(m)[0]));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a connection", () => {
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

  it("gives a stalled socket no more than it takes, and tells in its place what had to go", () => {
    const { socket, connection } = setUp();
    connection.open(socket);
    socket.open();
    connection.send({ type: "turn_complete" });
    socket.bufferedAmount = 20_000;
    // A minute, and eleven frames more than that.
    for (let i = 0; i < 3011; i++) connection.sendAudio(frame(i));
    expect(socket.types).toEqual(["start_session", "turn_complete"]);
    expect(connection.counts).toMatchObject({ sent: 1, dropped: 11 });

    socket.bufferedAmount = 0;
    vi.advanceTimersByTime(100);
    expect(socket.messages.at(-1)).toEqual({ type: "skipped", messages: 11, audioMs: 220, reason: "no_room" });
    expect(told(socket).slice(3)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 11));
    expect(connection.counts.sent).toBe(3012);
    connection.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("refuses text when far too much waits", () => {
    const { connection } = setUp();
    for (let i = 1; i <= 64; i++) expect(connection.send({ type: "text", text: String(i) })).toBe(i);
    expect(connection.send({ type: "text", text: "one more" })).toBe(0);
  });

  it("counts what the protocol counts, in both directions, valid or not", () => {
    const { socket, got, connection } = begun();
    socket.text({ type: "pong", t: 1 });
    socket.text({ type: "resume_ticket", resumeTicket: "t-2" });
    expect(connection.counts.received).toBe(0);
    socket.text({ type: "interrupted" });
    socket.binary(960);
    socket.text({ type: "of a newer server" });
    socket.text("not JSON");
    socket.binary(961);
    expect(connection.counts.received).toBe(5);
    expect(got.audio).toEqual([960]);
    expect(got.errors.length).toBe(2);
    socket.text({ type: "skipped", messages: 3, audioMs: 120, reason: "no_room" });
    expect(connection.counts).toMatchObject({ received: 8, skipped: 3 });
    for (let i = 0; i < 9; i++) connection.sendAudio(frame());
    socket.text({ type: "ack", received: 7, covered: 3 });
    expect(connection.counts).toMatchObject({ sent: 9, received: 8, acknowledged: 7 });
    expect(got.tickets.map((t) => t.resumeTicket)).toEqual(["t-1", "t-2"]);
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
    vi.advanceTimersByTime(4000);
    expect(acks()).toEqual([1]);
    for (let i = 0; i < 8; i++) socket.binary(1024);
    expect(acks()).toEqual([1, 9]);
    vi.advanceTimersByTime(4000);
    expect(acks()).toEqual([1, 9]);
    // What is uncounted on the way up leaves no trace in the count.
    expect(connection.counts.sent).toBe(0);
  });

  it("that cannot be resumed tells its end once, with the code", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.open();
    socket.text({ type: "session_started", sessionId: "s" });
    socket.drop(1006);
    socket.drop(1006);
    expect(got.closed).toEqual([{ code: 1006, opened: true, gaveUp: false }]);
    expect(connection.send({ type: "interrupt" })).toBe(0);
    socket.text({ type: "interrupted" });
    expect(got.messages.length).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("tells a refused upgrade from a broken line", () => {
    const { socket, got, connection } = setUp();
    connection.open(socket);
    socket.drop(1006);
    expect(got.closed).toEqual([{ code: 1006, opened: false, gaveUp: false }]);
  });

  it("that breaks before there is a session begins again, a few times, with all that was said", () => {
    const s = setUp();
    s.connection.sendAudio(frame(7));
    for (let i = 1; i <= 3; i++) {
      s.sockets.push(new FakeSocket());
      s.connection.open(s.socket);
      s.socket.open();
      expect(told(s.socket)).toEqual(["start_session", 7]);
      expect(s.socket.messages[0]).toHaveProperty("config");
      s.socket.drop(1006);
    }
    expect(s.got).toMatchObject({ again: 2, lost: 0, closed: [{ code: 1006, opened: true, gaveUp: false }] });
  });

  it("says nothing after it was closed by its owner", () => {
    const s = begun();
    s.connection.close();
    expect(s.socket.closedWith).toBe(1000);
    s.socket.drop(1000);
    s.connection.nudge();
    expect(s.got.closed).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("that is left does not speak for the conversation", () => {
    const s = begun();
    s.connection.leave();
    expect(s.socket.closedWith).toBe(1005);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a lost line", () => {
  it("is dialled again with the newest ticket and the count, and what the server lacks comes before anything new", () => {
    const s = begun();
    for (let i = 1; i <= 5; i++) s.connection.sendAudio(frame(i));
    s.socket.text({ type: "resume_ticket", resumeTicket: "t-1b" });
    s.socket.binary(960);
    s.socket.text({ type: "output_transcript", text: "Hi" });
    redialled(s);
    expect(s.got.lost).toBe(1);
    s.connection.sendAudio(frame(6));
    s.connection.send({ type: "text", text: "new" });
    expect(s.socket.messages).toEqual([
      { type: "start_session", resume: { sessionId: "s", resumeTicket: "t-1b", received: 2 } },
    ]);
    s.socket.text(resumed(3));
    s.connection.sendAudio(frame(7));
    expect(told(s.socket)).toEqual(["start_session", "ack", 4, 5, 6, "text", 7]);
    expect(s.socket.messages[1]).toEqual({ type: "ack", received: 2 });
    expect(s.connection.counts).toMatchObject({ sent: 8, received: 2, acknowledged: 3, resumed: 1, dropped: 0 });
    expect(s.got).toMatchObject({ closed: [], errors: [] });
    expect(s.got.tickets.at(-1)).toEqual({ sessionId: "s", resumeTicket: "t-2" });
  });

  it("of another instance repeats from what its ticket covers, though more was acknowledged", () => {
    const s = begun();
    for (let i = 1; i <= 6; i++) s.connection.sendAudio(frame(i));
    s.socket.text({ type: "ack", received: 5, covered: 2 });
    redialled(s, 1012);
    s.socket.text(resumed(2, { lost: null, upstream: "fresh" }));
    expect(told(s.socket).slice(2)).toEqual([3, 4, 5, 6]);
  });

  it("may break again before, while and after it is taken up", () => {
    const s = begun();
    for (let i = 1; i <= 3; i++) s.connection.sendAudio(frame(i));
    s.socket.drop(1006);
    vi.advanceTimersByTime(300);
    s.socket.drop(1006);
    vi.advanceTimersByTime(700);
    s.socket.open();
    s.socket.drop(1001);
    vi.advanceTimersByTime(1300);
    s.socket.open();
    s.socket.text(resumed(1));
    expect(told(s.socket).slice(2)).toEqual([2, 3]);
    // A line that lasted was a good one.
    vi.advanceTimersByTime(5000);
    redialled(s, 1011);
    expect(s.socket.messages[0]).toMatchObject({ resume: { resumeTicket: "t-2", received: 0 } });
    s.socket.text(resumed(3));
    expect(told(s.socket)).toEqual(["start_session", "ack"]);
    expect(s.got).toMatchObject({ lost: 2, closed: [] });
  });

  it("tells exactly what of a long silence of the network is lost", () => {
    const s = begun();
    for (let i = 1; i <= 10; i++) s.connection.sendAudio(frame(i));
    s.connection.send({ type: "text", text: "kept" });
    s.socket.drop(1006);
    for (let i = 11; i <= 3020; i++) s.connection.sendAudio(frame(i));
    vi.advanceTimersByTime(300);
    s.socket.open();
    // Five came through; five frames, and the ten after the text, had to go.
    s.socket.text(resumed(5));
    expect(told(s.socket).slice(2, 6)).toEqual(["skipped", "text", "skipped", 21]);
    expect(s.socket.messages.filter((m) => m.type === "skipped")).toEqual([
      { type: "skipped", messages: 5, audioMs: 100, reason: "no_room" },
      { type: "skipped", messages: 10, audioMs: 200, reason: "no_room" },
    ]);
    expect(s.connection.counts.dropped).toBe(20);
  });

  it("is lost for good when the server says so", () => {
    for (const code of [1000, 1002, 1007, 1009, 4001, 4002, 4003, 4500, 4504, 4505, 4506, 4509]) {
      const s = begun();
      s.socket.drop(code);
      expect(s.got.closed, String(code)).toEqual([{ code, opened: true, gaveUp: false }]);
      expect(vi.getTimerCount()).toBe(0);
    }
    for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 1015, 4000, 4004, 4499]) {
      const s = begun();
      redialled(s, code);
      expect(s.got.closed, String(code)).toEqual([]);
      s.connection.close();
    }
    const s = begun();
    s.socket.text({ type: "session_ended", reason: "max_duration" });
    s.socket.drop(1006);
    expect(s.got.closed.length).toBe(1);
  });

  it("is refused by an instance that does not have it, and tried again", () => {
    const s = begun();
    s.socket.drop(1006);
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(5000);
      s.socket.open();
      s.socket.text({ type: "error", error: "Elsewhere.", code: "session_elsewhere", retryable: true });
      s.socket.drop(1013);
    }
    vi.advanceTimersByTime(5000);
    s.socket.open();
    s.socket.text(resumed(0, { lost: null, upstream: "fresh" }));
    expect(s.got.closed).toEqual([]);
    expect(s.connection.counts.resumed).toBe(1);
  });

  it("is looked for less and less often, for two minutes", () => {
    const s = begun();
    s.socket.drop(1006);
    const tries: number[] = [];
    for (let t = 0; t < 200_000 && s.got.closed.length === 0; t += 50) {
      const before = s.sockets.length;
      vi.advanceTimersByTime(50);
      if (s.sockets.length > before) {
        tries.push(t);
        s.socket.drop(1006);
      }
    }
    const gaps = tries.map((t, i) => t - (tries[i - 1] ?? 0));
    expect(gaps[0]).toBeLessThanOrEqual(300);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5050);
    expect(tries.length).toBeGreaterThan(25);
    expect(tries.at(-1)).toBeGreaterThan(110_000);
    expect(s.got.closed).toEqual([{ code: 1006, opened: false, gaveUp: true }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is looked for at once, and for longer, when there is news of the network", () => {
    const s = begun();
    s.socket.drop(1006);
    for (let t = 0; t < 100_000; t += 50) {
      vi.advanceTimersByTime(50);
      if (s.socket.readyState === 0) s.socket.drop(1006);
    }
    const before = s.sockets.length;
    s.connection.nudge();
    expect(s.sockets.length).toBe(before + 1);
    // A dial that hangs in the network that is gone is not waited for.
    vi.advanceTimersByTime(3500);
    s.connection.nudge();
    vi.advanceTimersByTime(400);
    expect(s.sockets.length).toBe(before + 2);
    for (let t = 0; t < 100_000; t += 50) {
      vi.advanceTimersByTime(50);
      if (s.socket.readyState === 0) s.socket.drop(1006);
    }
    expect(s.got.closed).toEqual([]);
    s.connection.close();
  });

  it("that comes and goes in the same second is not hammered", () => {
    const s = begun();
    let dials = 0;
    for (let t = 0; t < 20_000; t += 50) {
      if (s.socket.readyState === 0) {
        dials++;
        s.socket.open();
        s.socket.text(resumed(0));
      }
      if (s.socket.readyState === 1) s.socket.drop(1006);
      vi.advanceTimersByTime(50);
    }
    expect(dials).toBeLessThan(13);
    s.connection.close();
  });

  it("costs a sleeping device none of its two minutes", () => {
    const s = begun();
    s.socket.drop(1006);
    for (let i = 0; i < 5; i++) {
      vi.advanceTimersByTime(5000);
      const { socket } = s;
      vi.spyOn(performance, "now").mockReturnValue(performance.now() + 600_000);
      socket.drop(1006);
      vi.mocked(performance.now).mockRestore();
    }
    expect(s.got.closed).toEqual([]);
    s.connection.close();
  });

  it("mentions a server that claims more than was ever sent, and goes on", () => {
    const s = begun();
    s.connection.sendAudio(frame(1));
    redialled(s);
    s.socket.text(resumed(9));
    s.connection.sendAudio(frame(2));
    expect(told(s.socket).slice(2)).toEqual([2]);
    expect(s.got.errors.length).toBe(1);
  });
});

describe("a reloaded page", () => {
  it("resumes with no count, and both begin at 0", () => {
    const s = setUp();
    s.connection.sendAudio(frame(1));
    s.connection.resume({ sessionId: "s", resumeTicket: "t-9" });
    s.socket.open();
    s.connection.sendAudio(frame(2));
    expect(s.socket.messages).toEqual([
      { type: "start_session", resume: { sessionId: "s", resumeTicket: "t-9", received: null } },
    ]);
    s.socket.text(resumed(0));
    expect(told(s.socket)).toEqual(["start_session", "ack", 1, 2]);
    s.socket.binary(960);
    redialled(s);
    expect(s.socket.messages[0]).toMatchObject({ resume: { resumeTicket: "t-2", received: 1 } });
  });

  it("asks again with no count when the first try broke", () => {
    const s = setUp();
    s.connection.resume({ sessionId: "s", resumeTicket: "t-9" });
    s.socket.open();
    redialled(s);
    expect(s.socket.messages[0]).toMatchObject({ resume: { resumeTicket: "t-9", received: null } });
  });

  it("does not let a person wait for minutes", () => {
    const s = setUp();
    s.connection.resume({ sessionId: "s", resumeTicket: "t-9" });
    for (let t = 0; t < 30_000; t += 50) {
      if (s.socket.readyState === 0 && s.sockets.length > 1) s.socket.drop(1006);
      vi.advanceTimersByTime(50);
    }
    expect(s.got.closed).toMatchObject([{ gaveUp: true }]);
  });
});

describe("the way to the server and back", () => {
  it("is measured by a ping of one's own, and by no other", () => {
    const s = begun();
    s.connection.measure();
    const t = s.socket.messages.at(-1)!.t as number;
    expect(s.socket.messages.at(-1)).toEqual({ type: "ping", t });
    vi.advanceTimersByTime(30);
    s.socket.text({ type: "pong", t: t - 1 });
    expect(s.connection.counts.rttMs).toBe(0);
    vi.advanceTimersByTime(20);
    s.socket.text({ type: "pong", t });
    expect(s.connection.counts.rttMs).toBe(50);
    // Pings are about the connection: they have no number.
    expect(s.connection.counts).toMatchObject({ sent: 0, received: 0 });
  });

  it("is not asked for on a line that is lost", () => {
    const s = begun();
    s.socket.drop(1006);
    s.connection.measure();
    expect(s.socket.types).not.toContain("ping");
  });
});

describe("pictures", () => {
  const picture = (data: string) => ({ mimeType: "image/jpeg", data });
  const seen = (s: Set): unknown[] => s.socket.messages.filter((m) => m.type === "video_frame").map((m) => m["data"]);
  const ack = (s: Set, received: number): void => s.socket.text({ type: "ack", received, covered: 0 });

  it("go one at a time, and the newest follows when the server has the one before", () => {
    const s = begun();
    for (const data of ["a", "b", "c"]) s.connection.sendPicture(picture(data));
    expect(seen(s)).toEqual(["a"]);
    s.connection.sendAudio(new ArrayBuffer(640));
    vi.advanceTimersByTime(300);
    ack(s, 2);
    expect(seen(s)).toEqual(["a", "c"]);
    expect(s.connection.counts).toMatchObject({ pictures: 2, superseded: 1, pictureMs: 300, sent: 3 });
    s.connection.close();
  });

  it("wait for a socket that is full, and go without anything else that happens", () => {
    const s = begun();
    s.socket.bufferedAmount = 20_000;
    s.connection.sendPicture(picture("a"));
    s.connection.sendPicture(picture("b"));
    expect(seen(s)).toEqual([]);
    s.socket.bufferedAmount = 0;
    vi.advanceTimersByTime(100);
    expect(seen(s)).toEqual(["b"]);
    s.connection.close();
  });

  it("are the newest one alone after a lost line, and none when they are not wanted any more", () => {
    const s = begun();
    s.connection.sendPicture(picture("a"));
    s.socket.drop(1006);
    s.connection.sendPicture(picture("b"));
    s.connection.sendPicture(picture("c"));
    vi.advanceTimersByTime(1000);
    s.socket.open();
    s.socket.text(resumed(0));
    expect(s.socket.messages.filter((m) => m.type === "skipped")).toMatchObject([{ messages: 1, audioMs: 0 }]);
    expect(seen(s)).toEqual(["c"]);
    s.connection.sendPicture(picture("d"));
    s.connection.sendPicture(undefined);
    ack(s, 2);
    expect(seen(s)).toEqual(["c"]);
    expect(s.connection.counts.dropped).toBe(0);
    s.connection.close();
  });
});
