// Takes pictures of every page and state, on a phone and on a desk, light and dark: npm run screenshots -- <folder> [scene]
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { launchChromium } from "./chromium.mjs";
import { facts, until } from "./page.mjs";
import { scenes } from "./scenes.mjs";
import { startStonepot } from "./stonepot.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** A state goes by while its picture is taken; it comes again with the recording. */
const tries = 12;

const [target, only] = process.argv.slice(2);
if (!target) throw new Error("Say where the pictures go: npm run screenshots -- <folder> [scene]");
const folder = resolve(target);
await mkdir(folder, { recursive: true });

/** @typedef {import("playwright-core").BrowserContextOptions & { viewport: { width: number, height: number }, tight?: boolean }} Size */

const phone = { deviceScaleFactor: 2, isMobile: true, hasTouch: true };
/**
 * Two at a time: most of it is waiting for what is said. Those beside the phone and the desk have only what is tight there.
 * @type {Size[][]}
 */
const sizes = [
  [
    { viewport: { width: 390, height: 844 }, ...phone },
    { viewport: { width: 320, height: 640 }, ...phone, tight: true },
  ],
  [
    { viewport: { width: 1440, height: 900 } },
    { viewport: { width: 844, height: 390 }, ...phone, tight: true },
    { viewport: { width: 820, height: 1180 }, ...phone, tight: true },
  ],
];

const operatorKey = "the operator's key for these pictures";
const [speaks, refused] = await Promise.all([
  launchChromium({ args: ["--use-fake-device-for-media-stream=device-count=2"] }),
  launchChromium({ microphone: "refused" }),
]);
let taken = 0;
try {
  await Promise.all(
    sizes.map(async (lane) => {
      for (const size of lane) await takeAll(size);
    }),
  );
} finally {
  await Promise.all([speaks.close(), refused.close()]);
}
console.log(`${taken} pictures are in ${folder}.`);

/** @param {Size} size */
async function takeAll({ tight = false, ...size }) {
  // Its own: the operator's page shows who talks.
  const server = await startStonepot({ STONEPOT_OPERATOR_KEY: operatorKey }, "simulator:\n  thinking_delay: 700ms\n  thinking_extra: 0s\n");
  try {
    for (const [name, scene] of Object.entries(scenes)) {
      if ((only && name !== only) || (tight && !scene.tight)) continue;
      /** @type {import("playwright-core").BrowserContext[]} */
      const contexts = [];
      const open = async (/** @type {string} */ url, { microphone = true, serviceWorkers = /** @type {"allow" | "block"} */ ("block") } = {}) => {
        const context = await (microphone ? speaks : refused).newContext({ ...size, serviceWorkers });
        contexts.push(context);
        const page = await context.newPage();
        await page.goto(url);
        // The font that came too late for the first look (src/pages/_app.tsx) is there for the second.
        await page.evaluate("document.fonts.ready.then(() => undefined)");
        await page.reload();
        return page;
      };
      try {
        await scene.play({ server, operatorKey, open, shoot: (page, picture, options) => shoot(page, size.viewport, picture, options) });
      } finally {
        for (const context of contexts) await context.close();
      }
    }
  } finally {
    await server.stop();
  }
}

/**
 * Takes both themes' pictures of what the page shows, or, where `wanted` says so, as soon as it shows it.
 * @param {Page} page
 * @param {Size["viewport"]} viewport
 * @param {string} name
 * @param {{ wanted?: (facts: import("./page.mjs").Facts) => boolean, fullPage?: boolean }} [options]
 */
async function shoot(page, { width, height }, name, { wanted, fullPage = false } = {}) {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme });
    const path = join(folder, `${width}x${height}-${colorScheme}-${name}.png`);
    for (let left = tries; left > 0; left--) {
      if (wanted) await until(page, name, wanted, 40_000);
      await page.screenshot({ path, animations: "disabled", fullPage });
      if (!wanted || wanted(await facts(page))) break;
      if (left === 1) console.log(`${path} may show what came after it.`);
    }
    taken++;
  }
}
