import { openMicrophone, type Microphone, type MicrophoneEvents } from "./capture";
import { openSpeaker, type Speaker } from "./playback";
import type { PlaybackReport } from "./player";
import { ProblemError, problemOf } from "./problem";

/** Both ends of sound for one call; tests give their own. */
export interface Audio {
  readonly speaker: Speaker;
  openMicrophone(events: MicrophoneEvents, signal: AbortSignal): Promise<Microphone>;
  /** The person chose another speaker; a browser that has no choice of speakers plays on as before. */
  speakerChanged(): void;
  /** Asks the browser to let sound flow; useful only inside a person's gesture. */
  resume(): void;
  close(): void;
}

/** Ids of the devices that the person chose; empty: the system's own choice, as for one that is not there any more. */
export interface Devices {
  readonly microphone: string;
  readonly speaker: string;
}

export interface AudioEvents {
  report(report: PlaybackReport): void;
  failed(error: unknown): void;
  /** The browser holds sound back (autoplay rules, a telephone call), or lets it flow again. */
  suspended(suspended: boolean): void;
}

/** How long sound may take to begin to flow before the person is told that it is held back. */
const patienceMs = 1500;

/** How long a context outlives its call, so that the last fade is heard. */
const fadeOutMs = 100;

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
  // At the device's own rate: Firefox does not connect a microphone to a context of another rate. One context for
  // both directions gives both one clock.
  const context = new AudioContext({ latencyHint: "interactive" });
  const resume = (): void => {
    // A refusal shows as the state `suspended`, which is watched below.
    context.resume().catch(() => undefined);
  };
  const watch = (): void => {
    if (context.state !== "closed") events.suspended(context.state !== "running");
  };
  context.onstatechange = watch;
  resume();
  // A context that never starts changes no state.
  const timer = setTimeout(watch, patienceMs);
  const speaker = openSpeaker(context, events.report, events.failed);
  let sink = "";
  const speakerChanged = (): void => {
    const wanted = devices().speaker;
    if (wanted === sink) return;
    sink = wanted;
    void playThrough(context, wanted);
  };
  speakerChanged();
  return {
    speaker,
    openMicrophone: (microphoneEvents, signal) => openMicrophone(context, devices().microphone, microphoneEvents, signal),
    speakerChanged,
    resume,
    close() {
      context.onstatechange = null;
      clearTimeout(timer);
      speaker.clear();
      setTimeout(() => {
        speaker.close();
        // A context that is closed twice rejects; there is nobody left to tell.
        context.close().catch(() => undefined);
      }, fadeOutMs);
    },
  };
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
