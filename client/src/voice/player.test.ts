import { describe, expect, it } from "vitest";
import { Player } from "./player";
import { Ring } from "./ring";

const quantum = 128;

/** Renders blocks as the audio thread does, for so many milliseconds; returns what would be heard. */
function play(player: Player, ms: number, rateHz: number): Float32Array {
  const blocks = Math.round((ms * rateHz) / 1000 / quantum);
  const heard = new Float32Array(blocks * quantum);
  for (let i = 0; i < blocks; i++) player.render(heard.subarray(i * quantum, (i + 1) * quantum));
  return heard;
}

function tone(samples: number, from = 0, amplitude = 0.5): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) => amplitude * 32767 * Math.sin((2 * Math.PI * 440 * (from + i)) / 24_000));
}

function loudness(samples: Float32Array): number {
  return samples.reduce((peak, s) => Math.max(peak, Math.abs(s)), 0);
}

describe("Ring", () => {
  it("gives back what it took, in order, whatever the sizes", () => {
    const ring = new Ring(1_000_000);
    const pieces = Array.from({ length: 1000 }, (_, i) => (i * 37) % 211);
    let written = 0;
    for (const size of pieces) ring.push(Int16Array.from({ length: size }, () => written++ % 30_000));
    expect(ring.length).toBe(written);
    const out = new Float32Array(97);
    let read = 0;
    for (let n = ring.read(out, 97); n > 0; n = ring.read(out, 97)) {
      for (let i = 0; i < n; i++, read++) {
        if (Math.round(out[i]! * 32768) !== read % 30_000) expect.fail(`sample ${read} is out of order`);
      }
    }
    expect(read).toBe(written);
    expect(ring.refused).toBe(0);
  });

  it("refuses and counts what is beyond its bound, and keeps the rest", () => {
    const ring = new Ring(100);
    ring.push(new Int16Array(80).fill(1));
    ring.push(new Int16Array(80).fill(2));
    expect(ring.length).toBe(100);
    expect(ring.refused).toBe(60);
    const out = new Float32Array(200);
    expect(ring.read(out, 200)).toBe(100);
    expect(Math.round(out[99]! * 32768)).toBe(2);
  });
});

describe("Player", () => {
  it("plays a burst of 60 s that came ten times too fast, whole and in order", () => {
    const seconds = 60;
    const player = new Player(24_000, 48_000);
    const all = new Float32Array(48_000 * (seconds + 10));
    let length = 0;
    const hear = (part: Float32Array): void => {
      all.set(part, length);
      length += part.length;
    };
    // A second of speech every 100 ms.
    for (let second = 0; second < seconds; second++) {
      player.push(tone(24_000, second * 24_000));
      hear(play(player, 100, 48_000));
    }
    player.end();
    hear(play(player, seconds * 1000, 48_000));
    const report = player.report();
    expect(report).toMatchObject({ received: seconds * 24_000, played: seconds * 24_000, queued: 0, refused: 0, underruns: 0 });

    const start = all.findIndex((s) => s !== 0);
    const lead = start - 1; // the tone's first sample is a zero
    for (let i = 4800; i < (seconds - 1) * 48_000; i++) {
      const ideal = 0.5 * Math.sin((2 * Math.PI * 440 * i) / 48_000);
      // One comparison per sample would be millions of assertions.
      if (Math.abs(all[lead + i]! - ideal) > 0.05) expect.fail(`sample ${i} is ${all[lead + i]}, not ${ideal}`);
    }
  });

  for (const deviceHz of [44_100, 48_000]) {
    it(`is silent within 30 ms of a clear at ${deviceHz} Hz, and does not click`, () => {
      const player = new Player(24_000, deviceHz);
      player.push(tone(24_000 * 5));
      expect(loudness(play(player, 500, deviceHz))).toBeGreaterThan(0.4);
      player.clear();
      const after = play(player, 200, deviceHz);
      const limit = Math.round(deviceHz * 0.03);
      expect(loudness(after.subarray(limit))).toBe(0);
      // A 440 Hz tone of this loudness moves by 0.03 from sample to sample; a cut would jump by up to 0.5.
      for (let i = 1; i < after.length; i++) expect(Math.abs(after[i]! - after[i - 1]!)).toBeLessThan(0.06);
      expect(player.report()).toMatchObject({ epoch: 1, received: 0, queued: 0, underruns: 0 });
    });
  }

  it("plays what comes after a clear", () => {
    const player = new Player(24_000, 48_000);
    player.push(tone(24_000));
    play(player, 200, 48_000);
    player.clear();
    player.push(tone(12_000));
    player.end();
    expect(loudness(play(player, 600, 48_000).subarray(4800))).toBeGreaterThan(0.4);
    expect(player.report()).toMatchObject({ epoch: 1, received: 12_000, queued: 0 });
  });

  it("waits for a small cushion before it starts, but not for ever", () => {
    const player = new Player(24_000, 48_000);
    player.push(tone(240)); // 10 ms
    expect(loudness(play(player, 40, 48_000))).toBe(0);
    expect(loudness(play(player, 60, 48_000))).toBeGreaterThan(0.1);
  });

  it("starts a short sound at once when its end is told", () => {
    const player = new Player(24_000, 48_000);
    player.push(tone(240));
    player.end();
    expect(loudness(play(player, 14, 48_000))).toBeGreaterThan(0.1);
  });

  it("counts an underrun when speech runs dry, and none at its end", () => {
    const player = new Player(24_000, 48_000);
    player.push(tone(2400));
    play(player, 300, 48_000);
    expect(player.report().underruns).toBe(1);
    player.push(tone(24_000));
    player.end();
    play(player, 2000, 48_000);
    expect(player.report().underruns).toBe(1);
  });

  it("keeps ten minutes and counts what is beyond", () => {
    const player = new Player(24_000, 48_000);
    const minute = new Int16Array(24_000 * 60);
    for (let i = 0; i < 11; i++) player.push(minute);
    expect(player.report()).toMatchObject({ queued: 24_000 * 600, refused: 24_000 * 60 });
  });

  it("follows another rate of the stream", () => {
    const player = new Player(24_000, 48_000);
    player.setRate(16_000);
    player.push(new Int16Array(16_000).fill(8192));
    player.end();
    const heard = play(player, 1500, 48_000);
    const sounding = heard.filter((s) => Math.abs(s - 0.25) < 0.01).length;
    expect(sounding / 48_000).toBeCloseTo(1, 1);
  });

  it("goes on in the player of another device, at another rate, with not a sample lost or counted twice", () => {
    const ideal = new Player(24_000, 48_000);
    const first = new Player(24_000, 48_000);
    for (const player of [ideal, first]) player.push(tone(48_000));
    const before = play(first, 1000, 48_000);
    const over = first.handOver();
    // What had begun to sound fades; the rest is silence, and no underrun.
    play(first, 200, 48_000);
    expect(loudness(play(first, 100, 48_000))).toBe(0);
    expect(first.report()).toMatchObject({ queued: 0, underruns: 0 });

    const second = new Player(16_000, 44_100);
    second.adopt(over);
    expect(second.report()).toMatchObject({ epoch: 0, received: 48_000, queued: over.report.queued, played: over.report.played });
    second.push(tone(24_000, 48_000));
    second.end();
    const after = play(second, 3000, 44_100);
    expect(second.report()).toMatchObject({ received: 72_000, queued: 0, played: 72_000, underruns: 0, refused: 0 });
    const sounding = (samples: Float32Array, hz: number): number => samples.filter((x) => Math.abs(x) > 0.001).length / hz;
    // Three seconds of tone less the filters' ends at the seam.
    expect(sounding(before, 48_000) + sounding(after, 44_100)).toBeGreaterThan(2.95);
    // Emptied, both count epochs alike.
    second.clear();
    expect(second.report().epoch).toBe(1);
  });
});
