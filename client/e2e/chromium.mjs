// A headless Chromium whose microphone plays a recording.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { findChromium } from "./find.mjs";

/** @param {string} name */
const fixture = (name) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

export const recording = fixture("two-utterances.wav");

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A microphone at which this is heard, again and again. @param {string} file */
const hears = (file) => [
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${file}`,
];

/**
 * @param {object} [options]
 * @param {"speaks" | "silent" | "refused" | "missing"} [options.microphone]
 * @param {string[]} [options.args]
 */
export function launchChromium({ microphone = "speaks", args = [] } = {}) {
  const device = {
    speaks: hears(recording),
    // For stories in writing: what was said before the microphone was muted would be answered first.
    silent: hears(fixture("silence.wav")),
    // Without the pretended person at the prompt, headless Chromium says no.
    refused: ["--use-fake-device-for-media-stream"],
    missing: ["--use-fake-ui-for-media-stream"],
  }[microphone];
  return chromium.launch({ executablePath: findChromium(), args: [...quiet, ...device, ...args] });
}

/**
 * Opens the page, runs the story, and asserts that nothing was fetched from elsewhere and nothing was blocked.
 * @param {(page: import("playwright-core").Page) => Promise<void>} story
 * @param {{ from: import("playwright-core").Browser, url: string, expectErrors?: boolean } & import("playwright-core").BrowserContextOptions} options
 */
export async function onPage(story, { from, url, expectErrors = false, ...contextOptions }) {
  const context = await from.newContext(contextOptions);
  try {
    const page = await context.newPage();
    /** @type {string[]} */
    const complaints = [];
    page.on("console", (m) => {
      if (m.type() === "error" || m.type() === "warning") complaints.push(m.text());
    });
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
    /** @type {string[]} */
    const elsewhere = [];
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== "data:" && protocol !== "blob:" && origin !== new URL(url).origin) elsewhere.push(request.url());
    });
    await page.goto(url);
    await story(page);
    assert.deepEqual(elsewhere, [], "requests to other origins");
    if (!expectErrors) assert.deepEqual(complaints, [], "the browser's console");
  } finally {
    await context.close();
  }
}
