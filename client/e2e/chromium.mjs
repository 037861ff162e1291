// A headless Chromium whose microphone plays a recording.
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { findChromium } from "./find.mjs";

export const recording = fileURLToPath(new URL("fixtures/two-utterances.wav", import.meta.url));

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * @param {object} [options]
 * @param {"speaks" | "refused" | "missing"} [options.microphone]
 * @param {string[]} [options.args]
 */
export function launchChromium({ microphone = "speaks", args = [] } = {}) {
  const device = {
    speaks: [
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      `--use-file-for-fake-audio-capture=${recording}`,
    ],
    // Without the pretended person at the prompt, headless Chromium says no.
    refused: ["--use-fake-device-for-media-stream"],
    missing: ["--use-fake-ui-for-media-stream"],
  }[microphone];
  return chromium.launch({ executablePath: findChromium(), args: [...quiet, ...device, ...args] });
}
