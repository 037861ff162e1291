// The whole path in Chromium: microphone, page, Stonepot, simulator, and back to the speaker.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { launchChromium } from "./chromium.mjs";
import { accessible, facts, press, until, write } from "./page.mjs";
import { setUp } from "./setup.mjs";
import { startStonepot } from "./stonepot.mjs";
import { answered, end, interruptedByVoice, muted, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

const here = setUp();

/**
 * The name of what has the keyboard's focus.
 * @param {Page} page
 */
function focused(page) {
  return page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
}

/** How many sessions the server holds now. */
async function activeSessions() {
  const response = await fetch(`${here.server.url}/api/session/stats`);
  const body = /** @type {any} */ (await response.json());
  return Number(body.active ?? body.stats?.active ?? body.sessions?.active);
}

describe("a conversation", () => {
  it("is heard and read on both sides, and ends cleanly", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      const idle = await facts(page);
      assert.equal(idle.status, "idle");
      assert.equal(idle.title, "Press to talk");
      await page.getByText("Simulated model.").waitFor();
      // The only press with the mouse; the stories use the keyboard.
      await page.getByRole("button", { name: "Start talking" }).click();
      await until(page, "the conversation to begin", (f) => !["idle", "connecting"].includes(f.status));
      await answered(page);
      assert.equal(await activeSessions(), 1);
      await end(page);
      for (const deadline = Date.now() + 5000; (await activeSessions()) > 0; ) {
        assert.ok(Date.now() < deadline, "the session is over at the server too");
        await new Promise((done) => setTimeout(done, 50));
      }
    }));

  it("is interrupted by voice", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await interruptedByVoice(page);
      await end(page);
    }));

  it("takes text, and stays silent while muted", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await muted(page);
      const { playedMs } = await facts(page);
      await write(page, "How deep is the river?");
      await until(page, "an answer to the text", (f) => f.playedMs > playedMs + 200);
      const { captions } = await until(page, "its caption", (f) => f.captions.at(-1)?.who === "model");
      assert.equal(captions.at(-2)?.text, "How deep is the river?");
      assert.equal(captions.filter((c) => c.text === "How deep is the river?").length, 1, "typed words are shown once");
      await until(page, "the end of the answer", (f) => f.status === "listening", 30_000);
      await end(page);
    }));

  it("can be had again after its end", { timeout: 60_000 }, () =>
    here.onPage(async (page) => {
      await start(page);
      await end(page);
      await start(page);
      await answered(page);
      await end(page);
    }));

  it("leaves nothing open, ten times over", { timeout: 120_000 }, () =>
    here.onPage(async (page) => {
      await page.addInitScript(() => {
        const opened = /** @type {any} */ (globalThis).opened = { contexts: /** @type {AudioContext[]} */ ([]), tracks: /** @type {MediaStreamTrack[]} */ ([]), sockets: /** @type {WebSocket[]} */ ([]) };
        globalThis.AudioContext = class extends AudioContext {
          /** @param {AudioContextOptions} [options] */
          constructor(options) {
            super(options);
            opened.contexts.push(this);
          }
        };
        globalThis.WebSocket = class extends WebSocket {
          /** @param {string | URL} address @param {string | string[]} [protocols] */
          constructor(address, protocols) {
            super(address, protocols);
            opened.sockets.push(this);
          }
        };
        const devices = navigator.mediaDevices;
        const ask = devices.getUserMedia.bind(devices);
        devices.getUserMedia = async (constraints) => {
          const stream = await ask(constraints);
          opened.tracks.push(...stream.getTracks());
          return stream;
        };
      });
      await page.reload();
      for (let i = 0; i < 10; i++) {
        await press(page, "Start talking");
        // Every other one is left while it still connects.
        if (i % 2 === 0) await until(page, "the conversation to begin", (f) => !["idle", "connecting", "ended"].includes(f.status));
        await press(page, "End");
        await until(page, "the end", (f) => f.status === "ended");
        assert.equal(await focused(page), "Start talking", "the keyboard goes on at the big button");
      }
      const open = () =>
        page.evaluate(() => {
          const { contexts, tracks, sockets } = /** @type {any} */ (globalThis).opened;
          return {
            opened: [contexts.length, tracks.length >= 5, sockets.length >= 5],
            contexts: contexts.filter((/** @type {AudioContext} */ c) => c.state !== "closed").length,
            tracks: tracks.filter((/** @type {MediaStreamTrack} */ t) => t.readyState !== "ended").length,
            sockets: sockets.filter((/** @type {WebSocket} */ s) => s.readyState !== WebSocket.CLOSED).length,
          };
        });
      const nothing = { opened: [10, true, true], contexts: 0, tracks: 0, sockets: 0 };
      for (const deadline = Date.now() + 5000; JSON.stringify(await open()) !== JSON.stringify(nothing) && Date.now() < deadline; ) {
        await new Promise((done) => setTimeout(done, 50));
      }
      assert.deepEqual(await open(), nothing);
      // A socket that is left while it connects is named on the console.
    }, { expectErrors: true }));
});

describe("trouble is told with the next step", () => {
  it("a refused microphone; typing goes on without it", { timeout: 60_000 }, async () => {
    const refusing = await launchChromium({ microphone: "refused" });
    try {
      await here.onPage(
        async (page) => {
          await press(page, "Start talking");
          await until(page, "the refusal", (f) => f.problem === "microphone_refused");
          await page.getByText("Allow it with the icon beside the address").waitFor();
          await accessible(page, "microphone refused");
          await press(page, "Type instead");
          await until(page, "a conversation in writing", (f) => f.status === "listening");
          assert.equal(await focused(page), "Message", "the keyboard goes on at the text box");
          await write(page, "Can you read me?");
          await until(page, "an answer that sounds", (f) => f.levelSpeech > 0.01);
          await end(page);
        },
        // The socket is left while it connects, and the console says so.
        { from: refusing, expectErrors: true },
      );
    } finally {
      await refusing.close();
    }
  });

  it("no microphone", { timeout: 60_000 }, async () => {
    const deaf = await launchChromium({ microphone: "missing" });
    try {
      await here.onPage(
        async (page) => {
          await press(page, "Start talking");
          await until(page, "the problem", (f) => f.problem === "microphone_missing");
          await accessible(page, "no microphone");
        },
        { from: deaf, expectErrors: true },
      );
    } finally {
      await deaf.close();
    }
  });

  it("an address that is not secure", { timeout: 60_000 }, async () => {
    const mapped = await launchChromium({ args: ["--host-resolver-rules=MAP stonepot.test 127.0.0.1"] });
    try {
      await here.onPage(
        async (page) => {
          await press(page, "Start talking");
          await until(page, "the problem", (f) => f.problem === "insecure_origin");
          await accessible(page, "an address that is not secure");
        },
        { from: mapped, url: `http://stonepot.test:${here.server.port}`, expectErrors: true },
      );
    } finally {
      await mapped.close();
    }
  });

  it("a full server, and room again", { timeout: 60_000 }, async () => {
    const small = await startStonepot({ STONEPOT_LIVE_MAX_SESSIONS: "1" });
    try {
      await here.onPage(
        async (first) => {
          await start(first);
          await here.onPage(
            async (second) => {
              await press(second, "Start talking");
              await until(second, "the refusal", (f) => f.problem === "at_capacity");
              await accessible(second, "server full");
              await end(first);
              await start(second);
              await end(second);
            },
            // The browser's console names the 503.
            { url: small.url, expectErrors: true },
          );
        },
        { url: small.url },
      );
    } finally {
      await small.stop();
    }
  });

  it("a server that vanishes, and one that is gone", { timeout: 90_000 }, async () => {
    const dying = await startStonepot();
    try {
      await here.onPage(
        async (page) => {
          await start(page);
          dying.kill("SIGKILL");
          await until(page, "the broken line to be told", (f) => f.notice === "resuming");
          await end(page);
          await press(page, "Start talking");
          await until(page, "the missing server to be told", (f) => f.problem === "server_unreachable");
          await accessible(page, "no server");
        },
        { url: dying.url, expectErrors: true },
      );
    } finally {
      await dying.stop();
    }
  });

  it("a device without a network", { timeout: 60_000 }, () =>
    here.onPage(
      async (page) => {
        await page.context().setOffline(true);
        await press(page, "Start talking");
        await until(page, "the problem", (f) => f.problem === "offline");
        await accessible(page, "offline");
      },
      { expectErrors: true },
    ));

  it("a page that does not exist", () =>
    here.onPage(
      async (page) => {
        const response = await page.goto(`${here.server.url}/no/such/page/`);
        assert.equal(response?.status(), 404);
        await page.getByRole("heading", { name: "This page does not exist" }).waitFor();
        await accessible(page, "not found");
        await page.getByRole("link", { name: "Start a conversation" }).click();
        await until(page, "the page", (f) => f.status === "idle");
      },
      { expectErrors: true },
    ));
});

