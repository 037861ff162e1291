import { captureProcessor } from "./audio-format";
import type { MicrophoneFrame } from "./framer";
import { ProblemError, problemOf } from "./problem";
import { workletUrls } from "./worklet-urls";

/** A microphone that delivers frames until it is closed. */
export interface Microphone {
  /** Muted, the device itself is silenced; frames go on (silent), and the caller does not send them. */
  setMuted(muted: boolean): void;
  close(): void;
}

/** A microphone that can go on in another context. */
export interface MovableMicrophone extends Microphone {
  moveTo(context: AudioContext): Promise<void>;
}

export interface MicrophoneEvents {
  frame(frame: MicrophoneFrame): void;
  /** The device went away (unplugged, taken by the system); no more frames come. */
  lost(): void;
  /** The system gives silence for a while (a telephone call, a switch on the headset), or sound again. */
  held(held: boolean): void;
}

/** Loads the worklet; may begin before the person has answered the browser's question. */
export function loadCapture(context: AudioContext): Promise<void> {
  return context.audioWorklet.addModule(workletUrls().capture);
}

/** What is asked of a microphone; a device that is gone is replaced by the system's own choice. */
export function microphoneConstraints(deviceId: string): MediaTrackConstraints {
  return {
    ...(deviceId ? { deviceId: { ideal: deviceId } } : {}),
    channelCount: 1,
    // The model's voice from the speaker must not come back as the person's.
    echoCancellation: true,
    noiseSuppression: true,
    // Gain control turns a room up while the person listens, until the echo of the speaker interrupts the model.
    autoGainControl: false,
  };
}

/** Asks for the microphone. Rejects with ProblemError; when `signal` is aborted, with its reason, and leaves no device open. */
export async function openMicrophone(
  context: AudioContext,
  deviceId: string,
  events: MicrophoneEvents,
  signal: AbortSignal,
): Promise<MovableMicrophone> {
  if (!navigator.mediaDevices?.getUserMedia) throw new ProblemError(problemOf("unsupported"));

  const loaded = loadCapture(context);
  // Whoever answers first, the other's failure has a listener.
  loaded.catch(() => undefined);
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: microphoneConstraints(deviceId) });
  } catch (cause) {
    throw new ProblemError(problemOf(codeOf(cause)), { cause });
  }
  try {
    // A context that was closed meanwhile may never load anything: the device must not wait for it.
    await unlessAborted(loaded, signal);
    return connect(context, stream, events);
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop());
    signal.throwIfAborted();
    throw new ProblemError(problemOf("audio_failed"), { cause: error });
  }
}

function connect(context: AudioContext, stream: MediaStream, events: MicrophoneEvents): MovableMicrophone {
  let closed = false;
  let wanted = context;
  let disconnect = attach(context, stream, events);
  const tracks = stream.getAudioTracks();
  for (const track of tracks) {
    track.onended = () => events.lost();
    track.onmute = () => events.held(true);
    track.onunmute = () => events.held(false);
  }
  return {
    setMuted(muted) {
      for (const track of tracks) track.enabled = !muted;
    },
    async moveTo(next) {
      wanted = next;
      await loadCapture(next);
      if (closed || wanted !== next) return;
      disconnect();
      disconnect = attach(next, stream, events);
    },
    close() {
      closed = true;
      disconnect();
      for (const track of tracks) {
        track.onended = track.onmute = track.onunmute = null;
        track.stop();
      }
    },
  };
}

/** Leads a stream to the worklet; returns what undoes it. */
function attach(context: AudioContext, stream: MediaStream, events: MicrophoneEvents): () => void {
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, captureProcessor, { channelCount: 1, channelCountMode: "explicit" });
  node.port.onmessage = (event: MessageEvent<MicrophoneFrame>) => events.frame(event.data);
  source.connect(node);
  // Its output is silence; some browsers only run nodes that lead to the speaker.
  node.connect(context.destination);
  return () => {
    node.port.onmessage = null;
    source.disconnect();
    node.disconnect();
  };
}

/** Waits for `work`; rejects with the signal's reason as soon as that is aborted. */
function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

function codeOf(error: unknown): string {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "microphone_refused";
    case "NotFoundError":
    case "OverconstrainedError":
      return "microphone_missing";
    default:
      return "microphone_busy";
  }
}
