// What the tests read of the page and do on it, for both browsers' drivers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * The part of Playwright's and Puppeteer's pages that is the same.
 * @typedef {object} Driver
 * @property {(script: string) => Promise<unknown>} evaluate
 * @property {{ press: (key: any) => Promise<unknown>, type: (text: string) => Promise<unknown> }} keyboard
 */

/**
 * @typedef {object} Facts
 * @property {string} status
 * @property {string} title      the state in words
 * @property {string} problem    code of the problem that is shown, or ""
 * @property {boolean} muted
 * @property {boolean} talking      the button of push-to-talk is held
 * @property {number} levelMicrophone
 * @property {number} levelSpeech
 * @property {number} playedMs
 * @property {number} queuedMs
 * @property {number} underruns
 * @property {number} sent
 * @property {number} received
 * @property {number} dropped
 * @property {number} protocolErrors
 * @property {number} resumed
 * @property {string} notice      kind of the passing notice that is shown, or ""
 * @property {{ who: string, text: string, interrupted: boolean }[]} captions
 */

const readFacts = `(() => {
  const stage = document.querySelector("[data-status]");
  const d = stage?.dataset ?? {};
  const number = (name) => Number(d[name] ?? 0);
  return {
    status: d.status ?? "",
    title: document.querySelector("[data-state]")?.textContent ?? "",
    problem: document.querySelector("[data-problem]")?.dataset.problem ?? "",
    muted: d.muted === "true",
    talking: d.talking === "true",
    levelMicrophone: number("levelMicrophone"),
    levelSpeech: number("levelSpeech"),
    playedMs: number("playedMs"),
    queuedMs: number("queuedMs"),
    underruns: number("underruns"),
    sent: number("sent"),
    received: number("received"),
    dropped: number("dropped"),
    protocolErrors: number("protocolErrors"),
    resumed: number("resumed"),
    notice: document.querySelector("[data-notice]")?.dataset.notice ?? "",
    captions: [...document.querySelectorAll("[data-who]")].map((li) => ({
      who: li.dataset.who,
      text: li.querySelector("p").textContent,
      interrupted: li.dataset.interrupted === "true",
    })),
  };
})()`;

/**
 * @param {Driver} page
 * @returns {Promise<Facts>}
 */
export async function facts(page) {
  return /** @type {Facts} */ (await page.evaluate(readFacts));
}

/**
 * Waits until the page is as wanted; fails with what it was instead.
 * @param {Driver} page
 * @param {string} what      what is awaited, for the failure
 * @param {(facts: Facts) => boolean} wanted
 * @param {number} [timeoutMs]
 * @returns {Promise<Facts>}
 */
export async function until(page, what, wanted, timeoutMs = 20_000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const now = await facts(page);
    if (wanted(now)) return now;
    if (Date.now() > deadline) {
      assert.fail(`Waited ${timeoutMs} ms for ${what}; the page says ${JSON.stringify(now, null, 1)}`);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/**
 * Presses the button with this name, by keyboard: a gesture that browsers count, and one that must always work.
 * @param {Driver} page
 * @param {string} name
 */
export async function press(page, name) {
  const focus = `(() => {
    const wanted = ${JSON.stringify(name)};
    const button = [...document.querySelectorAll("button")].find(
      (b) => (b.getAttribute("aria-label") ?? b.textContent).trim() === wanted && !b.disabled && b.getAttribute("aria-disabled") !== "true");
    button?.focus();
    return button !== undefined;
  })()`;
  // It may be in a part of the page whose code is on its way.
  const deadline = Date.now() + 5000;
  let found = await page.evaluate(focus);
  while (!found && Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 20));
    found = await page.evaluate(focus);
  }
  assert.ok(found, `There is no button "${name}" that can be pressed; the page says ${JSON.stringify(await facts(page))}`);
  await page.keyboard.press("Enter");
}

/**
 * Types into the text box and sends it.
 * @param {Driver} page
 * @param {string} text
 */
export async function write(page, text) {
  assert.ok(
    await page.evaluate(`(() => {
      const box = document.querySelector("input[aria-label=Message]");
      box?.focus();
      return box !== null && !box.disabled;
    })()`),
    "There is no text box that can be typed in.",
  );
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/**
 * Asserts that axe-core finds nothing wrong with the page as it is now, in the light theme and in the dark one.
 * @param {Driver & Partial<Pick<import("playwright-core").Page, "emulateMedia">>} page      Puppeteer cannot change Firefox's theme
 * @param {string} where
 */
export async function accessible(page, where) {
  await page.evaluate(`if (!globalThis.axe) { ${axeSource} }`);
  const [now, other] = (await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"))
    ? /** @type {const} */ (["dark", "light"])
    : /** @type {const} */ (["light", "dark"]);
  await findsNothing(page, `${where}, ${now}`, {});
  if (!page.emulateMedia) return;
  // Without motion, or colours would be caught on their way from one theme to the other.
  await page.emulateMedia({ colorScheme: other, reducedMotion: "reduce" });
  await findsNothing(page, `${where}, ${other}`, { runOnly: ["color-contrast", "link-in-text-block"] });
  await page.emulateMedia({ colorScheme: now });
  await page.emulateMedia({ reducedMotion: null });
}

/** @param {Driver} page @param {string} where @param {object} options */
async function findsNothing(page, where, options) {
  const found = /** @type {{ id: string, help: string, nodes: { html: string, failureSummary: string }[] }[]} */ (
    await page.evaluate(`axe.run(document, ${JSON.stringify({ resultTypes: ["violations"], ...options })}).then((r) => r.violations.map((v) => (
      { id: v.id, help: v.help, nodes: v.nodes.map((n) => ({ html: n.html, failureSummary: n.failureSummary })) })))`)
  );
  assert.deepEqual(found, [], `axe-core on the page (${where})`);
}
