import { describe, expect, it } from "vitest";
import { Resampler } from "./resampler";

/** Converts `input` in pieces of `piece` samples, as a worklet would. */
function convert(inputHz: number, outputHz: number, input: Float32Array, piece = 128): Float32Array {
  const resampler = new Resampler(inputHz, outputHz);
  const out: number[] = [];
  for (let at = 0; at < input.length; at += piece) {
    const part = input.subarray(at, at + piece);
    const room = new Float32Array(resampler.outputCapacity(part.length));
    const count = resampler.process(part, part.length, room);
    out.push(...room.subarray(0, count));
  }
  return Float32Array.from(out);
}

function sine(rateHz: number, toneHz: number, seconds: number): Float32Array {
  return Float32Array.from({ length: Math.round(rateHz * seconds) }, (_, i) => Math.sin((2 * Math.PI * toneHz * i) / rateHz));
}

/** Largest difference from the ideal tone, away from the first and last 20 ms, in dB below full scale. */
function errorDb(out: Float32Array, rateHz: number, toneHz: number): number {
  let worst = 0;
  const edge = Math.round(rateHz * 0.02);
  for (let i = edge; i < out.length - edge; i++) {
    worst = Math.max(worst, Math.abs(out[i]! - Math.sin((2 * Math.PI * toneHz * i) / rateHz)));
  }
  return 20 * Math.log10(worst);
}

function peakDb(out: Float32Array, rateHz: number): number {
  const edge = Math.round(rateHz * 0.02);
  let peak = 0;
  for (let i = edge; i < out.length - edge; i++) peak = Math.max(peak, Math.abs(out[i]!));
  return 20 * Math.log10(peak);
}

describe("a tone that both rates can carry comes out as the ideal tone", () => {
  const pairs = [
    [44_100, 16_000],
    [48_000, 16_000],
    [96_000, 16_000],
    [192_000, 16_000],
    [8_000, 16_000],
    [16_000, 16_000],
    [24_000, 44_100],
    [24_000, 48_000],
    [24_000, 16_000],
    // No small common ratio: rows of the table are interpolated.
    [44_099, 16_000],
    [24_000, 47_999],
  ] as const;
  for (const [inputHz, outputHz] of pairs) {
    for (const toneHz of [100, 1000, 3300]) {
      it(`${toneHz} Hz, ${inputHz} to ${outputHz}: error below -80 dB`, () => {
        const out = convert(inputHz, outputHz, sine(inputHz, toneHz, 0.5));
        expect(errorDb(out, outputHz, toneHz)).toBeLessThan(-80);
      });
    }
  }

  it("keeps speech up to 6.9 kHz within -80 dB at 16 kHz", () => {
    for (const inputHz of [44_100, 48_000]) {
      const out = convert(inputHz, 16_000, sine(inputHz, 6900, 0.5));
      expect(errorDb(out, 16_000, 6900)).toBeLessThan(-80);
    }
  });
});

describe("a tone that the lower rate cannot carry disappears instead of folding back", () => {
  for (const inputHz of [44_100, 48_000]) {
    for (const toneHz of [8_000, 8_500, 10_000, 12_345, 15_000, 20_000]) {
      it(`${toneHz} Hz, ${inputHz} to 16000: at least 80 dB down`, () => {
        expect(peakDb(convert(inputHz, 16_000, sine(inputHz, toneHz, 0.5)), 16_000)).toBeLessThan(-80);
      });
    }
  }

  it("images above 12 kHz of 24 kHz speech stay out of a 48 kHz speaker", () => {
    const out = convert(24_000, 48_000, sine(24_000, 9000, 0.5));
    expect(errorDb(out, 48_000, 9000)).toBeLessThan(-80);
  });
});

describe("streaming", () => {
  it("gives the same samples however the input is cut", () => {
    const input = sine(44_100, 440, 0.3);
    const whole = convert(44_100, 16_000, input, input.length);
    for (const piece of [1, 7, 128, 441, 1000]) {
      expect(convert(44_100, 16_000, input, piece)).toEqual(whole);
    }
  });

  it("does not drift: an hour's worth of ratio is exact", () => {
    const resampler = new Resampler(44_100, 16_000);
    const silence = new Float32Array(44_100);
    const room = new Float32Array(20_000);
    let total = 0;
    for (let second = 0; second < 60; second++) total += resampler.process(silence, silence.length, room);
    // Everything but what the filter still holds back.
    expect(Math.abs(total - 60 * 16_000)).toBeLessThan((resampler.delay * 16_000) / 44_100 + 2);
  });

  it("tells exactly how much input a block needs", () => {
    for (const [inputHz, outputHz] of [[24_000, 44_100], [24_000, 48_000], [48_000, 16_000]] as const) {
      const resampler = new Resampler(inputHz, outputHz);
      const out = new Float32Array(128);
      for (let block = 0; block < 500; block++) {
        const needed = resampler.inputNeeded(128);
        expect(resampler.process(new Float32Array(needed), needed, out)).toBe(128);
        expect(resampler.inputNeeded(0)).toBe(0);
      }
    }
  });

  it("keeps what does not fit for the next call", () => {
    const input = sine(24_000, 440, 0.1);
    const all = convert(24_000, 48_000, input, input.length);
    const resampler = new Resampler(24_000, 48_000);
    const got: number[] = [];
    const small = new Float32Array(100);
    let count = resampler.process(input, input.length, small);
    while (count > 0) {
      got.push(...small.subarray(0, count));
      count = resampler.process(new Float32Array(0), 0, small);
    }
    expect(Float32Array.from(got)).toEqual(all);
  });

  it("passes a constant unchanged", () => {
    const out = convert(44_100, 16_000, new Float32Array(8820).fill(0.5));
    for (let i = 400; i < out.length - 400; i++) expect(out[i]).toBeCloseTo(0.5, 5);
  });

  it("refuses rates that are none", () => {
    for (const bad of [0, -1, 44_100.5, Number.NaN]) expect(() => new Resampler(bad, 16_000)).toThrow(RangeError);
  });
});
