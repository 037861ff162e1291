// What must be true in every browser. Each story begins on the page before a conversation and ends after it.
import assert from "node:assert/strict";
import { facts, press, until, write } from "./page.mjs";

/** Softer than this is no speech. */
const audible = 0.01;

/**
 * The speaker is silent within this time of an interruption. It is far less than what is left of the answers here, and long
 * enough for a busy machine; that silence falls within 30 ms is held by the unit tests of the player.
 */
const silentWithinMs = 1000;

/** @param {import("./page.mjs").Facts} f */
const speaks = (f) => f.status === "speaking" && f.levelSpeech > audible;

/** @param {import("./page.mjs").Driver} page */
export async function start(page) {
  await press(page, "Start talking");
  return until(page, "the conversation to begin", (f) => !["idle", "connecting", "ended"].includes(f.status));
}

/** @param {import("./page.mjs").Driver} page */
export async function end(page) {
  await press(page, "End");
  const f = await until(page, "a clean end", (x) => x.status === "ended" || x.status === "failed");
  assert.equal(f.status, "ended", `the end is clean (${f.problem})`);
  assert.equal(f.protocolErrors, 0, "the server kept to the protocol");
  return f;
}

/**
 * A person asks, hears the answer, reads both sides.
 * @param {import("./page.mjs").Driver} page
 */
export async function answered(page) {
  await until(page, "the microphone to be heard", (f) => f.levelMicrophone > audible);
  const f = await until(page, "an answer that sounds", speaks);
  const more = await until(page, "the answer to go on", (x) => x.playedMs > f.playedMs + 300);
  assert.ok(more.received > 10, `the answer came over the wire (${more.received} messages)`);
  const both = await until(
    page,
    "captions of both sides",
    (x) => x.captions.some((c) => c.who === "person" && c.text) && x.captions.some((c) => c.who === "model" && c.text),
  );
  assert.equal(both.captions[0]?.who, "person", "the question stands above the answer");
  assert.equal(both.droppedFrames, 0);
}

/**
 * The recording's second sentence falls into the answer to its first, and stops it.
 * @param {import("./page.mjs").Driver} page
 */
export async function interruptedByVoice(page) {
  await until(page, "an answer that sounds", speaks);
  await until(page, "the answer to be interrupted by voice", (f) => f.captions.some((c) => c.interrupted));
  await silence(page);
  const { captions } = await until(page, "a caption of what the person said then", (f) => f.captions.length >= 3);
  assert.deepEqual(
    captions.slice(0, 3).map((c) => (c.interrupted ? `${c.who}, interrupted` : c.who)),
    ["person", "model, interrupted", "person"],
    "each side's captions, in order, the answer marked as cut short",
  );
}

/**
 * Muted and in writing: the answer is the only sound, so that its end can only be the button's doing.
 * @param {import("./page.mjs").Driver} page
 * @param {() => Promise<unknown>} interrupt
 */
export async function interruptedByHand(page, interrupt) {
  await muted(page);
  await write(page, "Please tell me a long story about a stone bridge, an old miller and the river below them.");
  await until(page, "the typed words to be shown", (f) => f.captions.some((c) => c.who === "person" && c.text.includes("stone bridge")));
  await until(page, "an answer that sounds", speaks);
  await interrupt();
  await until(page, "the interruption to be shown", (f) => f.status === "interrupted");
  await silence(page);
  // Whatever of that answer was still on its way is dropped: nothing more sounds.
  await new Promise((done) => setTimeout(done, 200));
  const before = (await facts(page)).playedMs;
  await new Promise((done) => setTimeout(done, 700));
  const after = await facts(page);
  assert.equal(after.playedMs, before, "nothing more of the answer is played");
  assert.ok(after.captions.at(-1)?.interrupted, "the caption of the answer says that it was cut short");
  await press(page, "Unmute");
  await until(page, "frames to flow again", (f) => !f.muted && f.sent > after.sent + 5);
}

/**
 * Muted, not one frame goes out, and the end of the utterance is told.
 * @param {import("./page.mjs").Driver} page
 */
export async function muted(page) {
  await press(page, "Mute");
  await until(page, "the microphone to be muted", (f) => f.muted && f.levelMicrophone === 0);
  // What was said before may still be answered; that must not be mistaken for the answers awaited later.
  await until(page, "quiet", (f) => f.status === "listening" && f.queuedMs === 0, 30_000);
  // The page publishes its numbers ten times a second.
  await new Promise((done) => setTimeout(done, 300));
  const before = await facts(page);
  await new Promise((done) => setTimeout(done, 600));
  assert.equal((await facts(page)).sent, before.sent, "no frame is sent while muted");
}

/** @param {import("./page.mjs").Driver} page */
async function silence(page) {
  await until(page, "silence", (f) => f.levelSpeech === 0 && f.queuedMs === 0, silentWithinMs);
}
