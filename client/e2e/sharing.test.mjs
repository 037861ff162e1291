// Camera and screen: what the model is shown, and that it says so.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launchChromium, onPage as onPageOf } from "./chromium.mjs";
import { accessible, press, until, write } from "./page.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, start } from "./stories.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** Small, so that pictures must be made to fit. */
const maxVideoBytes = 24_000;

/** @type {import("./stonepot.mjs").Server} */
let server;
before(async () => {
  server = await startStonepot({ STONEPOT_LIMITS_MAX_VIDEO_BYTES: String(maxVideoBytes) });
});
after(() => server?.stop());

/**
 * The pictures that a page sends, as bytes.
 * @param {Page} page
 */
function picturesOf(page) {
  /** @type {Buffer[]} */
  const pictures = [];
  page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => {
      if (typeof payload !== "string" || !payload.startsWith('{"type":"video_frame"')) return;
      assert.ok(payload.length <= maxVideoBytes, `a picture of ${payload.length} bytes`);
      const { mimeType, data } = JSON.parse(payload);
      assert.equal(mimeType, "image/jpeg");
      pictures.push(Buffer.from(data, "base64"));
    }),
  );
  return pictures;
}

/** @param {string} what @param {() => boolean} wanted */
async function waitFor(what, wanted) {
  for (const deadline = Date.now() + 20_000; !wanted(); await new Promise((done) => setTimeout(done, 50))) {
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
  }
}

/** @param {Page} page @param {number} atLeast */
async function sees(page, atLeast) {
  const before = await page.locator("[data-who=model]").count();
  await write(page, "What do you see?");
  const answered = () =>
    page.evaluate((from) => [...document.querySelectorAll("[data-who=model]")].slice(from).map((x) => x.textContent ?? "").join(" "), before);
  let text = "";
  for (const deadline = Date.now() + 30_000; !/shown (\d+) pictures\./.test(text); text = await answered()) {
    assert.ok(Date.now() < deadline, `the model says what it was shown: ${text}`);
    await new Promise((done) => setTimeout(done, 100));
  }
  const shown = Number(/shown (\d+) pictures\./.exec(text)?.[1]);
  assert.ok(shown >= atLeast, `${shown} pictures`);
  await until(page, "the end of the answer", (f) => f.status === "listening" && f.queuedMs === 0, 30_000);
}

describe("the model sees", () => {
  it("a camera, the other camera and the screen, one picture a second, and nothing when paused", { timeout: 120_000 }, async () => {
    const browser = await launchChromium({ args: ["--use-fake-device-for-media-stream=device-count=2"] });
    try {
      await onPageOf(
        async (page) => {
          const pictures = picturesOf(page);
          await start(page);
          await press(page, "Mute");
          await until(page, "quiet", (f) => f.muted && f.status === "listening" && f.queuedMs === 0, 30_000);
          const from = Date.now(); // before the first picture can have gone
          await press(page, "Camera");
          const preview = page.locator("[data-sharing=camera]");
          await preview.waitFor();
          await waitFor("three pictures", () => pictures.length >= 3);
          assert.ok(Date.now() - from > 1500, "no more than one a second");
          for (const picture of pictures) assert.equal(picture.readUInt16BE(0), 0xffd8, "it is a JPEG");
          await accessible(page, "camera on");
          await sees(page, 3);

          await press(page, "Pause what the model sees");
          await page.locator("[data-paused=person]").waitFor();
          const paused = pictures.length;
          await new Promise((done) => setTimeout(done, 1500));
          assert.equal(pictures.length, paused, "nothing is sent while paused");
          await press(page, "Go on showing");
          await waitFor("more pictures", () => pictures.length > paused);

          const device = () => page.evaluate(() => /** @type {MediaStream} */ (document.querySelector("video")?.srcObject).getVideoTracks()[0]?.getSettings().deviceId);
          const first = await device();
          await press(page, "Switch the camera");
          for (let next = first; next === first; next = await device().catch(() => first)) await new Promise((done) => setTimeout(done, 50));
          const switched = pictures.length;
          await waitFor("pictures of the other camera", () => pictures.length > switched);

          await press(page, "Screen");
          await page.locator("[data-sharing=screen]").waitFor();
          const shared = pictures.length;
          await waitFor("pictures of the screen", () => pictures.length > shared);
          await press(page, "Stop showing");
          await page.locator("[data-sharing]").waitFor({ state: "detached" });
          const stopped = pictures.length;
          await new Promise((done) => setTimeout(done, 1200));
          assert.equal(pictures.length, stopped, "nothing is sent any more");
          const f = await end(page);
          assert.equal(f.dropped, 0);
        },
        { from: browser, url: server.url },
      );
    } finally {
      await browser.close();
    }
  });

  for (const [microphone, code] of /** @type {const} */ ([["refused", "camera_refused"], ["missing", "camera_missing"]])) {
    it(`nothing where the camera is ${microphone}, and the conversation goes on`, { timeout: 60_000 }, async () => {
      const browser = await launchChromium({ microphone });
      try {
        await onPageOf(
          async (page) => {
            await press(page, "Start talking");
            await until(page, "the problem", (f) => f.problem !== "");
            await press(page, "Type instead");
            await until(page, "a conversation in writing", (f) => f.status === "listening");
            await press(page, "Camera");
            await page.locator(`[data-sharing-problem=${code}]`).waitFor();
            await accessible(page, code);
            await press(page, "Close");
            await page.locator("[data-sharing-problem]").waitFor({ state: "detached" });
            await end(page);
          },
          { from: browser, url: server.url, viewport: { width: 390, height: 844 }, expectErrors: true },
        );
      } finally {
        await browser.close();
      }
    });
  }
});
