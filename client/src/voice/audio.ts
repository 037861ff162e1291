import { openMicrophone, type Microphone, type MicrophoneEvents, type MovableMicrophone } from "./capture";
import { openSpeaker, type MovableSpeaker, type Speaker } from "./playback";
import type { PlaybackReport } from "./player";
import { ProblemError, problemOf } from "./problem";

/** Both ends of sound for one call; tests give their own. */
export interface Audio {
  readonly speaker: Speaker;
  openMicrophone(events: MicrophoneEvents, signal: AbortSignal): Promise<Microphone>;
  /** The person chose another speaker; a browser that has no choice of speakers plays on as before. */
  speakerChanged(): void;
  /** The system has other devices, or others are its choice: they may run at another rate. */
  devicesChanged(): void;
  /** Asks the browser to let sound flow; useful only inside a person's gesture. */
  resume(): void;
  close(): void;
}

/** Ids of the devices that the person chose; empty: the system's own choice, as for one that is not there any more. */
export interface Devices {
  readonly microphone: string;
  readonly speaker: string;
}

export type Suspended = "no" | "held" | "taken";

export interface AudioEvents {
  report(report: PlaybackReport): void;
  failed(error: unknown): void;
  /** The browser holds sound back, the system has taken it away (a telephone call), or it flows again. */
  suspended(how: Suspended): void;
}

/** How long sound may take to begin to flow before the person is told that it is held back. */
const patienceMs = 1500;

/** How long a context outlives its call, so that the last fade is heard. */
const fadeOutMs = 100;

/** Devices come and go in groups: a headset is a microphone, a speaker, and another rate for both. */
const settleMs = 300;

/**
 * Opens sound. Must be called inside a person's gesture: browsers start an AudioContext there and nowhere else. Throws
 * ProblemError where the browser lacks what is needed. `devices` is asked whenever one is opened.
 */
export function openAudio(events: AudioEvents, devices: () => Devices): Audio {
  // Without a secure origin there is neither microphone nor worklet.
  if (!window.isSecureContext) throw new ProblemError(problemOf("insecure_origin"));
  if (typeof AudioContext === "undefined" || typeof AudioWorkletNode === "undefined") {
    throw new ProblemError(problemOf("unsupported"));
  }
  return new ContextAudio(events, devices);
}

/**
 * One AudioContext for both directions, at the device's own rate: one clock, and Firefox connects a microphone to no other. When
 * the device's rate changes (a headset that is worn begins to listen, too), another context takes the place of this one.
 */
class ContextAudio implements Audio {
  readonly speaker: Speaker;

  private context: AudioContext;
  private voice: MovableSpeaker;
  private readonly microphones = new Set<MovableMicrophone>();
  private sink = "";
  private watchTimer: Timer;
  private settleTimer: Timer;
  private closed = false;

  constructor(
    private readonly events: AudioEvents,
    private readonly devices: () => Devices,
  ) {
    playThroughSilentSwitch("playback");
    this.context = this.openContext();
    this.voice = openSpeaker(this.context, events.report, events.failed);
    this.speaker = {
      push: (pcm) => this.voice.push(pcm),
      end: () => this.voice.end(),
      clear: () => this.voice.clear(),
      setRate: (streamHz) => this.voice.setRate(streamHz),
      close: () => this.voice.close(),
    };
    this.speakerChanged();
  }

  async openMicrophone(events: MicrophoneEvents, signal: AbortSignal): Promise<Microphone> {
    playThroughSilentSwitch("play-and-record");
    const { context } = this;
    const device = this.devices().microphone;
    let opened: MovableMicrophone;
    try {
      opened = await openMicrophone(context, device, events, signal);
    } catch (error) {
      // The device runs at another rate than this context, which Firefox does not bridge.
      if (!otherRate(error) || this.closed) throw error;
      this.reopen();
      opened = await openMicrophone(this.context, device, events, signal);
    }
    // The context may have given way while the person was asked.
    if (this.context !== context) await opened.moveTo(this.context);
    this.microphones.add(opened);
    return {
      setMuted: (muted) => opened.setMuted(muted),
      close: () => {
        this.microphones.delete(opened);
        opened.close();
      },
    };
  }

  speakerChanged(): void {
    const wanted = this.devices().speaker;
    if (wanted === this.sink) return;
    this.sink = wanted;
    void playThrough(this.context, wanted);
  }

  devicesChanged(): void {
    clearTimeout(this.settleTimer);
    this.settleTimer = setTimeout(() => {
      if (this.closed || this.context.sampleRate === deviceRate()) return;
      this.reopen();
    }, settleMs);
  }

  resume(): void {
    // A refusal shows as the state `suspended`, which is watched.
    this.context.resume().catch(() => undefined);
  }

  close(): void {
    this.closed = true;
    this.context.onstatechange = null;
    clearTimeout(this.watchTimer);
    clearTimeout(this.settleTimer);
    this.voice.clear();
    const { context, voice } = this;
    setTimeout(() => {
      voice.close();
      closeContext(context);
    }, fadeOutMs);
    playThroughSilentSwitch("auto");
  }

  private openContext(): AudioContext {
    const context = new AudioContext({ latencyHint: "interactive" });
    const watch = (): void => this.watch(context);
    context.onstatechange = watch;
    context.resume().catch(() => undefined);
    // A context that never starts changes no state.
    clearTimeout(this.watchTimer);
    this.watchTimer = setTimeout(watch, patienceMs);
    return context;
  }

  private watch(context: AudioContext): void {
    // Safari: a telephone call, or another program. The type does not know that state everywhere.
    const state: string = context.state;
    if (context !== this.context || state === "closed") return;
    this.events.suspended(state === "running" ? "no" : state === "interrupted" ? "taken" : "held");
  }

  /** Another context at the device's rate of now: what was not heard yet goes on there, and so does the microphone. */
  private reopen(): void {
    const { context: old, voice } = this;
    old.onstatechange = null;
    const waiting = voice.handOver();
    this.context = this.openContext();
    this.voice = openSpeaker(this.context, this.events.report, this.events.failed, waiting);
    if (this.sink) void playThrough(this.context, this.sink);
    const moved = [...this.microphones].map((microphone) => microphone.moveTo(this.context));
    void Promise.allSettled([waiting, ...moved]).then((results) => {
      voice.close();
      closeContext(old);
      const broken = results.find((x) => x.status === "rejected");
      if (broken && !this.closed) this.events.failed(broken.reason);
    });
  }
}

type Timer = ReturnType<typeof setTimeout> | undefined;

/** A context that is closed twice rejects; there is nobody left to tell. */
function closeContext(context: AudioContext): void {
  context.close().catch(() => undefined);
}

/** The rate that a context would have now; only a new one tells. */
function deviceRate(): number {
  const probe = new AudioContext();
  const { sampleRate } = probe;
  closeContext(probe);
  return sampleRate;
}

function otherRate(error: unknown): boolean {
  const cause = error instanceof ProblemError ? error.cause : error;
  return cause instanceof DOMException && cause.name === "NotSupportedError";
}

/**
 * Safari's audio session: whoever talks is heard though the telephone's switch says "silent", and through the loudspeaker rather
 * than the earpiece. Other browsers have none.
 */
function playThroughSilentSwitch(type: "auto" | "playback" | "play-and-record"): void {
  const { audioSession } = navigator as { audioSession?: { type: string } };
  if (audioSession) audioSession.type = type;
}

/** Chromium lets a page choose the speaker of a context; whether this browser does. */
export function canChooseSpeaker(): boolean {
  return typeof AudioContext !== "undefined" && "setSinkId" in AudioContext.prototype;
}

/** Plays a context through a speaker; through the system's own where that one is gone. */
export async function playThrough(context: AudioContext, speaker: string): Promise<void> {
  if (!canChooseSpeaker()) return;
  const choosing = context as AudioContext & { setSinkId(id: string): Promise<void> };
  await choosing.setSinkId(speaker).catch(() => (speaker ? choosing.setSinkId("") : undefined)).catch(() => undefined);
}
