// A call in a world that a test moves: the browser, the person and the server do what they are told.
import { expect, vi } from "vitest";
import type { Admission } from "./api";
import type { AudioEvents } from "./audio";
import { Call } from "./call";
import type { Microphone, MicrophoneEvents } from "./capture";
import { FakeSocket } from "./fake-socket";
import type { PlaybackReport } from "./player";
import type { Keep, Saved } from "./saved";

/** A speaker that plays when the test says so, and reports like the worklet. */
export class FakeSpeaker {
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

/** What a page finds of the conversation that it had before. */
export class FakeKeep implements Keep {
  saved: Saved | undefined;
  read(): Saved | undefined {
    return this.saved;
  }
  write(saved: Saved): void {
    this.saved = saved;
  }
  clear(): void {
    this.saved = undefined;
  }
}

export function setUp(keep = new FakeKeep()) {
  const world = {
    /** The socket of the conversation that was opened last. */
    socket: new FakeSocket(),
    sockets: 0,
    speaker: undefined as FakeSpeaker | undefined,
    audio: undefined as AudioEvents | undefined,
    microphone: undefined as MicrophoneEvents | undefined,
    muted: [] as boolean[],
    microphoneClosed: 0,
    audioClosed: 0,
    resumed: 0,
    speakerChanged: 0,
    devicesChanged: 0,
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
        speakerChanged: () => void world.speakerChanged++,
        devicesChanged: () => void world.devicesChanged++,
        resume: () => void world.resumed++,
        close: () => void world.audioClosed++,
      };
    },
    createSession: () =>
      new Promise<Admission>((resolve, reject) => {
        world.admit = () => resolve({ url: "wss://x/api/gemini-live-stream", protocols: ["stonepot.v1"] });
        world.refuse = reject;
      }),
    openSocket: ({ protocols }) => {
      // The first one is there before it is opened.
      if (world.sockets++ > 0 || protocols.length > 1) world.socket = new FakeSocket(protocols);
      world.socket.alive = true;
      return world.socket;
    },
    keep,
    now: () => performance.now(),
    wall: () => Date.now(),
  });
  return {
    call,
    world,
    keep,
    get socket() {
      return world.socket;
    },
    status: () => call.getSnapshot().status,
  };
}

export type Set = ReturnType<typeof setUp>;

export const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

export const ready = {
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
export const resumed = (received: number, more: object = {}): object => ({
  type: "session_resumed",
  sessionId: "s-1",
  received,
  lost: 0,
  resumeTicket: "t-2",
  upstream: "kept",
  ...more,
});
export const ended = { type: "session_ended", sessionId: "s-1", reason: "ended", durationMs: 1, turns: 0 };
export const turnComplete = (interrupted = false): object => ({
  type: "turn_complete",
  sessionId: "s-1",
  turn: { index: 1, responseMs: 400, audioMs: 100, interrupted },
});

/** A conversation in which both sides are ready; with a ticket it can be resumed. */
export async function listening(resumeTicket?: string, s = setUp()): Promise<Set> {
  s.call.start();
  s.world.admit();
  s.world.allowMicrophone();
  await settle();
  s.socket.open();
  s.socket.text({ type: "session_started", sessionId: "s-1", resumeTicket });
  s.socket.text(ready);
  expect(s.status()).toBe("listening");
  return s;
}

/** A conversation in which the model speaks and a second of it still waits. */
export async function speaking(resumeTicket?: string): Promise<Set> {
  const s = await listening(resumeTicket);
  s.socket.text({ type: "input_transcript", text: "Hello?", final: true });
  s.socket.text({ type: "output_transcript", text: "Once upon a time", final: false });
  s.socket.binary(48_000);
  s.world.speaker!.play(2400);
  expect(s.status()).toBe("speaking");
  return s;
}

export function frame(s: Set, level = 0.001): void {
  s.world.microphone!.frame({ pcm: new ArrayBuffer(640), level });
}

export const binaries = (s: Set): number => s.socket.types.filter((t) => t === "binary").length;
