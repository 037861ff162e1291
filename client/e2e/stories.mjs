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
  assert.equal(both.dropped, 0);
}

/**
 * The recording's second sentence falls into the answer to its first, and stops it.
 * @param {import("./page.mjs").Driver} page
 */
export async function interruptedByVoice(page) {
  await until(page, "an answer that sounds", speaks);
  await until(page, "the answer to be interrupted by voice", (f) => f.captions.some((c) => c.interrupted));
  await silence(page);
  // Where the recording plays on from page to page, an answer before this one may have been heard to its end.
  const cut = (/** @type {import("./page.mjs").Facts} */ f) => f.captions.findIndex((c) => c.interrupted);
  const f = await until(page, "a caption of what the person said then", (x) => x.captions.length >= cut(x) + 2);
  assert.deepEqual(
    f.captions.slice(cut(f) - 1, cut(f) + 2).map((c) => (c.interrupted ? `${c.who}, interrupted` : c.who)),
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
  await until(page, "an answer that sounds, and its first word", (f) => speaks(f) && f.captions.at(-1)?.who === "model");
  await interrupt();
  await until(page, "the interruption to be shown", (f) => f.status === "interrupted");
  await silence(page);
  // Whatever of that answer was still on its way is dropped: nothing more sounds.
  await new Promise((done) => setTimeout(done, 200));
  const before = (await facts(page)).playedMs;
  await new Promise((done) => setTimeout(done, 700));
  const after = await facts(page);
  assert.equal(after.playedMs, before, "nothing more of the answer is played");
  assert.ok(after.captions.at(-1)?.interrupted, `the caption of the answer says that it was cut short: ${JSON.stringify(after.captions)}`);
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

/**
 * The connection to the model is renewed again and again while the person speaks and is answered.
 * @param {import("./page.mjs").Driver} page
 * @param {() => number} renewals      how many there have been
 * @param {number} wanted      how many there shall be
 */
export async function renewed(page, renewals, wanted) {
  /** @type {string[]} */
  let before = [];
  let { playedMs } = await until(page, "an answer that sounds", speaks);
  for (let seen = renewals(); seen < wanted; seen = renewals()) {
    // Sound goes on after each renewal, and whoever listens learns of none.
    const f = await until(
      page,
      `a renewal after ${seen}, and sound after it`,
      (x) => {
        assert.ok(!["failed", "ended"].includes(x.status) && x.problem === "", `the conversation goes on (${x.status}, ${x.problem})`);
        return renewals() > seen && speaks(x) && x.playedMs > playedMs;
      },
      40_000,
    );
    playedMs = f.playedMs;
    // The last two may still grow, or be said anew.
    const now = f.captions.map((c) => `${c.who}: ${c.text}`);
    assert.deepEqual(now.slice(0, before.length), before, "what was written stays");
    before = now.slice(0, -2);
  }
  /** @param {import("./page.mjs").Facts} f */
  const numbers = (f) => f.captions.filter((c) => c.who === "model").map((c) => /^Simulated answer (\d+):/.exec(c.text)?.[1]);
  const whole = await until(page, "captions that begin at the beginning", (f) => numbers(f).length >= 2 && !numbers(f).includes(undefined));
  const { captions } = whole;
  // The recording's two sentences differ in length: what stands there twice in a row was written down twice.
  captions.forEach((c, i) => assert.notEqual(c.text, captions[i - 1]?.text, `nothing stands twice in ${JSON.stringify(captions)}`));
  for (const { who, text } of captions) {
    assert.ok(text.split(who === "model" ? "Simulated answer" : "simulated:").length <= 2, `nothing stands twice in "${text}"`);
  }
}

/**
 * The connection to the model breaks at the beginning of the second answer, which is then spoken anew.
 * @param {import("./page.mjs").Driver} page
 */
export async function spokenAnew(page) {
  await muted(page);
  const before = (await facts(page)).captions.length;
  const questions = ["How old is the bridge?", "Who built it, and of which stone?", "And who was the miller?"];
  for (const question of questions) {
    const { playedMs } = await facts(page);
    await write(page, question);
    await until(page, `an answer to "${question}"`, (f) => speaks(f) && f.playedMs > playedMs);
    await until(page, "its end", (f) => f.status === "listening" && f.queuedMs === 0, 30_000);
  }
  const { captions, problem } = await until(
    page,
    "all captions",
    (f) => f.captions.slice(before).filter((c) => c.who === "model" && c.text.endsWith('".')).length >= questions.length,
  );
  assert.equal(problem, "");
  const said = captions.slice(before);
  assert.deepEqual(said.map((c) => c.who), questions.flatMap(() => ["person", "model"]), JSON.stringify(said));
  questions.forEach((question, i) => {
    assert.equal(said[2 * i]?.text, question);
    const answer = said[2 * i + 1];
    assert.ok(answer?.text.split(question).length === 2, `the answer is written once and whole: ${answer?.text}`);
    assert.equal(answer?.interrupted, false);
  });
}

/** @param {import("./page.mjs").Driver} page */
async function silence(page) {
  await until(page, "silence", (f) => f.levelSpeech === 0 && f.queuedMs === 0, silentWithinMs);
}
