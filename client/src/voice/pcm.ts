// Conversions between Web Audio's floats and the wire's signed 16-bit little-endian samples.
//
// Int16Array is little-endian on every platform that browsers run on, so no byte is swapped.

/** Writes `samples` as 16-bit integers to `out` from `offset`; louder than full scale is clipped. */
export function floatToInt16(samples: Float32Array, count: number, out: Int16Array, offset: number): void {
  for (let i = 0; i < count; i++) {
    const s = samples[i]!;
    // 32767 both ways: with 32768 a full-scale positive peak would wrap around.
    out[offset + i] = Math.round(Math.max(-1, Math.min(1, s)) * 32767);
  }
}

/** The root mean square of `count` samples: 0 for silence, 0.707 for a full-scale sine. */
export function rms(samples: Float32Array, count: number): number {
  if (count === 0) return 0;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += samples[i]! * samples[i]!;
  return Math.sqrt(sum / count);
}
