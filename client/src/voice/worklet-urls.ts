import { captureWorkletUrl, playbackWorkletUrl } from "./worklets.gen";

/** Addresses of the two scripts that run on the audio thread. */
export interface WorkletUrls {
  readonly capture: string;
  readonly playback: string;
}

let urls: WorkletUrls = { capture: captureWorkletUrl, playback: playbackWorkletUrl };

/** Says where the audio thread's scripts are, where a bundler has not taken them along. Call it before the first conversation. */
export function setWorkletUrls(elsewhere: WorkletUrls): void {
  urls = elsewhere;
}

/** Where the audio thread's scripts are. */
export function workletUrls(): WorkletUrls {
  return urls;
}
