// Lines that break: the conversation goes on, and nothing of it is lost.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startFaultProxy } from "./fault-proxy.mjs";
import { accessible, facts, press, until, write } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { answered, end, muted, start } from "./stories.mjs";
import { assertWhole, goesOn, listen, question, speaks } from "./whole.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp({ config: answersAtOnce, chromium: { microphone: "silent" } });

/**
 * A story on a page whose line can break.
 * @param {typeof here} at
 * @param {(page: Page, proxy: import("./fault-proxy.mjs").FaultProxy) => Promise<void>} story
 */
async function onBadLine(at, story) {
  const proxy = await startFaultProxy(at.server.port);
  try {
    // The browser's console names every line that broke.
    await at.onPage((page) => story(page, proxy), { url: `http://127.0.0.1:${proxy.port}`, expectErrors: true });
  } finally {
    await proxy.close();
  }
}

/** Of speech at 24 kHz. */
const bytesPerMs = 48;

describe("a line that breaks", () => {
  it("in the middle of an answer, again and again, costs not one sample of it", { timeout: 90_000 }, () =>
    onBadLine(here, async (page, proxy) => {
      const heard = listen(page);
      await start(page);
      await muted(page);
      const before = { bytes: heard.audioBytes, ...(await facts(page)) };
      await write(page, question);
      for (const bytes of [1, 10_001, 50_002]) {
        const { resumed } = await until(page, "an answer that sounds", speaks);
        proxy.cutAfter("down", bytes);
        await until(page, "another line", (f) => f.resumed > resumed);
      }
      const f = await until(page, "the end of the answer", (x) => {
        goesOn(x);
        return x.status === "listening" && x.queuedMs === 0 && x.playedMs > before.playedMs;
      }, 60_000);
      const { turn } = heard.messages.findLast((m) => m.type === "turn_complete");
      assert.equal(turn.interrupted, false);
      assert.equal(Math.round((heard.audioBytes - before.bytes) / bytesPerMs), turn.audioMs, "all of the answer came, once");
      assert.equal(f.playedMs - before.playedMs, turn.audioMs, "and was played");
      assertWhole(f.captions.slice(before.captions.length), [question]);
      await end(page);
    }));

  it("for good is told after a while that is not endless, and the conversation can still be taken up", { timeout: 90_000 }, () =>
    onBadLine(here, async (page, proxy) => {
      await start(page);
      await muted(page);
      await page.clock.install();
      await page.reload();
      await page.getByText("Welcome back").waitFor();
      proxy.accept(false);
      proxy.cut();
      await press(page, "Continue conversation");
      await until(page, "the tries", (f) => f.status === "connecting");
      // Between the tries the page waits; they themselves take their time.
      for (let tries = 0; (await facts(page)).problem === "" && tries < 100; tries++) await page.clock.runFor(500);
      await until(page, "the end of all tries", (f) => f.problem === "out_of_reach");
      await accessible(page, "out of reach");
      proxy.accept(true);
      await press(page, "Continue conversation");
      await until(page, "the conversation", (f) => f.status === "listening");
      await end(page);
    }));
});

describe("a line that breaks while somebody speaks", () => {
  const there = setUp();

  it("in the middle of what the person says loses nothing of it, and is shown when it takes long", { timeout: 90_000 }, () =>
    onBadLine(there, async (page, proxy) => {
      await start(page);
      await answered(page);
      // The simulator writes down how long each sentence was. The recording has two, again and again.
      const seconds = (/** @type {import("./page.mjs").Facts} */ f) =>
        f.captions.filter((c) => c.who === "person").map((c) => Number(/heard ([\d.]+) s/.exec(c.text)?.[1]));
      const two = seconds(await until(page, "both sentences", (f) => seconds(f).length === 2 && speaks(f)));
      await until(page, "silence", (f) => f.levelMicrophone < 0.005);
      await until(page, "the first sentence again", (f) => f.levelMicrophone > 0.05);
      proxy.accept(false);
      proxy.cut();
      await until(page, "the word that it reconnects", (f) => f.notice === "resuming");
      await accessible(page, "reconnecting");
      proxy.accept(true);
      goesOn(await until(page, "the line", (f) => f.resumed > 0 && f.notice === ""));
      const f = await until(page, "what was heard of it, and an answer", (x) => seconds(x).length === 3 && speaks(x), 30_000);
      assert.ok(Math.abs(Number(seconds(f)[2]) - Number(two[0])) < 0.15, `all of it was heard: ${seconds(f)} s`);
      assert.equal(f.dropped, 0);
      await end(page);
    }));
});
