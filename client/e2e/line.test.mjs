// What is told of the time, the line and a server that is full.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accessible, press, until } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { startStonepot } from "./stonepot.mjs";
import { answered, end, start } from "./stories.mjs";

const here = setUp({ config: `${answersAtOnce}limits:\n  max_duration: 20s\n` });

describe("a conversation tells", () => {
  it("how long it may still last, how soon it is answered, and how far the server is", { timeout: 90_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await answered(page);
      await page.getByText("Details").click();
      await page.locator("[data-fact='Way to the server']").getByText(/^\d+ ms and back$/).waitFor();
      await page.locator("[data-fact='Longest duration']").getByText("0:20").waitFor();
      await page.locator("[data-fact='Last answer after']").getByText(/^\d+ ms$/).waitFor();
      const left = page.getByRole("timer", { name: "Time left" });
      await left.waitFor();
      assert.match((await left.textContent()) ?? "", /^0:(10|0\d) left$/);
      assert.equal(await page.locator("[data-quality]").count(), 0, "a good line is not talked about");
      await accessible(page, "near the end");
      await end(page);
    }));
});

describe("a full server", () => {
  it("is asked again after a countdown, and has room", { timeout: 90_000 }, async () => {
    const small = await startStonepot({ STONEPOT_LIVE_MAX_SESSIONS: "1" });
    try {
      await here.onPage(
        async (first) => {
          await start(first);
          await here.onPage(
            async (second) => {
              await second.clock.install();
              await second.reload();
              await press(second, "Start talking");
              await until(second, "the refusal", (f) => f.problem === "at_capacity");
              const countdown = second.locator("[data-next-try]");
              const from = Number(await countdown.getAttribute("data-next-try"));
              assert.ok(from > 0 && from <= 60, `the next try is in ${from} s`);
              await second.getByText("For a report").click();
              await second.locator("[data-fact=Code]").getByText("at_capacity").waitFor();
              await accessible(second, "counting down");
              await end(first);
              await second.clock.fastForward(from * 1000);
              await until(second, "the conversation, without a press", (f) => f.status === "listening");
              await end(second);
            },
            { url: small.url, expectErrors: true },
          );
        },
        { url: small.url },
      );
    } finally {
      await small.stop();
    }
  });

  it("is left in peace by whoever does not want to wait", { timeout: 90_000 }, async () => {
    const small = await startStonepot({ STONEPOT_LIVE_MAX_SESSIONS: "1" });
    try {
      await here.onPage(
        async (first) => {
          await start(first);
          await here.onPage(
            async (second) => {
              await second.clock.install();
              await second.reload();
              await press(second, "Start talking");
              await until(second, "the refusal", (f) => f.problem === "at_capacity");
              const countdown = second.locator("[data-next-try]");
              const from = Number(await countdown.getAttribute("data-next-try"));
              /** @type {string[]} */
              const tries = [];
              second.on("request", (request) => void (request.url().endsWith("/api/session/create") && tries.push(request.url())));
              await press(second, "Stop trying");
              await countdown.waitFor({ state: "detached" });
              await second.clock.runFor(10 * from * 1000);
              // What had been asked before this would have been seen.
              await second.evaluate("fetch('/health').then((r) => r.text())");
              assert.deepEqual(tries, []);
            },
            { url: small.url, expectErrors: true },
          );
          await end(first);
        },
        { url: small.url },
      );
    } finally {
      await small.stop();
    }
  });
});
