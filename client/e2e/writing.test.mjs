// A conversation in writing: nobody speaks, so that what sounds is the answer and nothing else.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accessible, press, until, write } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, interruptedByHand, muted, spokenAnew, start } from "./stories.mjs";

const here = setUp({ config: answersAtOnce, chromium: { microphone: "silent" } });

describe("a conversation in writing", () => {
  it("is interrupted by the button, and by Escape", { timeout: 120_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await interruptedByHand(page, () => press(page, "Interrupt"));
      await interruptedByHand(page, () => page.keyboard.press("Escape"));
      await end(page);
    }));

  it("loses its connection to the model in the middle of an answer, which is spoken anew", { timeout: 120_000 }, async () => {
    const breaking = await startStonepot({}, "simulator:\n  faults: [{kind: drop, turn: 2}]\n");
    try {
      await here.onPage(
        async (page) => {
          let restarts = 0;
          page.on("websocket", (socket) =>
            socket.on("framereceived", ({ payload }) => {
              if (typeof payload === "string" && payload.includes('"turn_restarted"')) restarts++;
            }),
          );
          await start(page);
          await spokenAnew(page);
          assert.ok(restarts > 0, "an answer was lost and spoken anew");
          await end(page);
        },
        { url: breaking.url },
      );
      assert.match(breaking.log(), /the upstream was renewed/);
    } finally {
      assert.equal(await breaking.stop(), 0);
    }
  });

  it("fits on 320 pixels, with words of any length, in any script", { timeout: 60_000 }, () =>
    here.onPage(
      async (page) => {
        const fits = async (/** @type {string} */ where) =>
          assert.deepEqual(
            await page.evaluate(() =>
              [...document.querySelectorAll("body, main, section, [role=log]")]
                .filter((e) => e.scrollWidth > e.clientWidth && e.clientWidth > 0)
                .map((e) => `${e.tagName}: ${e.scrollWidth} > ${e.clientWidth}`),
            ),
            [],
            where,
          );
        await fits("before");
        await start(page);
        await muted(page);
        await write(page, "Donaudampfschifffahrt".repeat(12));
        await write(page, "מה גובה הגשר?");
        await until(page, "the words", (f) => f.captions.some((c) => c.text === "מה גובה הגשר?"));
        assert.equal(
          await page.evaluate(() => {
            const p = [...document.querySelectorAll("[data-who=person] p")].find((x) => x.textContent === "מה גובה הגשר?");
            return p && getComputedStyle(p).direction;
          }),
          "rtl",
        );
        await page.getByText("Details").click();
        await fits("in a conversation");
        await accessible(page, "320 px");
        await end(page);
        await fits("after");
      },
      { viewport: { width: 320, height: 568 } },
    ));
});
