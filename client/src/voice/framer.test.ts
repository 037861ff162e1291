import { describe, expect, it } from "vitest";
import { Framer, type MicrophoneFrame } from "./framer";

function frames(deviceHz: number, samples: Float32Array, piece = 128): MicrophoneFrame[] {
  const framer = new Framer(deviceHz, 16_000, 320);
  const out: MicrophoneFrame[] = [];
  for (let at = 0; at < samples.length; at += piece) framer.push(samples.subarray(at, at + piece), (f) => out.push(f));
  return out;
}

function tone(rateHz: number, seconds: number, amplitude = 1): Float32Array {
  return Float32Array.from({ length: rateHz * seconds }, (_, i) => amplitude * Math.sin((2 * Math.PI * 1000 * i) / rateHz));
}

describe("Framer", () => {
  for (const deviceHz of [16_000, 44_100, 48_000]) {
    it(`cuts a second at ${deviceHz} Hz into frames of 20 ms`, () => {
      const out = frames(deviceHz, tone(deviceHz, 1));
      // The filter holds a few milliseconds back: one frame is not complete yet.
      expect(out.length).toBeGreaterThanOrEqual(49);
      expect(out.length).toBeLessThanOrEqual(50);
      for (const frame of out) expect(frame.pcm.byteLength).toBe(640);
      // RMS of a full-scale sine.
      expect(out[20]!.level).toBeCloseTo(Math.SQRT1_2, 2);
    });
  }

  it("joins frames without a seam", () => {
    const out = frames(48_000, tone(48_000, 1, 0.5));
    const samples = out.flatMap((f) => [...new Int16Array(f.pcm)]);
    for (let i = 640; i < samples.length; i++) {
      const ideal = 0.5 * 32767 * Math.sin((2 * Math.PI * 1000 * i) / 16_000);
      expect(Math.abs(samples[i]! - ideal)).toBeLessThan(4);
    }
  });

  it("clips what is louder than full scale, without wrapping around", () => {
    const samples = new Int16Array(frames(16_000, new Float32Array(16_000).fill(1.7))[10]!.pcm);
    expect(Math.min(...samples)).toBe(32767);
  });

  it("writes samples with the low byte first", () => {
    const bytes = new Uint8Array(frames(16_000, new Float32Array(16_000).fill(256 / 32767))[10]!.pcm);
    expect([bytes[0], bytes[1]]).toEqual([0, 1]);
  });
});
