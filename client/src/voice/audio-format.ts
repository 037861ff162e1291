// The wire's audio, as docs/protocol.md ("Audio") has it.
import type { HandedOver } from "./player";

/** Rate of the microphone's frames, and what a millisecond of them weighs. */
export const microphoneHz = 16_000;
export const bytesPerMs = (microphoneHz * 2) / 1000;

/** 20 ms: one frame is one message up, and the server sends each on at once. */
export const samplesPerFrame = 320;
export const frameMs = (samplesPerFrame / microphoneHz) * 1000;

/** The model's usual rate, until `session_ready` names another. */
export const defaultSpeechHz = 24_000;

/** Names under which the worklets register. */
export const captureProcessor = "stonepot-capture";
export const playbackProcessor = "stonepot-playback";

/** What the page tells the playback worklet. */
export type PlaybackCommand =
  | { readonly type: "audio"; readonly pcm: ArrayBuffer }
  | { readonly type: "end" }
  | { readonly type: "clear" }
  | { readonly type: "rate"; readonly streamHz: number }
  /** Answered by what waits (`HandedOver`), which then plays elsewhere. */
  | { readonly type: "handOver" }
  | { readonly type: "adopt"; readonly from: HandedOver };
