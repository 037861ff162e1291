// Sound proved by samples: what the worklets' own code makes of known signals, compared with the ideal.
import { afterAll, describe, expect, it } from "vitest";
import { capture, Playback, quantum } from "./worklet-host";

afterAll(() => void Reflect.deleteProperty(globalThis, "sampleRate"));

const wireHz = 16_000;
const speechHz = 24_000;

/** A signal as a function of the time in seconds, so that it can be had at any rate. */
type Signal = (seconds: number) => number;

/** Tones of these frequencies, whose peaks together stay below full scale. */
const tones =
  (frequencies: readonly number[]): Signal =>
  (t) =>
    frequencies.reduce((sum, hz, i) => sum + Math.sin(2 * Math.PI * hz * t + i) / frequencies.length, 0) * 0.9;

/** A tone that glides from one frequency to another. */
const sweep =
  (fromHz: number, toHz: number, seconds: number): Signal =>
  (t) =>
    0.9 * Math.sin(2 * Math.PI * (fromHz * t + ((toHz - fromHz) * t * t) / (2 * seconds)));

const sampled = (signal: Signal, rateHz: number, seconds: number): Float32Array =>
  Float32Array.from({ length: Math.round(rateHz * seconds) }, (_, i) => signal(i / rateHz));

const pcm = (samples: Float32Array): Int16Array => Int16Array.from(samples, (s) => Math.round(s * 32767));

const decibels = (amplitude: number): number => 20 * Math.log10(amplitude + 1e-12);

/** The largest sample, away from the first and last 20 ms. */
function peak(samples: Float32Array, rateHz: number): number {
  const edge = Math.round(rateHz * 0.02);
  return samples.subarray(edge, samples.length - edge).reduce((most, s) => Math.max(most, Math.abs(s)), 0);
}

/** The largest difference between what came out and the signal itself, in dB of full scale. */
function errorDb(out: Float32Array, signal: Signal, rateHz: number): number {
  return decibels(peak(out.map((s, i) => s - signal(i / rateHz)), rateHz));
}

async function captured(signal: Signal, deviceHz: number, seconds: number): Promise<Float32Array> {
  const frames = await capture(deviceHz, sampled(signal, deviceHz, seconds));
  return Float32Array.from(frames.flatMap((frame) => Array.from(new Int16Array(frame.pcm), (s) => s / 32767)));
}

for (const deviceHz of [44_100, 48_000, 96_000]) {
  describe(`the microphone at ${deviceHz} Hz`, () => {
    it("arrives as the ideal samples at 16 kHz: seven tones, within -85 dB of full scale", async () => {
      const signal = tones([97, 313, 1009, 2503, 4001, 5507, 6899]);
      const out = await captured(signal, deviceHz, 1);
      expect(out.length).toBeGreaterThanOrEqual(0.96 * wireHz);
      expect(errorDb(out, signal, wireHz)).toBeLessThan(-85);
    });

    it("arrives as the ideal samples at 16 kHz: a sweep from 50 Hz to 6.9 kHz, within -80 dB of full scale", async () => {
      const signal = sweep(50, 6900, 2);
      expect(errorDb(await captured(signal, deviceHz, 2), signal, wireHz)).toBeLessThan(-80);
    });

    it("folds nothing back from above 8 kHz: each tone is gone by 85 dB", async () => {
      for (const toneHz of [8000, 8100, 9000, 12_000, 15_900, 16_000, 17_000, 20_000, 22_000].concat(deviceHz > 90_000 ? [31_000, 32_000, 47_000] : [])) {
        const out = await captured(tones([toneHz]), deviceHz, 0.5);
        expect(decibels(peak(out, wireHz)), `${toneHz} Hz`).toBeLessThan(-85);
      }
    });

    it("lets speech through that lies beneath a whistle, as if there were none", async () => {
      const speech: Signal = (t) => tones([220, 660, 3300])(t) / 2;
      const whistle: Signal = (t) => 0.45 * Math.sin(2 * Math.PI * 14_500 * t);
      const out = await captured((t) => speech(t) + whistle(t), deviceHz, 1);
      expect(errorDb(out, speech, wireHz)).toBeLessThan(-85);
    });
  });
}

for (const deviceHz of [44_100, 48_000, 96_000]) {
  describe(`the speaker at ${deviceHz} Hz`, () => {
    const signal = tones([180, 440, 1250, 3700, 7900, 9700]);

    // The whole minute once; what a device's rate changes shows in seconds.
    const seconds = deviceHz === 48_000 ? 60 : 3;

    it(`plays a burst of ${seconds} s that comes ten times too fast, whole, in order and as the ideal samples, within -80 dB`, async () => {
      const speaker = await Playback.at(deviceHz);
      const speech = pcm(sampled(signal, speechHz, seconds));
      const parts: Float32Array[] = [];
      // Pieces of 40 ms, each 4 ms: a block of 128 samples takes about that.
      for (let at = 0; at < speech.length; at += 960) {
        speaker.push(speech.subarray(at, at + 960));
        parts.push(speaker.play(4));
      }
      speaker.tell({ type: "end" });
      parts.push(speaker.play(seconds * 1000));
      expect(speaker.report).toMatchObject({ received: speech.length, played: speech.length, queued: 0, refused: 0, underruns: 0 });

      const heard = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
      let length = 0;
      for (const part of parts) {
        heard.set(part, length);
        length += part.length;
      }
      // Speech begins with a block, and each of its samples is compared.
      const first = heard.findIndex((s) => s !== 0);
      const begin = first - (first % quantum);
      expect(begin / deviceHz).toBeLessThan(0.1);
      const whole = heard.subarray(begin, begin + seconds * deviceHz);
      expect(errorDb(whole, signal, deviceHz)).toBeLessThan(-80);
      expect(peak(heard.subarray(begin + seconds * deviceHz + Math.round(0.01 * deviceHz)), deviceHz)).toBe(0);
    });

    it("falls silent within 30 ms of an interruption, without a click, wherever it strikes", async () => {
      // 440 Hz at half of full scale moves by this much from one sample to the next; a cut would jump by up to 0.5.
      const slope = (0.5 * 2 * Math.PI * 440) / deviceHz;
      for (let strike = 0; strike < 40; strike++) {
        const speaker = await Playback.at(deviceHz);
        speaker.push(pcm(sampled((t) => 0.5 * Math.sin(2 * Math.PI * 440 * t), speechHz, 1)));
        const before = speaker.play(200 + strike * 2.9);
        speaker.tell({ type: "clear" });
        const after = speaker.play(300);
        expect(peak(before.subarray(-before.length / 2), deviceHz)).toBeGreaterThan(0.4);
        const last = after.findLastIndex((s) => s !== 0);
        expect(((last + 1) / deviceHz) * 1000).toBeLessThan(30);
        let steepest = Math.abs(after[0]! - before.at(-1)!);
        for (let i = 1; i < after.length; i++) steepest = Math.max(steepest, Math.abs(after[i]! - after[i - 1]!));
        expect(steepest / slope).toBeLessThan(1.5);
        expect(speaker.report).toMatchObject({ epoch: 1, received: 0, queued: 0, level: 0, underruns: 0 });
      }
    });

    it("does not click either when little speech is left to fade, or the line lets it run dry", async () => {
      const tone = (t: number): number => 0.5 * Math.sin(2 * Math.PI * 440 * t);
      const slope = (0.5 * 2 * Math.PI * 440) / deviceHz;
      // So many samples are queued that playing stops at any place of the tone, with less than a fade left.
      for (let more = 0; more < 240; more += 5) {
        const speaker = await Playback.at(deviceHz);
        speaker.push(pcm(sampled(tone, speechHz, 0.3)).subarray(0, 6000 + more));
        const heard = [...speaker.play(245)];
        if (more % 2 === 0) speaker.tell({ type: "clear" });
        heard.push(...speaker.play(100));
        let steepest = 0;
        for (let i = 1; i < heard.length; i++) steepest = Math.max(steepest, Math.abs(heard[i]! - heard[i - 1]!));
        expect(steepest / slope, `${more} samples more`).toBeLessThan(2);
        expect(heard.at(-1)).toBe(0);
      }
    });
  });
}

describe("speech that comes as it is spoken, late now and then", () => {
  const deviceHz = 48_000;
  const blockMs = (quantum / deviceHz) * 1000;

  /** Numbers from 0 to 1 that are the same each time. */
  function random(seed: number): () => number {
    let state = seed;
    return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  }

  /** Plays answers whose pieces of 40 ms arrive at `lateMs` behind their time, in order; returns the underruns of each. */
  async function conversation(answers: number, lateMs: () => number): Promise<number[]> {
    const speaker = await Playback.at(deviceHz);
    const underruns: number[] = [];
    const piece = pcm(new Float32Array(960).fill(0.25));
    for (let answer = 0; answer < answers; answer++) {
      const before = speaker.reports.at(-1)?.underruns ?? 0;
      const pieces = 100;
      const arrivals: number[] = [];
      for (let i = 0; i < pieces; i++) arrivals.push(Math.max(arrivals.at(-1) ?? 0, i * 40 + lateMs()));
      let arrived = 0;
      for (let now = 0; now < pieces * 40 + 1000; now += blockMs) {
        for (; arrived < pieces && arrivals[arrived]! <= now; arrived++) {
          speaker.push(piece);
          if (arrived === pieces - 1) speaker.tell({ type: "end" });
        }
        speaker.play(blockMs);
      }
      expect(speaker.report).toMatchObject({ queued: 0, refused: 0, received: (answer + 1) * pieces * 960, played: (answer + 1) * pieces * 960 });
      underruns.push(speaker.report.underruns - before);
    }
    return underruns;
  }

  it("within 5 % of its time: no underrun at all", async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const next = random(seed);
      expect(await conversation(2, () => next() * 0.05 * 40)).toEqual([0, 0]);
    }
  });

  it("5 % of it late by up to 150 ms: none after the buffer has adapted, and all of it is played", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const next = random(seed);
      const underruns = await conversation(5, () => (next() < 0.05 ? next() * 150 : next() * 4));
      // It adapts in two steps, from 60 ms to 240 ms; whoever needed both has as much as is ever needed.
      expect(underruns.reduce((sum, n) => sum + n), `seed ${seed}: ${underruns}`).toBeLessThanOrEqual(2);
    }
  });
});
