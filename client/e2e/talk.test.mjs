// Who says when a person speaks: the space bar mutes, and in push-to-talk it is held, or the button is.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accessible, facts, press, until, write } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { end, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp({ config: answersAtOnce });

/** @param {Page} page @param {string} name */
async function speakBy(page, name) {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("radio", { name: new RegExp(`^${name}`) }).check();
  // With the mouse, so that space is the conversation's again.
  await page.getByRole("button", { name: "Done", exact: true }).click();
}

/** @param {Page} page */
async function sentNothing(page) {
  await new Promise((done) => setTimeout(done, 300));
  const { sent } = await facts(page);
  await new Promise((done) => setTimeout(done, 500));
  assert.equal((await facts(page)).sent, sent, "nothing is sent");
}

/**
 * Speaks for a while and is answered.
 * @param {Page} page
 * @param {() => Promise<unknown>} down
 * @param {() => Promise<unknown>} up
 */
async function holds(page, down, up) {
  const before = await facts(page);
  await down();
  await until(page, "the button to be down", (f) => f.talking);
  // At once what was said in the 300 ms before, then what is said now.
  await until(page, "speech to be sent", (f) => f.sent > before.sent + 60 && f.levelMicrophone > 0);
  await up();
  await until(page, "the answer", (f) => !f.talking && f.status === "speaking" && f.playedMs > before.playedMs + 300, 30_000);
}

describe("space", () => {
  it("mutes and unmutes, also after the start was pressed with the mouse, and writes in the text box", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      await page.getByRole("button", { name: "Start talking" }).click();
      await until(page, "the conversation to begin", (f) => !["idle", "connecting"].includes(f.status));
      await page.keyboard.press("Space");
      await until(page, "the microphone to be muted", (f) => f.muted);
      await page.keyboard.press("Space");
      await until(page, "the microphone to be heard", (f) => !f.muted);
      const box = page.getByRole("textbox", { name: "Message" });
      await box.focus();
      await page.keyboard.type("a b");
      assert.equal(await box.inputValue(), "a b");
      assert.equal((await facts(page)).muted, false);
      await box.fill("");
      // A control that was reached with the keyboard keeps its space.
      await page.keyboard.press("Tab");
      await page.getByRole("button", { name: "End", exact: true }).focus();
      await page.keyboard.press("Space");
      const f = await until(page, "the end", (x) => x.status === "ended");
      assert.equal(f.protocolErrors, 0);
    }));
});

describe("push-to-talk", () => {
  it("hears only whoever holds the button or the space bar", { timeout: 120_000 }, () =>
    here.onPage(async (page) => {
      await speakBy(page, "Push to talk");
      await start(page);
      await until(page, "the word that it waits", (f) => f.title === "Hold to speak");
      await accessible(page, "push-to-talk");
      await sentNothing(page);

      await page.evaluate("document.activeElement.blur()");
      await holds(page, () => page.keyboard.down("Space"), () => page.keyboard.up("Space"));

      // The mouse interrupts the answer to that.
      const button = page.getByRole("button", { name: "Hold to speak" });
      await button.hover();
      const { captions } = await until(page, "words of the answer", (f) => f.status === "speaking" && f.captions.at(-1)?.who === "model");
      await holds(page, () => page.mouse.down(), () => page.mouse.up());
      assert.ok((await facts(page)).captions[captions.length - 1]?.interrupted, "the answer was cut short");
      await end(page);

      await page.reload();
      await start(page);
      await until(page, "the setting to be kept", (f) => f.title === "Hold to speak");
      await end(page);
    }));

  it("is held by a finger, and ends when the page is left", { timeout: 90_000 }, () =>
    here.onPage(
      async (page) => {
        await speakBy(page, "Push to talk");
        await start(page);
        const button = page.getByRole("button", { name: "Hold to speak" });
        const box = await button.boundingBox();
        assert.ok(box);
        const touch = await page.context().newCDPSession(page);
        const touchPoints = [{ x: box.x + box.width / 2, y: box.y + box.height / 2 }];
        await holds(
          page,
          () => touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints }),
          () => touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] }),
        );
        await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints });
        await until(page, "the button to be down", (f) => f.talking);
        await page.evaluate(() => window.dispatchEvent(new Event("blur")));
        await until(page, "the button to be up", (f) => !f.talking);
        await sentNothing(page);
        await end(page);
      },
      { hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } },
    ));

  it("begins and ends in mid-conversation", { timeout: 90_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await press(page, "Mute");
      await write(page, "Hello?");
      await until(page, "the end of the answer", (f) => f.status === "listening" && f.captions.at(-1)?.who === "model" && f.queuedMs === 0, 30_000);
      await speakBy(page, "Push to talk");
      await until(page, "push-to-talk", (f) => f.title === "Hold to speak", 30_000);
      await holds(page, () => page.keyboard.down("Space"), () => page.keyboard.up("Space"));
      await until(page, "the end of the answer", (f) => f.title === "Hold to speak" && f.queuedMs === 0, 30_000);
      await speakBy(page, "Hands-free");
      await until(page, "speech to be heard again", (f) => f.title === "Listening" && f.levelMicrophone > 0.01, 30_000);
      await end(page);
    }));
});
