// The conversation's text: times, copy, files, and a reader who scrolls.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { accessible, facts, press, until, write } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { end, muted, start } from "./stories.mjs";

const here = setUp({ config: answersAtOnce, chromium: { microphone: "silent" } });

/** @param {import("playwright-core").Page} page @param {string} format */
async function saved(page, format) {
  await page.getByText("Save", { exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: format, exact: true }).click()]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

describe("captions", () => {
  it("are copied and saved as text, SRT and JSON, during the conversation and after it", { timeout: 90_000 }, () =>
    here.onPage(
      async (page) => {
        await start(page);
        await muted(page);
        await write(page, "How deep is the river?");
        await until(page, "the answer and its end", (f) => f.status === "listening" && f.captions.at(-1)?.who === "model" && f.queuedMs === 0, 30_000);
        const { captions } = await facts(page);
        const time = await page.locator("[data-who] time").last().getAttribute("datetime");
        assert.ok(time && Math.abs(Date.now() - Date.parse(time)) < 60_000, `the captions carry the time of day: ${time}`);

        await press(page, "Copy");
        await page.getByText("Copied").waitFor();
        const copied = await page.evaluate(() => navigator.clipboard.readText());
        assert.match(copied, /^\[\d\d:\d\d:\d\d\] You: How deep is the river\?$/m);

        const srt = await saved(page, "Subtitles (SRT)");
        assert.match(srt.name, /^conversation-[\dT-]+\.srt$/);
        assert.match(srt.text, /^1\n00:00:00,000 --> \d\d:\d\d:\d\d,\d{3}\n(You|Model): /);
        assert.equal(srt.text.split(" --> ").length - 1, captions.length);

        await end(page);
        const text = await saved(page, "Text");
        assert.equal(text.text, await page.evaluate(() => navigator.clipboard.readText()), "the file says what the clipboard says");
        const json = JSON.parse((await saved(page, "JSON")).text);
        assert.deepEqual(json.captions.map((/** @type {any} */ c) => [c.who, c.text]), captions.map((c) => [c.who, c.text]));
        assert.ok(json.session.id && json.session.simulated);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));

  it("leave a reader alone who scrolled up, and bring them back", { timeout: 90_000 }, () =>
    here.onPage(
      async (page) => {
        await start(page);
        await muted(page);
        const box = page.getByRole("textbox", { name: "Message" });
        for (let i = 0; i < 8; i++) {
          await box.fill(`This is message ${i}. ${"It is long. ".repeat(12)}`);
          await page.keyboard.press("Enter");
        }
        await until(page, "the words", (f) => f.captions.filter((c) => c.text.includes("This is message")).length >= 8);
        const log = page.getByRole("log");
        const fromEnd = () => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
        assert.ok((await fromEnd()) < 80, "the list follows");
        await log.focus();
        const back = page.getByRole("button", { name: "To the newest" });
        // Words that come in the moment of the press may win; then a reader presses again.
        for (let presses = 0; presses < 10 && !(await back.isVisible()); presses++) {
          await page.keyboard.press("Home");
          await back.waitFor({ timeout: 2000 }).catch(() => undefined);
        }
        await back.waitFor();
        await accessible(page, "scrolled up");
        await write(page, "And one more.");
        await until(page, "the newest words", (f) => f.captions.some((c) => c.text === "And one more."));
        assert.ok((await log.evaluate((box) => box.scrollTop)) < 200, "the reader is left where they read");
        await press(page, "To the newest");
        await back.waitFor({ state: "detached" });
        assert.ok((await fromEnd()) < 80, "the newest words are shown");
        await end(page);
      },
      { viewport: { width: 390, height: 844 } },
    ));
});
