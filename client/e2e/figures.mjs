// Measures what the talk page costs a browser: npm run figures -- [runs]. Headless Chromium, a cold cache each time. The network and
// the CPU are slowed as Lighthouse slows a phone's: 150 ms there and back, 1.6 Mbit/s down, 0.75 up, a quarter of the CPU.
import { launchChromium } from "./chromium.mjs";
import { until } from "./page.mjs";
import { startStonepot } from "./stonepot.mjs";
import { end, start } from "./stories.mjs";

const runs = Number(process.argv[2] ?? 5);
const slow4g = { offline: false, latency: 150, downloadThroughput: (1.6e6 / 8) * 0.9, uploadThroughput: (0.75e6 / 8) * 0.9 };
const slowdown = 4;
/** A task longer than this is felt; the page is interactive when the last one before a quiet second is over. */
const longTaskMs = 50;
/** So long the visual is watched while the model speaks. */
const watchedMs = 4000;

const server = await startStonepot();
const browser = await launchChromium();
try {
  /** @type {Record<string, number[]>} */
  const figures = {};
  const note = (/** @type {string} */ name, /** @type {number} */ value) => (figures[name] ??= []).push(value);
  for (let i = 0; i < runs; i++) {
    for (const [name, value] of Object.entries(await load())) note(name, value);
    for (const slowed of [1, slowdown]) {
      for (const [name, value] of Object.entries(await speak(slowed))) note(name, value);
    }
  }
  console.log(`${runs} runs: median (least to most)`);
  for (const [name, values] of Object.entries(figures)) {
    const sorted = values.toSorted((a, b) => a - b);
    const show = (/** @type {number | undefined} */ x) => String(Math.round((x ?? NaN) * 1000) / 1000);
    console.log(`${name}: ${show(sorted[sorted.length >> 1])} (${show(sorted[0])} to ${show(sorted.at(-1))})`);
  }
} finally {
  await browser.close();
  await server.stop();
}

/** Loads the page on a slow phone. */
async function load() {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  try {
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    await devtools.send("Network.enable");
    await devtools.send("Network.emulateNetworkConditions", slow4g);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
    /** @type {Map<string, string>} */
    const kinds = new Map();
    const bytes = { all: 0, Script: 0 };
    devtools.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type));
    devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      bytes.all += encodedDataLength;
      if (kinds.get(requestId) === "Script") bytes.Script += encodedDataLength;
    });
    await page.addInitScript(`
      window.figures = { tasks: [], shift: 0, lcp: 0 };
      const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
      watch("longtask", (x) => figures.tasks.push([x.startTime, x.duration]));
      watch("layout-shift", (x) => { figures.shift += x.value; });
      watch("largest-contentful-paint", (x) => { figures.lcp = x.startTime; });
    `);
    await page.goto(server.url);
    await page.getByText("Simulated model.").waitFor();
    const first = { ...bytes };
    // Parts that are fetched when the page has nothing to do come after that.
    await page.waitForTimeout(3000);
    const found = /** @type {{ tasks: [number, number][], shift: number, lcp: number, fcp: number, loaded: number }} */ (
      await page.evaluate(`({ ...figures,
        fcp: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
        loaded: performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd })`)
    );
    const tasks = found.tasks.filter(([, ms]) => ms > longTaskMs);
    return {
      "transferred until the page has drawn the server's answer, bytes": first.all,
      "of that script, bytes": first.Script,
      "transferred in all, parts for later included, bytes": bytes.all,
      "first contentful paint, ms": found.fcp,
      "largest contentful paint, ms": found.lcp,
      "interactive (scripts run, last long task over), ms": Math.max(found.loaded, ...tasks.map(([at, ms]) => at + ms)),
      "blocking time (tasks beyond 50 ms), ms": tasks.reduce((sum, [, ms]) => sum + ms - longTaskMs, 0),
      "layout shift": found.shift,
    };
  } finally {
    await context.close();
  }
}

/**
 * Watches the main thread while the model speaks.
 * @param {number} slowed
 */
async function speak(slowed) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  try {
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    await devtools.send("Performance.enable");
    await page.goto(server.url);
    await start(page);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowed });
    await until(page, "loud speech", (f) => f.status === "speaking" && f.levelSpeech > 0.02);
    await page.evaluate(`window.frames$ = 0; (function next() { frames$++; requestAnimationFrame(next); })()`);
    const before = await busy();
    await page.waitForTimeout(watchedMs);
    const after = await busy();
    const frames = /** @type {number} */ (await page.evaluate("frames$"));
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: 1 });
    await end(page);
    const each = (/** @type {keyof typeof before} */ what) => ((after[what] - before[what]) * 1000) / frames;
    const at = slowed === 1 ? "" : `, CPU / ${slowed}`;
    return {
      [`main thread while speaking, ms a frame${at}`]: each("TaskDuration"),
      [`of that script, ms a frame${at}`]: each("ScriptDuration"),
      [`frames a second while speaking${at}`]: frames / (after.Timestamp - before.Timestamp),
    };

    async function busy() {
      const { metrics } = await devtools.send("Performance.getMetrics");
      const value = (/** @type {string} */ name) => metrics.find((x) => x.name === name)?.value ?? NaN;
      return { TaskDuration: value("TaskDuration"), ScriptDuration: value("ScriptDuration"), Timestamp: value("Timestamp") };
    }
  } finally {
    await context.close();
  }
}
