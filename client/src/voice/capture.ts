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

export interface MicrophoneEvents {
  frame(frame: MicrophoneFrame): void;
  /** The device went away (unplugged, taken by the system); no more frames come. */
  lost(): void;
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
): Promise<Microphone> {
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

function connect(context: AudioContext, stream: MediaStream, events: MicrophoneEvents): Microphone {
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, captureProcessor, { channelCount: 1, channelCountMode: "explicit" });
  node.port.onmessage = (event: MessageEvent<MicrophoneFrame>) => events.frame(event.data);
  source.connect(node);
  // Its output is silence; some browsers only run nodes that lead to the speaker.
  node.connect(context.destination);
  const tracks = stream.getAudioTracks();
  for (const track of tracks) track.onended = () => events.lost();
  return {
    setMuted(muted) {
      for (const track of tracks) track.enabled = !muted;
    },
    close() {
      node.port.onmessage = null;
      source.disconnect();
      node.disconnect();
      for (const track of tracks) {
        track.onended = null;
        track.stop();
      }
    },
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
