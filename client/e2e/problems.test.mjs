// How a conversation ends by itself, or cannot begin as it should: each in its own words, with a next step, and with axe-core looking at it.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { accessible, facts, press, until } from "./page.mjs";
import { setUp } from "./setup.mjs";
import { end } from "./stories.mjs";
import { startSimulator, startStonepot } from "./stonepot.mjs";

const here = setUp({ chromium: { microphone: "silent" } });

/** @type {{ code: string, title: string, env?: Record<string, string>, config?: string, simulator?: boolean }[]} */
const ends = [
  { code: "max_duration", title: "Time is up", config: "limits:\n  max_duration: 2s\n  expiry_notice: 1s\n" },
  { code: "idle_timeout", title: "Ended after a long silence", config: "limits:\n  idle_timeout: 2s\n" },
  { code: "upstream_quota", title: "The model is fully booked", config: "simulator:\n  faults: [{kind: quota, after: 500ms}]\n" },
  { code: "upstream_rejected", title: "The model refused", config: "simulator:\n  faults: [{kind: refuse_setup, code: 1007, reason: no such voice}]\n" },
  { code: "upstream_auth", title: "The model did not accept the server", simulator: true, env: { GOOGLE_API_KEY: "bad-key" } },
  {
    code: "upstream_unavailable",
    title: "The model cannot be reached",
    // Port 1 of this machine: nobody listens there.
    env: { STONEPOT_GEMINI_BASE_URL: "http://127.0.0.1:1", GOOGLE_API_KEY: "for-nobody" },
    config: "live:\n  connect_timeout: 1s\n",
  },
];

describe("the end of a conversation is told in its own words", () => {
  for (const { code, title, env = {}, config = "", simulator = false } of ends) {
    it(code, { timeout: 60_000 }, async () => {
      const model = simulator ? await startSimulator() : undefined;
      const server = await startStonepot({ ...model?.env, ...env }, config);
      try {
        await here.onPage(
          async (page) => {
            await press(page, "Start talking");
            await until(page, code, (f) => f.problem !== "");
            assert.equal((await facts(page)).problem, code);
            await page.locator("[data-problem]").getByRole("heading", { name: title }).or(page.locator("[data-problem]").getByText(title, { exact: true })).first().waitFor();
            await accessible(page, code);
            await page.getByRole("button", { name: "Start talking" }).waitFor();
          },
          { url: server.url, expectErrors: true },
        );
      } finally {
        await server.stop();
        await model?.stop();
      }
    });
  }
});

describe("a microphone that another program holds", () => {
  it("is told with the next step, and typing goes on without it", { timeout: 60_000 }, () =>
    here.onPage(
      async (page) => {
        // Chromium's fake devices are never in use: this is what it answers where one is.
        await page.evaluate(() => {
          navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("Could not start audio source", "NotReadableError"));
        });
        await press(page, "Start talking");
        await until(page, "the problem", (f) => f.problem === "microphone_busy");
        await accessible(page, "microphone in use");
        await press(page, "Type instead");
        await until(page, "a conversation in writing", (f) => f.status === "listening");
        await end(page);
      },
      // The socket is left while it connects, and the console says so.
      { expectErrors: true },
    ));
});
