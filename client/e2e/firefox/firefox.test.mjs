// The whole path in Firefox, where a microphone and an AudioContext of different rates do not go together.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launchFirefox } from "./firefox.mjs";
import { accessible, facts, press } from "../page.mjs";
import { startStonepot } from "../stonepot.mjs";
import { answered, end, interruptedByHand, interruptedByVoice, start } from "../stories.mjs";

/** @type {import("../stonepot.mjs").Server} */
let server;
/** @type {Awaited<ReturnType<typeof launchFirefox>>} */
let firefox;

before(async () => {
  server = await startStonepot();
  firefox = await launchFirefox();
  firefox.speak();
}, { timeout: 60_000 });
after(async () => {
  await firefox?.close();
  const code = await server?.stop();
  if (server) assert.equal(code, 0, `stonepot ends cleanly:\n${server.log()}`);
});

/** @param {(page: import("puppeteer-core").Page) => Promise<void>} story */
async function onPage(story) {
  const page = await firefox.browser.newPage();
  try {
    /** @type {string[]} */
    const complaints = [];
    page.on("console", (m) => {
      if (m.type() === "error") complaints.push(m.text());
    });
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error}`));
    await page.setViewport({ width: 1280, height: 800 });
    await page.goto(server.url);
    await story(page);
    assert.deepEqual(complaints, [], "the browser's console");
  } finally {
    await page.close();
  }
}

describe("a conversation in Firefox", () => {
  it("is heard and read on both sides, and ends cleanly", { timeout: 90_000 }, () =>
    onPage(async (page) => {
      assert.equal((await facts(page)).status, "idle");
      await accessible(page, "idle");
      await start(page);
      await answered(page);
      await accessible(page, "in conversation");
      await end(page);
      await accessible(page, "ended");
    }));

  it("is interrupted by voice", { timeout: 90_000 }, () =>
    onPage(async (page) => {
      await start(page);
      await interruptedByVoice(page);
      await end(page);
    }));

  it("is muted, takes text, and is interrupted by the button and by Escape", { timeout: 120_000 }, () =>
    onPage(async (page) => {
      await start(page);
      await interruptedByHand(page, () => press(page, "Interrupt"));
      await interruptedByHand(page, () => page.keyboard.press("Escape"));
      await end(page);
    }));
});
