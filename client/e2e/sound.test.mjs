// The worklets that the server hands out, in the real browser's audio thread: known signals in, samples out. The unit tests of
// src/voice/worklets.test.ts ask more of the same code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { setUp } from "./setup.mjs";

const here = setUp();

/** @param {"capture" | "playback"} name */
function address(name) {
  const found = new RegExp(`${name}WorkletUrl = "([^"]+)"`).exec(readFileSync(new URL("../src/voice/worklets.gen.ts", import.meta.url), "utf8"));
  assert.ok(found?.[1], `npm run generate has not made ${name}'s address`);
  return found[1];
}

/** Runs a piece of the page's own world, which knows no module. @param {string} script */
const inBrowser = (script) =>
  /** @type {Promise<any>} */ (
    new Promise((done, failed) => {
      here
        .onPage(async (page) => done(await page.evaluate(`(async () => { ${common}\n${script} })()`)))
        .catch(failed);
    })
  );

const common = `
  const delivered = () => new Promise((done) => setTimeout(done, 10));
  const tones = (t) => [180, 440, 1250, 3700, 6500].reduce((sum, hz, i) => sum + Math.sin(2 * Math.PI * hz * t + i) / 5, 0) * 0.9;
  const decibels = (x) => 20 * Math.log10(x + 1e-12);
  /** The playback worklet; at each time it is told something, once what was told has arrived. */
  async function played(rate, seconds, told) {
    const context = new OfflineAudioContext(1, Math.ceil(seconds * rate), rate);
    await context.audioWorklet.addModule(${JSON.stringify(address("playback"))});
    const node = new AudioWorkletNode(context, "stonepot-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    node.connect(context.destination);
    const reports = [];
    node.port.onmessage = (event) => reports.push(event.data);
    for (const [at, ...commands] of told) {
      context.suspend(at).then(async () => {
        for (const command of commands) node.port.postMessage(command);
        await delivered();
        await context.resume();
      });
    }
    const samples = (await context.startRendering()).getChannelData(0);
    await delivered();
    return { samples, report: reports.at(-1) };
  }
  /** So many milliseconds of speech as a command. */
  const speech = (signal, fromMs, ms) =>
    ({ type: "audio", pcm: Int16Array.from({ length: ms * 24 }, (_, i) => Math.round(signal((fromMs * 24 + i) / 24000) * 32767)).buffer });
`;

describe("the worklets in the browser", () => {
  for (const rate of [44_100, 48_000, 96_000]) {
    it(`capture at ${rate} Hz: the ideal samples at 16 kHz within -80 dB, and nothing of a whistle at 11 kHz`, { timeout: 60_000 }, async () => {
      const worst = await inBrowser(`
        const context = new OfflineAudioContext(1, ${rate} * 2, ${rate});
        await context.audioWorklet.addModule(${JSON.stringify(address("capture"))});
        const buffer = context.createBuffer(1, ${rate} * 2, ${rate});
        buffer.getChannelData(0).forEach((_, i, all) => (all[i] = tones(i / ${rate}) / 2 + 0.4 * Math.sin(2 * Math.PI * 11000 * i / ${rate})));
        const source = context.createBufferSource();
        source.buffer = buffer;
        const node = new AudioWorkletNode(context, "stonepot-capture", { channelCount: 1, channelCountMode: "explicit" });
        const frames = [];
        node.port.onmessage = (event) => frames.push(new Int16Array(event.data.pcm));
        source.connect(node).connect(context.destination);
        source.start();
        await context.startRendering();
        for (const deadline = Date.now() + 5000; frames.length < 98 && Date.now() < deadline; ) await delivered();
        const out = frames.flatMap((frame) => [...frame]);
        let worst = out.length < 98 * 320 ? 1 : 0;
        for (let i = 320; i < out.length - 320; i++) worst = Math.max(worst, Math.abs(out[i] / 32767 - tones(i / 16000) / 2));
        return decibels(worst);
      `);
      console.log(`capture at ${rate} Hz: ${worst.toFixed(1)} dB`);
      assert.ok(worst < -80, `${worst} dB`);
    });
  }

  it("a burst of 60 s at ten times real time plays whole, in order, and within -80 dB of the ideal", { timeout: 60_000 }, async () => {
    const { worst, report } = await inBrowser(`
      const told = Array.from({ length: 60 }, (_, second) => [second / 10, speech(tones, second * 1000, 1000)]);
      told.at(-1).push({ type: "end" });
      const { samples, report } = await played(48000, 62, told);
      const first = samples.findIndex((s) => s !== 0);
      const begin = first - (first % 128);
      let worst = 0;
      for (let i = 960; i < 60 * 48000 - 960; i++) worst = Math.max(worst, Math.abs(samples[begin + i] - tones(i / 48000)));
      return { worst: decibels(worst), report };
    `);
    console.log(`playback: ${worst.toFixed(1)} dB`);
    assert.ok(worst < -80, `${worst} dB`);
    assert.equal(report.played, 60 * 24_000);
    assert.deepEqual([report.queued, report.refused, report.underruns], [0, 0, 0]);
  });

  it("an interruption is silent within 30 ms, without a click", { timeout: 60_000 }, async () => {
    const { before, silentAfterMs, steepest } = await inBrowser(`
      const tone = (t) => 0.5 * Math.sin(2 * Math.PI * 440 * t);
      const strike = 1.024; // a whole number of blocks
      const { samples } = await played(48000, 1.5, [[0, speech(tone, 0, 3000)], [strike, { type: "clear" }]]);
      const at = strike * 48000;
      let steepest = 0;
      for (let i = at - 4800; i < samples.length; i++) steepest = Math.max(steepest, Math.abs(samples[i] - samples[i - 1]));
      return {
        before: samples.subarray(at - 4800, at).reduce((most, s) => Math.max(most, Math.abs(s)), 0),
        silentAfterMs: (samples.findLastIndex((s) => s !== 0) + 1 - at) / 48,
        steepest: steepest / (0.5 * 2 * Math.PI * 440 / 48000),
      };
    `);
    assert.ok(before > 0.4, "it sounded");
    assert.ok(silentAfterMs > 0 && silentAfterMs < 30, `silent after ${silentAfterMs} ms`);
    assert.ok(steepest < 1.5, `${steepest} times the tone's own slope`);
  });

  it("speech that comes within 5 % of its time plays without an underrun", { timeout: 60_000 }, async () => {
    const report = await inBrowser(`
      let state = 7;
      const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
      const told = Array.from({ length: 75 }, (_, i) => [i * 0.04 + random() * 0.002, speech(tones, i * 40, 40)]);
      told.at(-1).push({ type: "end" });
      return (await played(48000, 4, told)).report;
    `);
    assert.deepEqual([report.played, report.queued, report.underruns], [75 * 960, 0, 0]);
  });
});
