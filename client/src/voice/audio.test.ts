import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openAudio, type Suspended } from "./audio";
import type { PlaybackCommand } from "./audio-format";

class FakePort {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly commands: PlaybackCommand[] = [];
  postMessage(command: PlaybackCommand): void {
    this.commands.push(command);
  }
}

class FakeNode {
  readonly port = new FakePort();
  connected = 0;
  onprocessorerror = null;
  constructor(
    readonly context: FakeContext,
    readonly processor: string,
  ) {
    context.nodes.push(this);
  }
  connect(): void {
    this.connected++;
  }
  disconnect(): void {
    this.connected = 0;
  }
}

class FakeContext {
  static rate = 48_000;
  /** Firefox: a microphone of another rate is refused. */
  static strict = false;
  static all: FakeContext[] = [];
  readonly sampleRate = FakeContext.rate;
  readonly nodes: FakeNode[] = [];
  readonly audioWorklet = { addModule: () => Promise.resolve() };
  readonly destination = {};
  state = "running";
  resumed = 0;
  onstatechange: (() => void) | null = null;
  constructor() {
    FakeContext.all.push(this);
  }
  resume(): Promise<void> {
    this.resumed++;
    return Promise.resolve();
  }
  close(): Promise<void> {
    this.state = "closed";
    return Promise.resolve();
  }
  createMediaStreamSource(): object {
    if (FakeContext.strict && this.sampleRate !== FakeContext.rate) throw new DOMException("", "NotSupportedError");
    return { connect: () => undefined, disconnect: () => undefined };
  }
  became(state: string): void {
    this.state = state;
    this.onstatechange?.();
  }
}

const track = { enabled: true, stopped: 0, stop: () => void track.stopped++, onmute: null as (() => void) | null, onunmute: null as (() => void) | null };
const session = { type: "auto" };

beforeEach(() => {
  vi.useFakeTimers();
  FakeContext.rate = 48_000;
  FakeContext.strict = false;
  FakeContext.all = [];
  track.stopped = 0;
  session.type = "auto";
  vi.stubGlobal("window", { isSecureContext: true });
  vi.stubGlobal("AudioContext", FakeContext);
  vi.stubGlobal("AudioWorkletNode", FakeNode);
  vi.stubGlobal("navigator", {
    audioSession: session,
    mediaDevices: { getUserMedia: () => Promise.resolve({ getTracks: () => [track], getAudioTracks: () => [track] }) },
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const openContexts = (): FakeContext[] => FakeContext.all.filter((x) => x.state !== "closed");
const report = { epoch: 0, received: 4, queued: 2, played: 2, underruns: 0, refused: 0, level: 0.1 };

async function setUp() {
  const told: Suspended[] = [];
  const failed: unknown[] = [];
  const frames: unknown[] = [];
  const held: boolean[] = [];
  const reports: unknown[] = [];
  const audio = openAudio(
    { report: (x) => void reports.push(x), failed: (x) => void failed.push(x), suspended: (x) => void told.push(x) },
    () => ({ microphone: "", speaker: "" }),
  );
  await settle();
  const open = () =>
    audio.openMicrophone({ frame: (x) => void frames.push(x), lost: () => undefined, held: (x) => void held.push(x) }, new AbortController().signal);
  return { audio, told, failed, frames, held, reports, open };
}

const node = (context: FakeContext, processor: string): FakeNode => context.nodes.findLast((x) => x.processor.includes(processor))!;

describe("sound", () => {
  it("is one context, heard in spite of the silent switch, and gives all back at its end", async () => {
    const s = await setUp();
    expect(session.type).toBe("playback");
    const microphone = await s.open();
    expect(session.type).toBe("play-and-record");
    expect(openContexts()).toHaveLength(1);
    microphone.close();
    s.audio.close();
    await vi.advanceTimersByTimeAsync(200);
    expect(session.type).toBe("auto");
    expect(openContexts()).toHaveLength(0);
    expect(track.stopped).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("tells autoplay rules from a telephone call, and both from sound that flows", async () => {
    const s = await setUp();
    const context = FakeContext.all[0]!;
    for (const state of ["suspended", "running", "interrupted", "running"]) context.became(state);
    expect(s.told).toEqual(["held", "no", "taken", "no"]);
    await s.open();
    track.onmute!();
    track.onunmute!();
    expect(s.held).toEqual([true, false]);
    const { resumed } = context;
    s.audio.resume();
    expect(context.resumed).toBe(resumed + 1);
    s.audio.close();
  });

  it("goes on in another context when a headset changes the rate: speech that waits, the microphone, the rate of the voice", async () => {
    const s = await setUp();
    await s.open();
    s.audio.speaker.push(new Int16Array(4).buffer);
    const [first] = FakeContext.all as [FakeContext];
    // Devices that leave the rate as it is change nothing.
    s.audio.devicesChanged();
    await vi.advanceTimersByTimeAsync(500);
    expect(openContexts()).toEqual([first]);

    FakeContext.rate = 16_000;
    s.audio.devicesChanged();
    s.audio.devicesChanged();
    await vi.advanceTimersByTimeAsync(500);
    const voice = node(first, "playback");
    expect(voice.port.commands.at(-1)).toEqual({ type: "handOver" });
    // What comes meanwhile waits for what was there before.
    s.audio.speaker.push(new Int16Array(8).buffer);
    const from = { pcm: new Int16Array(2).buffer, streamHz: 24_000, report, complete: false };
    voice.port.onmessage!({ data: report });
    voice.port.onmessage!({ data: from });
    await settle();
    const [second] = openContexts() as [FakeContext];
    expect(openContexts()).toHaveLength(1);
    expect(second.sampleRate).toBe(16_000);
    expect(node(second, "playback").port.commands.map((x) => x.type)).toEqual(["adopt", "audio"]);
    expect(s.reports, "the old device has no more to say").toEqual([]);
    node(second, "playback").port.onmessage!({ data: report });
    expect(s.reports).toHaveLength(1);
    node(second, "capture").port.onmessage!({ data: "a frame" });
    expect(s.frames).toEqual(["a frame"]);
    expect(node(first, "capture").connected).toBe(0);
    expect(track.stopped, "the device itself goes on").toBe(0);
    expect(s.failed).toEqual([]);
    // The old one's state is nobody's business.
    first.became("suspended");
    expect(s.told).toEqual([]);
    s.audio.close();
  });

  it("goes on though the audio thread of the lost device is dead", async () => {
    const s = await setUp();
    FakeContext.rate = 44_100;
    s.audio.devicesChanged();
    await vi.advanceTimersByTimeAsync(500);
    s.audio.speaker.push(new Int16Array(8).buffer);
    await vi.advanceTimersByTimeAsync(600);
    const [second] = openContexts() as [FakeContext];
    expect(openContexts()).toHaveLength(1);
    expect(node(second, "playback").port.commands.map((x) => x.type)).toEqual(["audio"]);
    s.audio.close();
  });

  it("takes the microphone's rate where the browser does not bridge two", async () => {
    const s = await setUp();
    FakeContext.strict = true;
    FakeContext.rate = 44_100;
    const opened = s.open();
    await vi.advanceTimersByTimeAsync(1000);
    await opened;
    const [context] = openContexts() as [FakeContext];
    expect(openContexts()).toHaveLength(1);
    expect(context.sampleRate).toBe(44_100);
    node(context, "capture").port.onmessage!({ data: "a frame" });
    expect(s.frames).toEqual(["a frame"]);
    s.audio.close();
  });
});
