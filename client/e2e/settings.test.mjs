// What a person sets: it is kept, asked for, and changed in mid-conversation.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accessible, facts, press, until, write } from "./page.mjs";
import { answersAtOnce, setUp } from "./setup.mjs";
import { end, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp({
  config: `${answersAtOnce}assistants:\n  - {name: default, label: Assistant, voice: Kore}\n  - {name: tutor, label: Tutor, voice: Puck}\n`,
});

/**
 * Keeps what the page sends over its sockets.
 * @param {Page} page
 * @returns {any[]}
 */
function sentBy(page) {
  /** @type {any[]} */
  const sent = [];
  page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => {
      if (typeof payload === "string") sent.push(JSON.parse(payload));
    }),
  );
  return sent;
}

/** @param {Page} page */
const background = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);

describe("settings", () => {
  it("are offered by the server, kept over a reload, and asked for", { timeout: 90_000 }, () =>
    here.onPage(async (page) => {
      const sent = sentBy(page);
      await page.getByText("Simulated model.").waitFor();
      await press(page, "Settings");
      await page.getByLabel("Assistant").selectOption("Tutor");
      await page.getByLabel("Voice").selectOption("Zephyr");
      await page.getByLabel("Language").selectOption("German (Germany)");
      await page.getByLabel("Hears the beginning of speech").selectOption("Hardly: for noisy rooms");
      await press(page, "Play a sample");
      await page.getByText("without a key every voice is made of these tones").waitFor();
      await accessible(page, "settings, a sample sounds");
      await press(page, "Stop the sample");
      await page.locator("[data-sample=silent]").waitFor({ state: "attached" });
      await page.getByLabel("Theme").selectOption("Dark");
      assert.equal(await background(page), "rgb(20, 17, 16)");
      await accessible(page, "settings, dark");
      await page.keyboard.press("Escape");
      await page.reload();
      assert.equal(await background(page), "rgb(20, 17, 16)", "the theme is kept");
      await page.getByText("Simulated model.").waitFor();
      await start(page);
      const [sample, { config }] = sent.filter((m) => m.type === "start_session");
      assert.deepEqual(sample.config, config, "the sample is spoken as the conversation will be");
      assert.deepEqual(config, {
        assistant: "tutor",
        voice: "Zephyr",
        language: "de-DE",
        vad: { startSensitivity: "low" },
        transcription: { input: true, output: true },
        resumable: true,
      });
      await page.getByText("Details").click();
      await page.locator("[data-fact=Voice]").getByText("Zephyr, de-DE").waitFor();
      await end(page);
    }));

  it("change the voice in mid-conversation, and nothing that can only be chosen before", { timeout: 90_000 }, () =>
    here.onPage(async (page) => {
      const sent = sentBy(page);
      await page.getByText("Simulated model.").waitFor();
      await start(page);
      await press(page, "Mute");
      await write(page, "Hello?");
      await until(page, "the end of the answer", (f) => f.status === "listening" && f.captions.at(-1)?.who === "model" && f.queuedMs === 0, 30_000);
      await press(page, "Settings");
      await page.getByLabel("Voice").selectOption("Puck");
      await page.getByLabel("Assistant").selectOption("Tutor");
      await page.getByText("From the next conversation on.").first().waitFor();
      await page.getByRole("button", { name: "Done", exact: true }).click();
      assert.deepEqual(sent.filter((m) => m.type === "update_session").map((m) => m.config), [{ voice: "Puck" }]);
      await page.getByText("Details").click();
      await page.locator("[data-fact=Voice]").getByText("Puck").waitFor({ timeout: 30_000 });
      await end(page);
    }));

  it("choose and test the devices, before a conversation and in it", { timeout: 90_000 }, () =>
    here.onPage(async (page) => {
      await press(page, "Settings");
      await press(page, "Test the microphone");
      const meter = page.getByRole("meter");
      const level = async () => Number(await meter.getAttribute("aria-valuenow"));
      const loud = async () => {
        for (const deadline = Date.now() + 20_000; (await level()) < 20; ) {
          assert.ok(Date.now() < deadline, "the test shows what is heard");
          await new Promise((done) => setTimeout(done, 50));
        }
      };
      await loud();
      await accessible(page, "settings, testing");
      // Names are known now; a device can be chosen, and is tested instead.
      const microphone = page.getByLabel("Microphone", { exact: true });
      const names = await microphone.locator("option").allTextContents();
      assert.ok(names.length > 1 && names[0] === "The system's choice", names.join());
      await microphone.selectOption({ index: 1 });
      await loud();
      await press(page, "Play a sound");
      await press(page, "Stop the test");
      await meter.waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Done", exact: true }).click();

      await start(page);
      await until(page, "the microphone to be heard", (f) => f.levelMicrophone > 0.01);
      await press(page, "Settings");
      await loud();
      await microphone.selectOption({ index: 0 });
      const { sent } = await facts(page);
      await until(page, "speech from the other microphone", (f) => f.sent > sent + 50 && f.levelMicrophone > 0.01);
      await page.getByRole("button", { name: "Done", exact: true }).click();
      await end(page);
    }));

  it("follow a headset that changes the rate in the middle of an answer", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      await page.addInitScript(() => {
        const world = /** @type {any} */ (globalThis);
        world.contexts = [];
        globalThis.AudioContext = class extends AudioContext {
          /** @param {AudioContextOptions} [options] */
          constructor(options) {
            super({ ...options, ...(world.rate ? { sampleRate: world.rate } : {}) });
            world.contexts.push(this);
          }
        };
      });
      await page.reload();
      await start(page);
      await press(page, "Mute");
      await write(page, "Please tell me a long story about a stone bridge, an old miller and the river below them.");
      const before = await until(page, "an answer that sounds", (f) => f.status === "speaking" && f.levelSpeech > 0.01 && f.playedMs > 500, 30_000);
      await page.evaluate(() => {
        /** @type {any} */ (globalThis).rate = 16_000;
        navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
      });
      const open = () => page.evaluate(() => /** @type {any} */ (globalThis).contexts.filter((/** @type {AudioContext} */ c) => c.state !== "closed").map((/** @type {AudioContext} */ c) => c.sampleRate));
      for (const deadline = Date.now() + 10_000; String(await open()) !== "16000"; ) {
        assert.ok(Date.now() < deadline, `one context at the new rate, not ${await open()}`);
        await new Promise((done) => setTimeout(done, 50));
      }
      const after = await until(page, "the answer to go on", (f) => f.levelSpeech > 0.01 && f.playedMs > before.playedMs + 1000);
      assert.equal(after.underruns, before.underruns);
      assert.equal(after.status, "speaking");
      await press(page, "Unmute");
      await until(page, "the microphone to be heard again", (f) => f.sent > after.sent + 50 && f.levelMicrophone > 0.01);
      await end(page);
    }));

  it("hide the captions, and the text box goes on", { timeout: 60_000 }, () =>
    here.onPage(
      async (page) => {
        await press(page, "Settings");
        await page.getByRole("switch", { name: "Captions" }).uncheck();
        await page.getByRole("button", { name: "Done", exact: true }).click();
        await start(page);
        await write(page, "Hello?");
        await until(page, "an answer that sounds", (f) => f.levelSpeech > 0.01, 30_000);
        assert.equal(await page.getByRole("log").count(), 0);
        await accessible(page, "without captions");
        await end(page);
      },
      { viewport: { width: 390, height: 844 } },
    ));
});
