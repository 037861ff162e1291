import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ended, frame, listening, ready, resumed, settle, setUp, speaking, turnComplete, type Set } from "./fake-world";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const notice = (s: Set): unknown => s.call.getSnapshot().notice?.kind;
const captions = (s: Set): string[] => s.call.getSnapshot().captions.map((c) => c.text);

/** The line breaks, and the next one is open; the server has not answered on it yet. */
async function redialled(s: Set, code = 1006): Promise<void> {
  s.socket.drop(code);
  await vi.advanceTimersByTimeAsync(300);
  expect(s.socket.readyState).toBe(0);
  s.socket.open();
}

/** Takes over what a page leaves behind. */
async function reloaded(s: Set): Promise<Set> {
  s.call.leave();
  await settle();
  const next = setUp(s.keep);
  next.call.remember();
  return next;
}

describe("a line that breaks", () => {
  it("asks for a session that can be resumed", async () => {
    const s = await listening("t-1");
    expect(s.socket.messages[0]).toMatchObject({ type: "start_session", config: { resumable: true } });
  });

  it("is not shown when it is found again at once", async () => {
    const s = await speaking("t-1");
    const seen: unknown[] = [];
    s.call.subscribe(() => seen.push(notice(s)));
    await redialled(s);
    expect(s.world.sockets).toBe(2);
    expect(s.socket.offered).toEqual(["stonepot.v1", "stonepot.resume"]);
    s.socket.text(resumed(0));
    await vi.advanceTimersByTimeAsync(5000);
    expect(new Set(seen)).toEqual(new Set([undefined]));
    expect(s.status()).toBe("speaking");
  });

  it("is shown in a word after half a second, while everything goes on", async () => {
    const s = await speaking("t-1");
    s.socket.drop(1006);
    await vi.advanceTimersByTimeAsync(499);
    expect(notice(s)).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(notice(s)).toBe("resuming");
    // What is queued is played, what is said is kept, and so is what is typed.
    expect(s.status()).toBe("speaking");
    s.world.speaker!.play(1000);
    expect(s.world.speaker!.queued).toBe(24_000 - 2400 - 1000);
    expect(captions(s)).toEqual(["Hello?", "Once upon a time"]);
    frame(s);
    frame(s);
    s.socket.open();
    s.socket.text(resumed(0));
    expect(notice(s)).toBeUndefined();
    expect(s.socket.types).toEqual(["start_session", "ack", "binary", "binary"]);
    s.socket.text({ type: "output_transcript", text: " there was", final: false });
    s.socket.binary(4800);
    expect(captions(s)).toEqual(["Hello?", "Once upon a time there was"]);
    expect(s.world.speaker!.queued).toBe(24_000 - 2400 - 1000 + 2400);
    expect(s.call.stats()).toMatchObject({ resumed: 1, dropped: 0 });
  });

  it("keeps what is typed meanwhile", async () => {
    const s = await listening("t-1");
    s.socket.drop(1006);
    expect(s.call.sendText("Are you there?")).toBe(true);
    expect(captions(s)).toEqual(["Are you there?"]);
    await vi.advanceTimersByTimeAsync(300);
    s.socket.open();
    s.socket.text(resumed(0));
    expect(s.socket.messages.at(-1)).toEqual({ type: "text", text: "Are you there?" });
  });

  it("is looked for at once when the network or the person is back", async () => {
    for (const back of [(s: Set) => s.call.networkChanged(true), (s: Set) => s.call.visibilityChanged(true)]) {
      const s = await listening("t-1");
      s.socket.drop(1006);
      await vi.advanceTimersByTimeAsync(300);
      s.socket.drop(1006);
      expect(s.world.sockets).toBe(2);
      back(s);
      expect(s.world.sockets).toBe(3);
      s.call.hangUp();
    }
  });

  it("of which the server had spoken before is no problem any more once it is found again", async () => {
    const s = await listening("t-1");
    s.socket.text({ type: "error", error: "The server is restarting.", code: "server_draining", retryable: true });
    await redialled(s, 1012);
    s.socket.text(resumed(0, { lost: null, upstream: "fresh" }));
    s.socket.text({ ...ready, startupMs: 9 });
    expect(s.call.getSnapshot()).toMatchObject({ status: "listening", problem: undefined });
    s.socket.text(ended);
    s.socket.drop(1000);
    expect(s.call.getSnapshot()).toMatchObject({ status: "ended", problem: undefined });
  });

  it("leaves the conversation as old as it is when another instance takes it up", async () => {
    const s = await listening("t-1");
    const { readySince } = s.call.getSnapshot().session!;
    await vi.advanceTimersByTimeAsync(60_000);
    await redialled(s, 1012);
    s.socket.text(resumed(0, { lost: null, upstream: "fresh" }));
    s.socket.text({ ...ready, model: "m-2" });
    expect(s.call.getSnapshot().session).toMatchObject({ readySince, model: "m-2" });
  });

  it("shows once a sentence that another instance hears again from its beginning", async () => {
    const s = await listening("t-1");
    s.socket.text({ type: "input_transcript", text: "What can", final: false });
    await redialled(s, 1012);
    s.socket.text(resumed(0, { lost: null, upstream: "renewing" }));
    s.socket.text({ type: "input_transcript", text: "What can you tell me?", final: true });
    expect(captions(s)).toEqual(["What can you tell me?"]);
  });

  it("ends the conversation when the server says that it is over", async () => {
    const s = await listening("t-1");
    await redialled(s);
    s.socket.text({ ...ended, reason: "max_duration" });
    s.socket.drop(4500);
    expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "max_duration" }, offer: undefined });
    expect(s.keep.saved).toBeUndefined();
  });

  it("ends the conversation, with a way to a new one, when nobody knows it any more", async () => {
    for (const [close, code] of [[4506, "session_not_found"], [4504, "unauthorized"]] as const) {
      const s = await speaking("t-1");
      await redialled(s);
      s.socket.text({ type: "error", error: "Nothing to resume.", code, retryable: false });
      s.socket.drop(close);
      expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "session_not_found", tone: "limit" }, offer: undefined });
      expect(captions(s)).toEqual(["Hello?", "Once upon a time"]);
      expect(s.keep.saved).toBeUndefined();
      s.call.start();
      expect(s.call.getSnapshot()).toMatchObject({ status: "connecting", captions: [] });
      s.call.hangUp();
    }
  });

  it("that stays away for minutes is told, and the conversation can still be taken up", async () => {
    const s = await speaking("t-1");
    s.socket.drop(1006);
    for (let t = 0; t < 200_000 && s.status() !== "failed"; t += 100) {
      await vi.advanceTimersByTimeAsync(100);
      if (s.socket.readyState === 0) s.socket.drop(1006);
    }
    expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "out_of_reach" }, offer: "continue" });
    expect(s.world.microphoneClosed).toBe(1);
    s.call.resume();
    expect(s.call.getSnapshot()).toMatchObject({ status: "connecting", offer: undefined, problem: undefined });
    s.world.allowMicrophone();
    await settle();
    s.socket.open();
    expect(s.socket.messages).toEqual([
      { type: "start_session", resume: { sessionId: "s-1", resumeTicket: "t-1", received: null } },
    ]);
    s.socket.text(resumed(0));
    expect(s.status()).toBe("listening");
    expect(captions(s)).toEqual(["Hello?", "Once upon a time"]);
  });

  it("does not keep a person who wants to leave", async () => {
    const s = await listening("t-1");
    s.socket.drop(1006);
    s.call.hangUp();
    expect(s.status()).toBe("ending");
    expect(s.keep.saved).toBeUndefined();
    // The line is back in time to say it.
    s.socket.open();
    s.socket.text(resumed(0));
    expect(s.socket.types.at(-1)).toBe("end_session");
    s.socket.text(ended);
    s.socket.drop(1000);
    expect(s.status()).toBe("ended");

    const late = await listening("t-1");
    late.socket.drop(1006);
    late.call.hangUp();
    await vi.advanceTimersByTimeAsync(2500);
    expect(late.call.getSnapshot()).toMatchObject({ status: "ended", problem: undefined, offer: undefined });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("before there is a session begins another, with what was said", async () => {
    const s = setUp();
    s.call.start();
    s.world.allowMicrophone();
    s.world.admit();
    await settle();
    frame(s);
    s.socket.open();
    s.socket.drop(1006);
    s.world.admit();
    await settle();
    s.socket.open();
    expect(s.socket.types).toEqual(["start_session", "binary"]);
    s.socket.text({ type: "session_started", sessionId: "s-1" });
    s.socket.text(ready);
    expect(s.status()).toBe("listening");
  });
});

describe("an answer that was lost with its upstream", () => {
  it("is dropped when it was in progress", async () => {
    const s = await speaking("t-1");
    await redialled(s, 1012);
    s.socket.text(resumed(0, { lost: null, upstream: "fresh" }));
    s.socket.text({ type: "turn_restarted", reason: "instance_lost" });
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.status()).toBe("thinking");
    expect(captions(s)).toEqual(["Hello?"]);
    s.socket.text({ type: "input_transcript", text: "Hello?", final: true });
    s.socket.text({ type: "output_transcript", text: "Long ago", final: false });
    expect(captions(s)).toEqual(["Hello?", "Long ago"]);
  });

  it("stays when it was whole: an instance that takes over cannot know", async () => {
    const s = await speaking("t-1");
    s.socket.text({ type: "generation_complete" });
    s.socket.text(turnComplete());
    await redialled(s, 1012);
    s.socket.text(resumed(0, { lost: null, upstream: "fresh" }));
    s.socket.text({ type: "turn_restarted", reason: "instance_lost" });
    expect(s.world.speaker!.queued).toBe(24_000 - 2400);
    expect(s.status()).toBe("speaking");
    expect(captions(s)).toEqual(["Hello?", "Once upon a time"]);
  });

  it("stays when it was whole, though its turn was never ended", async () => {
    const s = await speaking("t-1");
    s.socket.text({ type: "generation_complete" });
    s.socket.text({ type: "output_transcript", text: ".", final: false }); // captions may come behind what they belong to
    await redialled(s, 1012);
    s.socket.text(resumed(0, { lost: null, upstream: "fresh" }));
    s.socket.text({ type: "turn_restarted", reason: "instance_lost" });
    expect(s.world.speaker!.queued).toBe(24_000 - 2400);
    expect(s.status()).toBe("speaking");
    expect(captions(s)).toEqual(["Hello?", "Once upon a time."]);
    // The model may have been given the question once more, and say it anew.
    s.socket.text({ type: "input_transcript", text: "Hello?", final: true });
    s.socket.text({ type: "output_transcript", text: "Long ago", final: false });
    s.socket.binary(4800);
    expect(captions(s)).toEqual(["Hello?", "Once upon a time.", "Long ago"]);
    // That one is lost in its middle.
    s.socket.text({ type: "turn_restarted", reason: "upstream_lost" });
    expect(captions(s)).toEqual(["Hello?", "Once upon a time."]);
  });

  it("is dropped when it is the one behind an answer whose turn was never ended", async () => {
    for (const asked of [true, false]) {
      const s = await speaking("t-1");
      s.socket.text({ type: "generation_complete" });
      s.world.speaker!.playAll();
      if (asked) s.socket.text({ type: "input_transcript", text: "And then?", final: true });
      s.socket.binary(4800);
      s.socket.text({ type: "output_transcript", text: "They lived", final: false });
      s.socket.text({ type: "turn_restarted", reason: "upstream_lost" });
      expect(captions(s)).toEqual(["Hello?", "Once upon a time", ...(asked ? ["And then?"] : [])]);
    }
  });

  it("stays as it was cut when the person had cut it", async () => {
    const s = await speaking("t-1");
    s.socket.text({ type: "interrupted" });
    s.socket.text({ type: "turn_restarted", reason: "instance_lost" });
    expect(s.status()).toBe("interrupted");
    expect(captions(s)).toEqual(["Hello?", "Once upon a time"]);
  });
});

describe("a model that has forgotten the conversation", () => {
  const forgot = { type: "warning", sessionId: "s-1", code: "memory_lost", message: "The model has forgotten the conversation so far." };
  const line = "The model no longer remembers what was said before.";

  it("is told where it happened, once, and what is said goes on below", async () => {
    const s = await listening();
    s.socket.text(forgot);
    expect(captions(s)).toEqual([]); // nothing was said that it could have forgotten
    s.socket.text({ type: "input_transcript", text: "Hello?", final: true });
    s.socket.text({ type: "output_transcript", text: "Hello.", final: false });
    s.socket.text(turnComplete());
    s.socket.text(forgot);
    s.socket.text(forgot);
    s.socket.text({ type: "input_transcript", text: "Who are", final: false });
    s.socket.text({ type: "input_transcript", text: " you?", final: true });
    s.socket.text({ type: "output_transcript", text: "Nobody", final: false });
    expect(s.call.getSnapshot().captions.map((c) => `${c.who}: ${c.text}`)).toEqual([
      "person: Hello?", "model: Hello.", `notice: ${line}`, "person: Who are you?", "model: Nobody",
    ]);
    expect(s.call.getSnapshot().session?.lastWarning).toMatch(/^memory_lost/);
  });

  it("is told in the middle of an answer without taking it apart", async () => {
    const s = await speaking();
    s.socket.text(forgot);
    s.socket.text({ type: "output_transcript", text: ", long ago", final: false });
    expect(captions(s)).toEqual(["Hello?", "Once upon a time, long ago", line]);
  });
});

describe("an interruption by hand", () => {
  it("is said again where it was lost, and the rest of the answer is dropped until it is answered", async () => {
    const s = await speaking("t-1");
    s.call.interrupt();
    await redialled(s);
    s.socket.text(resumed(0));
    expect(s.socket.types.at(-1)).toBe("interrupt");
    s.socket.binary(4800);
    expect(s.world.speaker!.queued).toBe(0);
    s.socket.text({ type: "interrupted" });
    s.socket.binary(4800);
    expect(s.world.speaker!.queued).toBe(2400);
  });

  it("does not silence an instance that never had that answer", async () => {
    const s = await speaking("t-1");
    s.call.interrupt();
    await redialled(s, 1012);
    s.socket.text(resumed(1, { lost: null, upstream: "fresh" }));
    expect(s.socket.types).not.toContain("interrupt");
    s.socket.binary(4800);
    expect(s.world.speaker!.queued).toBe(2400);
  });
});

describe("a page that is reloaded", () => {
  it("leaves the session alone, and offers to go on with it, text included", async () => {
    const s = await speaking("t-1");
    const first = s.socket;
    await vi.advanceTimersByTimeAsync(7000);
    const next = await reloaded(s);
    expect(s.call.getSnapshot()).toMatchObject({ status: "idle", offer: "continue" });
    expect(s.world.microphoneClosed).toBe(1);
    expect(s.world.audioClosed).toBe(1);
    expect(first.types).not.toContain("end_session");
    expect(first.closedWith).toBe(1005);

    expect(next.call.getSnapshot()).toMatchObject({
      status: "idle",
      offer: "continue",
      session: { id: "s-1", model: "m" },
      captions: [{ text: "Hello?", closed: true }, { text: "Once upon a time", closed: true, interrupted: true }],
    });
    expect(next.world.sockets).toBe(0);
    next.call.resume();
    expect(next.status()).toBe("connecting");
    next.world.allowMicrophone();
    await settle();
    frame(next);
    next.socket.open();
    expect(next.socket.messages).toEqual([
      { type: "start_session", resume: { sessionId: "s-1", resumeTicket: "t-1", received: null } },
    ]);
    next.socket.text(resumed(0));
    expect(next.call.getSnapshot()).toMatchObject({ status: "listening", awaiting: "nothing", offer: undefined });
    expect(next.socket.types).toEqual(["start_session", "ack", "binary"]);
    expect(next.world.speaker!.rate).toBe(24_000);
    // The answer goes on in a caption of its own.
    next.socket.text({ type: "output_transcript", text: "there was", final: false });
    expect(captions(next)).toEqual(["Hello?", "Once upon a time", "there was"]);
    expect(next.call.getSnapshot().session?.endedAt).toBeUndefined();
  });

  it("can be reloaded again and again, each time with the newest ticket", async () => {
    let s = await listening("t-0");
    for (let i = 1; i <= 3; i++) {
      s = await reloaded(s);
      s.call.resume();
      s.world.allowMicrophone();
      await settle();
      s.socket.open();
      expect(s.socket.messages[0]).toMatchObject({ resume: { resumeTicket: i === 1 ? "t-0" : `t-${i - 1}b` } });
      s.socket.text(resumed(0, { resumeTicket: `t-${i}` }));
      s.socket.text({ type: "resume_ticket", resumeTicket: `t-${i}b` });
      expect(s.status()).toBe("listening");
    }
  });

  it("does not hear anybody who was muted", async () => {
    const s = await listening("t-1");
    s.call.setMuted(true);
    const next = await reloaded(s);
    next.call.resume();
    next.world.allowMicrophone();
    await settle();
    next.socket.open();
    next.socket.text(resumed(0));
    frame(next, 0.2);
    expect(next.world.muted).toEqual([true]);
    expect(next.call.getSnapshot()).toMatchObject({ status: "listening", muted: true });
    expect(next.socket.types).not.toContain("binary");
  });

  it("goes on in writing without asking for a microphone", async () => {
    const s = setUp();
    s.call.start({ microphone: false });
    s.world.admit();
    await settle();
    s.socket.open();
    s.socket.text({ type: "session_started", sessionId: "s-1", resumeTicket: "t-1" });
    s.socket.text(ready);
    const next = await reloaded(s);
    next.call.resume();
    next.socket.open();
    next.socket.text(resumed(0));
    expect(next.call.getSnapshot()).toMatchObject({ status: "listening", textOnly: true });
  });

  it("may begin a new conversation instead, and the old one is forgotten", async () => {
    const next = await reloaded(await speaking("t-1"));
    next.call.start();
    expect(next.call.getSnapshot()).toMatchObject({ captions: [], offer: undefined, session: undefined });
    expect(next.keep.saved).toBeUndefined();
    next.world.admit();
    await settle();
    next.socket.open();
    expect(next.socket.messages[0]).toHaveProperty("config");
    // There is nothing left to resume.
    next.call.hangUp();
    next.socket.text(ended);
    next.socket.drop(1000);
    next.call.resume();
    expect(next.status()).toBe("ended");
  });

  it("offers nothing after a conversation that ended, or one that cannot be resumed", async () => {
    const s = await listening("t-1");
    s.call.hangUp();
    s.socket.text(ended);
    s.socket.drop(1000);
    expect((await reloaded(s)).call.getSnapshot().offer).toBeUndefined();

    const poor = await listening();
    const first = poor.socket;
    expect((await reloaded(poor)).call.getSnapshot().offer).toBeUndefined();
    // Nobody can come back to it: it is over.
    expect(first.closedWith).toBe(1000);
  });

  it("does not wait for minutes for a server that is gone", async () => {
    const next = await reloaded(await listening("t-1"));
    next.call.resume();
    for (let t = 0; t < 30_000 && next.status() !== "failed"; t += 100) {
      await vi.advanceTimersByTimeAsync(100);
      if (next.socket.readyState === 0) next.socket.drop(1006);
    }
    expect(next.call.getSnapshot()).toMatchObject({ problem: { code: "out_of_reach" }, offer: "continue" });
  });

  it("has its text too when the browser ends it in the background", async () => {
    const s = await speaking("t-1");
    s.call.visibilityChanged(false);
    const next = setUp(s.keep);
    next.call.remember();
    expect(captions(next)).toEqual(["Hello?", "Once upon a time"]);
  });
});

describe("two tabs with one conversation", () => {
  it("the older one stops, says where it goes on, and can take it back", async () => {
    const s = await speaking("t-1");
    const { sockets } = s.world;
    s.socket.text({ type: "error", error: "Elsewhere.", code: "replaced", retryable: false });
    s.socket.drop(4505);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(s.world.sockets).toBe(sockets);
    expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "replaced", tone: "limit" }, offer: "takeBack" });
    expect(s.world.microphoneClosed).toBe(1);
    expect(s.world.speaker!.queued).toBe(0);
    s.call.resume();
    s.world.allowMicrophone();
    await settle();
    s.socket.open();
    s.socket.text(resumed(0));
    expect(s.status()).toBe("listening");
  });
});

describe("a change in mid-conversation", () => {
  it("is wished for, and shown when it holds", async () => {
    const s = await listening("t-1");
    expect(s.call.updateSession({ voice: "Puck", language: "de-DE" })).toBe(true);
    expect(s.socket.messages.at(-1)).toEqual({ type: "update_session", config: { voice: "Puck", language: "de-DE" } });
    expect(s.call.getSnapshot().session).toMatchObject({ voice: "Kore" });
    s.socket.text({ type: "session_updated", model: "m", voice: "Puck", language: "de-DE" });
    expect(s.call.getSnapshot().session).toMatchObject({ voice: "Puck", language: "de-DE" });
    s.call.updateSession({ systemInstruction: "Obey." });
    s.socket.text({ type: "warning", code: "not_allowed", message: "Not the instruction.", field: "systemInstruction" });
    expect(s.call.getSnapshot().session?.lastWarning).toMatch(/not_allowed/);
  });

  it("is nothing without a conversation", () => {
    expect(setUp().call.updateSession({ voice: "Puck" })).toBe(false);
  });
});
