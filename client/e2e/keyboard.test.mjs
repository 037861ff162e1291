// Everything with the keyboard alone: Tab finds it, Enter, Space and the arrows do it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { facts, until } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp({ config: answersAtOnce, chromium: { microphone: "silent" } });

const focused = `(() => {
  const e = document.activeElement;
  return (e?.getAttribute("aria-label") ?? e?.labels?.[0]?.textContent ?? e?.textContent ?? "").trim();
})()`;

/**
 * Goes on with Tab until something of this name has the focus, and asserts that the focus can be seen there.
 * @param {Page} page
 * @param {string | RegExp} name
 */
async function tabTo(page, name) {
  /** @type {string[]} */
  const passed = [];
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const now = /** @type {string} */ (await page.evaluate(focused));
    passed.push(now);
    if (typeof name === "string" ? now !== name : !name.test(now)) continue;
    const outline = await page.evaluate(() => getComputedStyle(/** @type {Element} */ (document.activeElement)).outlineStyle);
    assert.notEqual(outline, "none", `the focus on ${now} can be seen`);
    return;
  }
  assert.fail(`Tab does not come to ${name}: ${passed.join(" | ")}`);
}

describe("with the keyboard alone", () => {
  it("a conversation is set up, begun, written in, interrupted, muted, saved and ended", { timeout: 120_000 }, () =>
    here.onPage(async (page) => {
      await page.getByText("Simulated model.").waitFor();
      await tabTo(page, "Settings");
      await page.keyboard.press("Enter");
      await tabTo(page, /^Voice/);
      await page.keyboard.press("ArrowDown");
      await tabTo(page, "Done");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(focused), "Settings", "a closed dialog gives the focus back");

      await tabTo(page, "Start talking");
      await page.keyboard.press("Enter");
      await until(page, "the conversation", (f) => f.status === "listening");
      await tabTo(page, "Message");
      await page.keyboard.type("Please tell me a long story about a stone bridge and a miller.");
      await page.keyboard.press("Enter");
      await until(page, "an answer", (f) => f.status === "speaking" && f.captions.at(-1)?.who === "model");
      await page.keyboard.press("Escape");
      await until(page, "the interruption", (f) => f.captions.at(-1)?.interrupted === true);

      await tabTo(page, "Mute");
      await page.keyboard.press("Space");
      await until(page, "the microphone to be muted", (f) => f.muted);
      await tabTo(page, /^Details/);
      await page.keyboard.press("Enter");
      await page.locator("[data-fact=Session]").waitFor();
      await tabTo(page, "Save");
      await page.keyboard.press("Enter");
      await tabTo(page, "Text");
      const [file] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
      assert.match(file.suggestedFilename(), /\.txt$/);
      await tabTo(page, "End");
      await page.keyboard.press("Enter");
      await until(page, "the end", (f) => f.status === "ended");
      assert.equal((await facts(page)).protocolErrors, 0);
    }));
});
