import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Call } from "./call";
import { ended, frame, listening, ready, settle, setUp, speaking, turnComplete } from "./fake-world";
import { ProblemError, problemOf } from "./problem";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("starting", () => {
  it("asks for microphone and server side by side, and is ready when both are there", async () => {
    const s = setUp();
    s.call.start();
    expect(s.status()).toBe("connecting");
    expect(s.call.getSnapshot().awaiting).toBe("both");
    s.world.admit();
    await settle();
    s.socket.open();
    s.socket.text({ type: "session_started", sessionId: "s-1" });
    s.socket.text(ready);
    expect(s.status()).toBe("connecting");
    expect(s.call.getSnapshot().awaiting).toBe("microphone");
    s.world.allowMicrophone();
    await settle();
    expect(s.status()).toBe("listening");
    expect(s.call.getSnapshot()).toMatchObject({ awaiting: "nothing", session: { id: "s-1", simulated: true } });
    expect(s.world.speaker!.rate).toBe(24_000);
  });

  it("sends what is said before the server is ready, after start_session", async () => {
    const s = setUp();
    s.call.start();
    s.world.allowMicrophone();
    await settle();
    frame(s);
    frame(s);
    s.world.admit();
    await settle();
    s.socket.open();
    frame(s);
    expect(s.socket.types).toEqual(["start_session", "binary", "binary", "binary"]);
    expect(s.socket.messages[0]).toEqual({
      type: "start_session",
      config: { transcription: { input: true, output: true }, resumable: true },
    });
  });

  it("needs no microphone for a conversation in writing", async () => {
    const s = setUp();
    s.call.start({ microphone: false });
    s.world.admit();
    await settle();
    s.socket.open();
    s.socket.text({ type: "session_started", sessionId: "s-1" });
    s.socket.text(ready);
    expect(s.call.getSnapshot()).toMatchObject({ status: "listening", textOnly: true });
    expect(s.call.sendText(" hello ")).toBe(true);
    expect(s.socket.messages.at(-1)).toEqual({ type: "text", text: "hello" });
    expect(s.status()).toBe("thinking");
    s.socket.text({ type: "text_response", text: "Hi." });
    s.socket.text(turnComplete());
    expect(s.status()).toBe("listening");
    expect(s.call.getSnapshot().captions.map((c) => c.text)).toEqual(["hello", "Hi."]);
  });

  it("is one conversation at a time, and can be done again", async () => {
    const s = await listening();
    const { session } = s.call.getSnapshot();
    s.call.start();
    expect(s.call.getSnapshot().session).toBe(session);
    s.call.hangUp();
    s.socket.text(ended);
    s.socket.drop(1000);
    expect(s.status()).toBe("ended");
    s.call.start();
    expect(s.call.getSnapshot()).toMatchObject({ status: "connecting", captions: [], session: undefined });
  });
});

describe("failing", () => {
  it("tells a refused microphone, and leaves nothing open", async () => {
    const s = setUp();
    s.call.start();
    s.world.admit();
    await settle();
    s.socket.open();
    s.world.refuseMicrophone(new ProblemError(problemOf("microphone_refused")));
    await settle();
    expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "microphone_refused", canType: true } });
    expect(s.socket.closedWith).toBe(1000);
    expect(s.world.audioClosed).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("tells a full server, and lets go of a microphone that was allowed later", async () => {
    const s = setUp();
    s.call.start();
    s.world.refuse(new ProblemError(problemOf("at_capacity")));
    await settle();
    expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "at_capacity" } });
    s.world.allowMicrophone();
    await settle();
    expect(s.world.microphoneClosed).toBe(1);
    expect(s.status()).toBe("failed");
  });

  it("believes the server's error rather than the close code", async () => {
    const s = await listening();
    s.socket.text({ type: "error", error: "Quota.", code: "upstream_quota", retryable: true });
    s.socket.text({ ...ended, reason: "upstream_quota" });
    s.socket.drop(4002);
    expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "upstream_quota" } });
    expect(s.world.microphoneClosed).toBe(1);
  });

  it("tells by the close code when nothing else was said", async () => {
    for (const [close, code] of [[1006, "connection_lost"], [1012, "server_draining"], [4509, "idle_timeout"], [1013, "at_capacity"]] as const) {
      const s = await listening();
      s.socket.drop(close);
      expect(s.call.getSnapshot(), String(close)).toMatchObject({ status: "failed", problem: { code } });
    }
  });

  it("shows a limit as an end and not as a fault", async () => {
    const s = await listening();
    s.socket.text({ type: "session_expiring", timeLeftMs: 60_000 });
    expect(s.call.getSnapshot().notice).toEqual({ kind: "expiring", timeLeftMs: 60_000 });
    s.socket.text({ ...ended, reason: "max_duration" });
    s.socket.drop(4500);
    expect(s.call.getSnapshot()).toMatchObject({ problem: { code: "max_duration", tone: "limit" }, notice: undefined });
  });

  it("tells a browser that cannot play sound", () => {
    const s = setUp();
    const call = new Call({
      openAudio: () => {
        throw new ProblemError(problemOf("unsupported"));
      },
      createSession: () => expect.fail("asked for a session"),
      openSocket: () => s.socket,
      keep: s.keep,
      now: () => 0,
      wall: () => 0,
    });
    call.start();
    expect(call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "unsupported" } });
  });

  it("flushes half a sentence when the microphone is pulled out", async () => {
    const s = await listening();
    for (let i = 0; i < 10; i++) frame(s, 0.2);
    s.world.microphone!.lost();
    expect(s.socket.types.at(-1)).toBe("turn_complete");
    expect(s.status()).toBe("thinking");
  });

  it("goes on in writing when the microphone is pulled out", async () => {
    const s = await listening();
    s.world.microphone!.lost();
    s.world.refuseMicrophone(new ProblemError(problemOf("microphone_missing")));
    await settle();
    expect(s.call.getSnapshot()).toMatchObject({ status: "listening", textOnly: true, notice: { kind: "microphoneLost" } });
    expect(s.call.sendText("still here")).toBe(true);

    // And speaks on when one is plugged in.
    s.call.devicesAppeared();
    s.world.allowMicrophone();
    await settle();
    expect(s.call.getSnapshot()).toMatchObject({ textOnly: false, notice: undefined });
    const before = s.socket.types.length;
    frame(s);
    expect(s.socket.types.slice(before)).toEqual(["binary"]);
  });

  it("takes another microphone when one is pulled out", async () => {
    const s = await listening();
    const before = s.world.microphone!;
    before.lost();
    expect(s.world.microphoneClosed).toBe(1);
    s.world.allowMicrophone();
    await settle();
    expect(s.call.getSnapshot()).toMatchObject({ status: "listening", textOnly: false, notice: undefined });
    // The old one has nothing more to say, not even that it is gone.
    before.lost();
    before.frame({ pcm: new ArrayBuffer(640), level: 0.5 });
    expect(s.socket.types).not.toContain("binary");
    frame(s);
    expect(s.socket.types.at(-1)).toBe("binary");
  });

  it("changes to the devices that the person chooses, muted as it was", async () => {
    const s = await listening();
    s.call.setMuted(true);
    s.call.devicesChosen();
    expect(s.world.speakerChanged).toBe(1);
    expect(s.world.microphoneClosed).toBe(0);
    s.world.allowMicrophone();
    await settle();
    expect(s.world.microphoneClosed).toBe(1);
    expect(s.world.muted.at(-1)).toBe(true);

    // One that cannot be had changes nothing.
    s.call.devicesChosen();
    s.world.refuseMicrophone(new ProblemError(problemOf("microphone_busy")));
    await settle();
    expect(s.world.microphoneClosed).toBe(1);
    expect(s.call.getSnapshot()).toMatchObject({ status: "listening", textOnly: false, notice: undefined });

    // One that comes when everything is over is closed at once.
    s.call.devicesChosen();
    s.call.hangUp();
    s.world.allowMicrophone();
    await settle();
    expect(s.world.microphoneClosed).toBe(3);
  });
});

describe("ending", () => {
  it("closes the microphone at once, plays nothing more and waits for the goodbye", async () => {
    const s = await speaking();
    s.call.hangUp();
    expect(s.status()).toBe("ending");
    expect(s.world.microphoneClosed).toBe(1);
    expect(s.socket.messages.at(-1)).toEqual({ type: "end_session" });
    s.socket.binary(4800);
    expect(s.world.speaker!.queued).toBe(0);
    s.socket.text(ended);
    expect(s.status()).toBe("ending");
    s.socket.drop(1000);
    expect(s.call.getSnapshot()).toMatchObject({ status: "ended", problem: undefined });
    expect(s.call.getSnapshot().session?.endedAt).toBeDefined();
    expect(s.world.audioClosed).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
    expect(s.call.stats()?.sent).toBeGreaterThan(0);
  });

  it("ten times over leaves nothing open, however the conversation ended", async () => {
    const s = setUp();
    const cycle = async (end: () => void): Promise<void> => {
      s.call.start();
      s.world.admit();
      s.world.allowMicrophone();
      await settle();
      const { socket } = s;
      socket.open();
      socket.text({ type: "session_started", sessionId: "s-1" });
      socket.text(ready);
      for (let i = 0; i < 10; i++) frame(s, 0.2);
      socket.binary(4800);
      end();
      await vi.advanceTimersByTimeAsync(5000);
      expect(s.call.getSnapshot().status).toMatch(/ended|failed/);
      expect([socket.onopen, socket.onmessage, socket.onclose]).toEqual([null, null, null]);
      expect(vi.getTimerCount()).toBe(0);
    };
    for (let i = 0; i < 5; i++) {
      await cycle(() => s.socket.drop(1006));
      await cycle(() => s.call.hangUp());
    }
    expect(s.world.audioClosed).toBe(10);
    expect(s.world.microphoneClosed).toBe(10);
  });

  it("is clean when the server closes as if all were said", async () => {
    const s = await listening();
    s.socket.drop(1000);
    expect(s.call.getSnapshot()).toMatchObject({ status: "ended", problem: undefined });
  });

  it("does not wait for ever", async () => {
    const s = await listening();
    s.call.hangUp();
    await vi.advanceTimersByTimeAsync(2500);
    expect(s.status()).toBe("ended");
  });

  it("is no fault when the line breaks on the way out", async () => {
    const s = await listening();
    s.call.hangUp();
    s.socket.drop(1006);
    expect(s.call.getSnapshot()).toMatchObject({ status: "ended", problem: undefined });
  });

  it("is at once while nobody has answered yet", async () => {
    const s = setUp();
    s.call.start();
    s.call.hangUp();
    expect(s.status()).toBe("ended");
    s.world.admit();
    s.world.allowMicrophone();
    await settle();
    expect(s.world.microphoneClosed).toBe(1);
    expect(s.socket.sent).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is the server's, when the conversation is done", async () => {
    const s = await listening();
    s.socket.text(ended);
    s.socket.drop(1000);
    expect(s.call.getSnapshot()).toMatchObject({ status: "ended", problem: undefined });
  });
});

describe("the world around", () => {
  it("tells that the system has taken sound or microphone, until it gives them back, and asks for sound when the person is back", async () => {
    const s = await listening();
    s.world.audio!.suspended("taken");
    expect(s.call.getSnapshot().notice).toEqual({ kind: "soundTaken" });
    s.world.microphone!.held(true);
    expect(s.call.getSnapshot().notice).toEqual({ kind: "microphoneHeld" });
    s.call.visibilityChanged(false);
    expect(s.world.resumed).toBe(0);
    s.call.visibilityChanged(true);
    expect(s.world.resumed).toBe(1);
    s.world.microphone!.held(false);
    expect(s.call.getSnapshot().notice).toEqual({ kind: "soundTaken" });
    s.world.audio!.suspended("no");
    expect(s.call.getSnapshot().notice).toBeUndefined();
    s.call.devicesAppeared();
    expect(s.world.devicesChanged).toBe(1);
  });

  it("tells when the browser holds the sound back, and lets the person turn it on", async () => {
    const s = await listening();
    s.world.audio!.suspended("held");
    expect(s.call.getSnapshot().notice).toEqual({ kind: "soundHeld" });
    s.call.resumeSound();
    expect(s.world.resumed).toBe(1);
    s.world.audio!.suspended("no");
    expect(s.call.getSnapshot().notice).toBeUndefined();
  });

  it("goes on telling what still holds when something passing is over", async () => {
    const s = await listening();
    s.world.audio!.suspended("held");
    s.socket.text({ type: "tool_activity", id: "t", name: "search", state: "running" });
    s.socket.text({ type: "reconnecting", reason: "go_away", attempt: 1 });
    s.socket.text({ type: "reconnected", gapMs: 700 });
    s.socket.text({ type: "tool_activity", id: "t", name: "search", state: "done" });
    expect(s.call.getSnapshot().notice).toEqual({ kind: "soundHeld" });
    s.world.audio!.suspended("no");
    expect(s.call.getSnapshot().notice).toBeUndefined();
  });

  it("looks at once whether the line is alive when the device says that it is offline", async () => {
    const s = await listening();
    await vi.advanceTimersByTimeAsync(10);
    s.socket.alive = false;
    s.call.networkChanged(false);
    expect(s.call.getSnapshot().notice).toEqual({ kind: "offline" });
    await vi.advanceTimersByTimeAsync(4000);
    expect(s.call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "connection_lost" } });
  });

  it("tells subscribers of every change, and hands out the same snapshot between changes", async () => {
    const s = setUp();
    const seen: string[] = [];
    const stop = s.call.subscribe(() => seen.push(s.status()));
    expect(s.call.getSnapshot()).toBe(s.call.getSnapshot());
    s.call.start();
    expect(seen).toContain("connecting");
    stop();
    const { length } = seen;
    s.call.hangUp();
    expect(seen.length).toBe(length);
  });

  it("never tells subscribers of levels or frames", async () => {
    const s = await listening();
    let changes = 0;
    s.call.subscribe(() => changes++);
    for (let i = 0; i < 100; i++) frame(s);
    for (let i = 0; i < 100; i++) s.world.speaker!.report(0.1);
    expect(changes).toBe(0);
  });
});
