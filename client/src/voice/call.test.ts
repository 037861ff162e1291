import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Admission } from "./api";
import type { AudioEvents } from "./audio";
import { Call } from "./call";
import type { Microphone, MicrophoneEvents } from "./capture";
import { FakeSocket } from "./fake-socket";
import type { PlaybackReport } from "./player";
import { ProblemError, problemOf } from "./problem";

/** A speaker that plays when the test says so, and reports like the worklet. */
class FakeSpeaker {
  epoch = 0;
  received = 0;
  queued = 0;
  played = 0;
  rate = 0;
  ended = false;
  closed = false;

  constructor(private readonly events: AudioEvents) {}

  push(pcm: ArrayBuffer): void {
    this.received += pcm.byteLength / 2;
    this.queued += pcm.byteLength / 2;
    this.ended = false;
  }
  end(): void {
    this.ended = true;
  }
  clear(): void {
    this.epoch++;
    this.received = 0;
    this.queued = 0;
  }
  setRate(hz: number): void {
    this.rate = hz;
  }
  close(): void {
    this.closed = true;
  }

  /** Plays so many samples and reports. */
  play(samples: number): void {
    const n = Math.min(samples, this.queued);
    this.queued -= n;
    this.played += n;
    this.report(n > 0 ? 0.2 : 0);
  }
  playAll(): void {
    this.play(this.queued);
  }
  report(level: number, epoch = this.epoch): void {
    const { received, queued, played } = this;
    this.events.report({ epoch, received, queued, played, underruns: 0, refused: 0, level } satisfies PlaybackReport);
  }
}

function setUp() {
  const socket = new FakeSocket();
  const world = {
    socket,
    speaker: undefined as FakeSpeaker | undefined,
    audio: undefined as AudioEvents | undefined,
    microphone: undefined as MicrophoneEvents | undefined,
    muted: [] as boolean[],
    microphoneClosed: 0,
    audioClosed: 0,
    resumed: 0,
    allowMicrophone: (): void => expect.fail("nobody asked for the microphone"),
    refuseMicrophone: (error: unknown): void => expect.fail(String(error)),
    admit: (): void => expect.fail("nobody asked for a session"),
    refuse: (error: unknown): void => expect.fail(String(error)),
  };
  const call = new Call({
    openAudio: (events) => {
      world.audio = events;
      const speaker = new FakeSpeaker(events);
      world.speaker = speaker;
      return {
        speaker,
        openMicrophone: (microphoneEvents) =>
          new Promise<Microphone>((resolve, reject) => {
            world.refuseMicrophone = reject;
            world.allowMicrophone = () => {
              world.microphone = microphoneEvents;
              resolve({ setMuted: (m) => void world.muted.push(m), close: () => void world.microphoneClosed++ });
            };
          }),
        resume: () => void world.resumed++,
        close: () => void world.audioClosed++,
      };
    },
    createSession: () =>
      new Promise<Admission>((resolve, reject) => {
        world.admit = () => resolve({ url: "wss://x/api/gemini-live-stream", protocols: ["stonepot.v1"] });
        world.refuse = reject;
      }),
    openSocket: () => socket,
    now: () => performance.now(),
  });
  return { call, world, socket, status: () => call.getSnapshot().status };
}

type Set = ReturnType<typeof setUp>;

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

const ready = {
  type: "session_ready",
  sessionId: "s-1",
  model: "m",
  voice: "Kore",
  language: "en-US",
  assistant: "default",
  simulated: true,
  audio: { input: { sampleRate: 16_000 }, output: { sampleRate: 24_000 } },
  limits: { maxDurationMs: 0, idleTimeoutMs: 0 },
  startupMs: 5,
};
const ended = { type: "session_ended", sessionId: "s-1", reason: "ended", durationMs: 1, turns: 0 };
const turnComplete = (interrupted = false): object => ({
  type: "turn_complete",
  sessionId: "s-1",
  turn: { index: 1, responseMs: 400, audioMs: 100, interrupted },
});

/** A conversation in which both sides are ready. */
async function listening(): Promise<Set> {
  const s = setUp();
  s.call.start();
  s.world.admit();
  s.world.allowMicrophone();
  await settle();
  s.socket.open();
  s.socket.text({ type: "session_started", sessionId: "s-1" });
  s.socket.text(ready);
  expect(s.status()).toBe("listening");
  return s;
}

/** A conversation in which the model speaks and a second of it still waits. */
async function speaking(): Promise<Set> {
  const s = await listening();
  s.socket.text({ type: "input_transcript", text: "Hello?", final: true });
  s.socket.text({ type: "output_transcript", text: "Once upon a time", final: false });
  s.socket.binary(48_000);
  s.world.speaker!.play(2400);
  expect(s.status()).toBe("speaking");
  return s;
}

function frame(s: Set, level = 0.001): void {
  s.world.microphone!.frame({ pcm: new ArrayBuffer(640), level });
}

const binaries = (s: Set): number => s.socket.types.filter((t) => t === "binary").length;

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
      config: { transcription: { input: true, output: true } },
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
      now: () => 0,
    });
    call.start();
    expect(call.getSnapshot()).toMatchObject({ status: "failed", problem: { code: "unsupported" } });
  });

  it("goes on in writing when the microphone is pulled out", async () => {
    const s = await listening();
    s.world.microphone!.lost();
    expect(s.call.getSnapshot()).toMatchObject({ status: "listening", textOnly: true, notice: { kind: "microphoneLost" } });
    expect(s.call.sendText("still here")).toBe(true);
  });
});

describe("a turn", () => {
  it("goes from listening over thinking and speaking back to listening", async () => {
    const s = await listening();
    for (let i = 0; i < 50; i++) frame(s, 0.2);
    expect(s.status()).toBe("listening");
    for (let i = 0; i < 30; i++) frame(s);
    expect(s.status()).toBe("thinking");
    s.socket.text({ type: "output_transcript", text: "Hi.", final: true });
    s.socket.binary(4800);
    expect(s.status()).toBe("thinking");
    s.world.speaker!.play(480);
    expect(s.status()).toBe("speaking");
    s.socket.text({ type: "generation_complete" });
    expect(s.world.speaker!.ended).toBe(true);
    s.socket.text(turnComplete());
    expect(s.status()).toBe("speaking");
    s.world.speaker!.playAll();
    expect(s.status()).toBe("listening");
    expect(s.call.getSnapshot().session).toMatchObject({ turns: 1, responseMs: 400 });

    // And once more: the counts of the first answer are not taken for the second.
    s.socket.binary(4800);
    expect(s.status()).toBe("listening");
    s.world.speaker!.play(1);
    expect(s.status()).toBe("speaking");
    s.world.speaker!.playAll();
    expect(s.status()).toBe("speaking");
    s.socket.text({ type: "generation_complete" });
    expect(s.status()).toBe("listening");
  });

  it("stays in speaking through a gap in the middle of an answer", async () => {
    const s = await speaking();
    s.world.speaker!.playAll();
    s.world.speaker!.report(0);
    expect(s.status()).toBe("speaking");
  });

  it("stops showing that it thinks when no answer comes", async () => {
    const s = await listening();
    s.call.sendText("…");
    await vi.advanceTimersByTimeAsync(12_000);
    expect(s.status()).toBe("listening");
  });

  it("counts half a sample as a mistake of the server and plays on", async () => {
    const s = await speaking();
    s.socket.binary(961);
    expect(s.call.stats()).toMatchObject({ protocolErrors: 1 });
    expect(s.status()).toBe("speaking");
  });

  it("drops the lost half of an answer that is spoken anew", async () => {
    const s = await speaking();
    s.socket.text({ type: "turn_restarted", reason: "upstream_lost" });
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.status()).toBe("thinking");
    expect(s.call.getSnapshot().captions.map((c) => c.text)).toEqual(["Hello?"]);
  });

  it("follows a renewal of the upstream without ending anything", async () => {
    const s = await speaking();
    s.socket.text({ type: "reconnecting", reason: "go_away", attempt: 1 });
    expect(s.call.getSnapshot().notice).toEqual({ kind: "reconnecting" });
    s.socket.text({ type: "reconnected", gapMs: 700, replayedAudioMs: 0, lostAudioMs: 0 });
    expect(s.call.getSnapshot()).toMatchObject({ notice: undefined, status: "speaking" });
  });
});

describe("interrupting", () => {
  it("by the button is silent at once, and the rest of the answer is dropped until the server says so", async () => {
    const s = await speaking();
    s.call.interrupt();
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.call.levels.speech).toBe(0);
    expect(s.status()).toBe("interrupted");
    expect(s.socket.messages.at(-1)).toEqual({ type: "interrupt" });
    expect(s.call.getSnapshot().captions.at(-1)).toMatchObject({ who: "model", interrupted: true });

    s.socket.binary(4800);
    s.socket.text({ type: "output_transcript", text: " there was", final: false });
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.call.getSnapshot().captions.length).toBe(2);
    expect(s.call.stats()?.discardedMessages).toBe(1);

    s.socket.text({ type: "interrupted" });
    s.socket.text(turnComplete(true));
    s.socket.binary(4800);
    expect(s.world.speaker!.queued).toBe(2400);
    s.world.speaker!.play(10);
    expect(s.status()).toBe("speaking");
  });

  it("by voice empties the queue when the server says so", async () => {
    const s = await speaking();
    s.socket.text({ type: "interrupted" });
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.status()).toBe("interrupted");
    await vi.advanceTimersByTimeAsync(900);
    expect(s.status()).toBe("listening");
  });

  it("does not mark an answer that was heard to its end", async () => {
    const s = await speaking();
    s.socket.text({ type: "generation_complete" });
    s.world.speaker!.playAll();
    expect(s.status()).toBe("listening");
    s.socket.text({ type: "interrupted" });
    expect(s.status()).toBe("listening");
    expect(s.call.getSnapshot().captions.at(-1)).toMatchObject({ who: "model", closed: true, interrupted: false });
  });

  it("ignores reports from before the silence", async () => {
    const s = await speaking();
    s.call.interrupt();
    s.world.speaker!.received = 24_000;
    s.world.speaker!.report(0.5, 0);
    expect(s.status()).toBe("interrupted");
  });

  it("by typing goes first", async () => {
    const s = await speaking();
    s.call.sendText("Something else");
    expect(s.socket.types.slice(-2)).toEqual(["interrupt", "text"]);
    expect(s.status()).toBe("thinking");
    s.socket.text({ type: "interrupted" });
    // The server's answer to it is no news: the answer to the typed words is what is awaited.
    expect(s.status()).toBe("thinking");
  });

  it("means nothing while there is nothing to interrupt", async () => {
    const s = await listening();
    s.call.interrupt();
    expect(s.socket.types).not.toContain("interrupt");
  });
});

describe("muting", () => {
  it("stops the frames and flushes what was said", async () => {
    const s = await listening();
    for (let i = 0; i < 10; i++) frame(s, 0.2);
    s.call.setMuted(true);
    expect(s.world.muted).toEqual([false, true]);
    expect(s.socket.types.at(-1)).toBe("turn_complete");
    expect(s.status()).toBe("thinking");
    const before = binaries(s);
    frame(s, 0.2);
    expect(binaries(s)).toBe(before);
    expect(s.call.levels.microphone).toBe(0);
    s.call.setMuted(false);
    frame(s, 0.2);
    expect(binaries(s)).toBe(before + 1);
    expect(s.socket.types.filter((t) => t === "turn_complete").length).toBe(1);
  });

  it("holds from before the microphone is there", async () => {
    const s = setUp();
    s.call.start();
    s.call.setMuted(true);
    s.world.allowMicrophone();
    await settle();
    expect(s.world.muted).toEqual([true]);
  });

  it("is over with the conversation", async () => {
    const s = await listening();
    s.call.setMuted(true);
    s.socket.drop(1006);
    expect(s.call.getSnapshot().muted).toBe(false);
  });

  it("is not needed to hurry an answer", async () => {
    const s = await listening();
    for (let i = 0; i < 10; i++) frame(s, 0.2);
    s.call.answerNow();
    expect(s.socket.types.at(-1)).toBe("turn_complete");
    expect(s.status()).toBe("thinking");
    frame(s);
    expect(s.socket.types.at(-1)).toBe("binary");
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
  it("tells when the browser holds the sound back, and lets the person turn it on", async () => {
    const s = await listening();
    s.world.audio!.suspended(true);
    expect(s.call.getSnapshot().notice).toEqual({ kind: "soundHeld" });
    s.call.resumeSound();
    expect(s.world.resumed).toBe(1);
    s.world.audio!.suspended(false);
    expect(s.call.getSnapshot().notice).toBeUndefined();
  });

  it("looks at once whether the line is alive when the device says that it is offline", async () => {
    const s = await listening();
    await vi.advanceTimersByTimeAsync(10);
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
