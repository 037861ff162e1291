// What the package @stonepot/voice offers. The page imports the modules themselves, so that it carries only what it uses.

// A conversation.
export { createCall } from "./browser";
export { serverAt, type Server } from "./server";
export { Call, type CallOptions } from "./call";
export type { Devices } from "./audio";
export type { CallSnapshot, CallStats, Levels, Notice, Offer, SessionFacts } from "./snapshot";
export { isLive, type Status } from "./state";
export type { Caption } from "./captions";
export { ProblemError, problemOf, type Problem } from "./problem";
export { setWorkletUrls, workletUrls, type WorkletUrls } from "./worklet-urls";

// The server.
export { createSession, readConfig, type Admission, type ModelOffer, type ServerConfig } from "./api";

// The protocol, docs/protocol.md.
export {
  parseServerMessage,
  ProtocolError,
  subprotocol,
  type ClientMessage,
  type ServerMessage,
  type SessionConfig,
  type ToolCall,
  type TurnFacts,
  type Usage,
  type VadConfig,
} from "./protocol";

// What was said, and how it went.
export { transcriptFile, transcriptJson, transcriptSrt, transcriptText, type TranscriptFile, type TranscriptFormat } from "./transcript";
export { qualityOf, type LineFacts, type Quality } from "./quality";
export { exported as exportEntries, Tap, type BufferSample, type Direction, type Entry, type FrameSample } from "./tap";

// Sound.
export { canChooseSpeaker, playThrough } from "./audio";
export { microphoneConstraints } from "./capture";
export { defaultSpeechHz, microphoneHz, samplesPerFrame } from "./audio-format";
export { Framer, type MicrophoneFrame } from "./framer";
export { Player, type PlaybackReport } from "./player";
export { Resampler } from "./resampler";
