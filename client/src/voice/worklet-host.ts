// Runs the worklets' own modules as a browser's audio thread would, for tests: block by block, at a rate of one's choice.
import { vi } from "vitest";
import type { PlaybackCommand } from "./audio-format";
import type { MicrophoneFrame } from "./framer";
import type { PlaybackReport } from "./player";

/** What Web Audio renders at once. */
export const quantum = 128;

interface Port {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown, transfer?: ArrayBuffer[]): void;
}

interface Processor {
  readonly port: Port;
  process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean;
}

/** Loads a worklet anew in a scope of this rate; `sent` is called with what its processor posts. */
async function load(name: "capture" | "playback", rateHz: number, sent: (message: unknown) => void): Promise<Processor> {
  let made: (new (options: object) => Processor) | undefined;
  vi.stubGlobal("sampleRate", rateHz);
  vi.stubGlobal(
    "AudioWorkletProcessor",
    class {
      // What is posted is copied or handed over: a processor that writes to it afterwards must not be seen to.
      readonly port: Port = { onmessage: null, postMessage: (message, transfer = []) => sent(structuredClone(message, { transfer })) };
    },
  );
  vi.stubGlobal("registerProcessor", (_name: string, processor: new (options: object) => Processor) => void (made = processor));
  vi.resetModules();
  // By a path that TypeScript does not follow: the worklets are type-checked in a scope of their own.
  await import(`./${name}.worklet.ts`);
  if (!made) throw new Error(`${name}.worklet.ts registered no processor.`);
  const processor = new made({});
  vi.unstubAllGlobals();
  // The scope's rate is read while a processor runs, too.
  (globalThis as { sampleRate?: number }).sampleRate = rateHz;
  return processor;
}

/** Gives a microphone's samples to the capture worklet; returns the frames that it sends. */
export async function capture(rateHz: number, samples: Float32Array): Promise<MicrophoneFrame[]> {
  const frames: MicrophoneFrame[] = [];
  const processor = await load("capture", rateHz, (message) => void frames.push(message as MicrophoneFrame));
  const block = new Float32Array(quantum);
  for (let at = 0; at + quantum <= samples.length; at += quantum) {
    // The browser uses the same memory for each block.
    block.set(samples.subarray(at, at + quantum));
    processor.process([[block]], [[new Float32Array(quantum)]]);
  }
  return frames;
}

/** The playback worklet at a device of this rate. */
export class Playback {
  readonly reports: PlaybackReport[] = [];
  private processor!: Processor;

  private constructor(readonly deviceHz: number) {}

  static async at(deviceHz: number): Promise<Playback> {
    const playback = new Playback(deviceHz);
    playback.processor = await load("playback", deviceHz, (message) => void playback.reports.push(message as PlaybackReport));
    return playback;
  }

  tell(command: PlaybackCommand): void {
    const transfer = command.type === "audio" ? [command.pcm] : [];
    this.processor.port.onmessage?.({ data: structuredClone(command, { transfer }) });
  }

  push(samples: Int16Array): void {
    this.tell({ type: "audio", pcm: samples.slice().buffer });
  }

  /** Renders whole blocks until at least so many milliseconds have passed; returns what would be heard. */
  play(ms: number): Float32Array {
    const blocks = Math.ceil((ms * this.deviceHz) / 1000 / quantum);
    const heard = new Float32Array(blocks * quantum);
    for (let at = 0; at < heard.length; at += quantum) this.processor.process([], [[heard.subarray(at, at + quantum)]]);
    return heard;
  }

  /** What the worklet has told last. */
  get report(): PlaybackReport {
    const last = this.reports.at(-1);
    if (!last) throw new Error("The worklet has told nothing yet.");
    return last;
  }
}
