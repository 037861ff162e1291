// What stories of conversations that go on have in common.
import assert from "node:assert/strict";

export const question = "Please tell me a story about a stone bridge, an old miller and the river.";

/**
 * What comes over the page's sockets from now on.
 * @param {import("playwright-core").Page} page
 */
export function listen(page) {
  const heard = { audioBytes: 0, messages: /** @type {any[]} */ ([]) };
  /** @param {import("playwright-core").WebSocket} socket */
  const attend = (socket) => {
    socket.on("framereceived", ({ payload }) => {
      if (typeof payload === "string") heard.messages.push(JSON.parse(payload));
      else heard.audioBytes += payload.length;
    });
  };
  page.on("websocket", attend);
  return heard;
}

/**
 * Each question stands there once, and each answer once and whole.
 * @param {import("./page.mjs").Facts["captions"]} captions
 * @param {string[]} questions
 */
export function assertWhole(captions, questions) {
  assert.deepEqual(captions.map((c) => c.who), questions.flatMap(() => ["person", "model"]), JSON.stringify(captions));
  questions.forEach((words, i) => {
    assert.equal(captions[2 * i]?.text, words);
    const answer = captions[2 * i + 1];
    assert.match(answer?.text ?? "", /^Simulated answer \d+: .*"\.$/);
    assert.equal(answer?.text.split(words).length, 2, `the answer is written once: ${answer?.text}`);
    assert.equal(answer?.interrupted, false);
  });
}

/** @param {import("./page.mjs").Facts} f */
export const speaks = (f) => f.status === "speaking" && f.levelSpeech > 0.01;

/** @param {import("./page.mjs").Facts} f */
export const goesOn = (f) => assert.ok(!["failed", "ended", "idle"].includes(f.status) && f.problem === "", `the conversation goes on (${f.status}, ${f.problem})`);

/**
 * The session's id, from the details.
 * @param {import("playwright-core").Page} page
 */
export async function sessionOf(page) {
  const details = page.getByText("Details");
  await details.click();
  const id = await page.locator("[data-fact=Session]").textContent();
  await details.click();
  return id;
}
