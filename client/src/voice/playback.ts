import { playbackProcessor, type PlaybackCommand } from "./audio-format";
import type { HandedOver, PlaybackReport } from "./player";
import { workletUrls } from "./worklet-urls";

/** The model's voice. Commands given before the worklet is loaded wait for it. */
export interface Speaker {
  /** Queues 16-bit samples; takes the buffer. */
  push(pcm: ArrayBuffer): void;
  /** The speech so far is whole: running dry is its end. */
  end(): void;
  /** Silence, now; the next reports carry the next epoch. */
  clear(): void;
  setRate(streamHz: number): void;
  close(): void;
}

/** A speaker whose speech another one can go on with. */
export interface MovableSpeaker extends Speaker {
  /** Falls silent and gives away what was not heard yet; undefined: the audio thread does not answer. */
  handOver(): Promise<HandedOver | undefined>;
}

/** An audio thread that has not answered by then has stopped with its device. */
const handOverMs = 500;

/**
 * Opens the speaker of a context, and goes on with what another one hands over; `failed` is called when the worklet cannot be
 * loaded.
 */
export function openSpeaker(
  context: AudioContext,
  report: (report: PlaybackReport) => void,
  failed: (error: unknown) => void,
  before?: Promise<HandedOver | undefined>,
): MovableSpeaker {
  let node: AudioWorkletNode | undefined;
  let closed = false;
  // Bounded by what a session can send before its first second is over; emptied by `clear`.
  let waiting: PlaybackCommand[] = [];

  const tell = (command: PlaybackCommand): void => {
    if (closed) return;
    if (!node) waiting.push(command);
    else if (command.type === "audio") node.port.postMessage(command, [command.pcm]);
    else node.port.postMessage(command);
  };

  Promise.all([before, context.audioWorklet.addModule(workletUrls().playback)])
    .then(([from]) => {
      if (closed) return;
      node = new AudioWorkletNode(context, playbackProcessor, { numberOfInputs: 0, outputChannelCount: [1] });
      node.port.onmessage = (event: MessageEvent<PlaybackReport>) => report(event.data);
      // A processor that throws is silent for good.
      node.onprocessorerror = () => {
        if (!closed) failed(new Error("The playback worklet has stopped."));
      };
      node.connect(context.destination);
      const commands = waiting;
      waiting = [];
      if (from) node.port.postMessage({ type: "adopt", from } satisfies PlaybackCommand, [from.pcm]);
      commands.forEach(tell);
    })
    .catch((error: unknown) => {
      if (!closed) failed(error);
    });

  return {
    push: (pcm) => tell({ type: "audio", pcm }),
    end: () => tell({ type: "end" }),
    clear() {
      waiting = waiting.filter((command) => command.type !== "audio");
      tell({ type: "clear" });
    },
    setRate: (streamHz) => tell({ type: "rate", streamHz }),
    handOver() {
      const port = node?.port;
      if (!port) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve(undefined), handOverMs);
        // Its reports are over, too.
        port.onmessage = ({ data }: MessageEvent<HandedOver | PlaybackReport>) => {
          if (!("pcm" in data)) return;
          clearTimeout(timer);
          resolve(data);
        };
        tell({ type: "handOver" });
      });
    },
    close() {
      closed = true;
      if (node) node.port.onmessage = null;
      node?.disconnect();
    },
  };
}
