// A streaming sample-rate converter for mono audio: windowed sinc (Kaiser), polyphase, any pair of rates.
//
// The browser's own conversion cannot be used everywhere: Firefox refuses to connect a microphone to an
// AudioContext of another rate. So the context keeps the device's rate and this class converts.

/** Attenuation above the new Nyquist frequency, and the bound on every other error of the filter. */
const stopBandDb = 90;

/** Part of the band below the lower Nyquist frequency that the filter needs to fall off. */
const transition = 0.125;

/** Above this many phases (odd pairs of rates such as 44099 and 16000) rows of the table are interpolated. */
const maxPhases = 512;

/** Resampler converts a stream of samples from one rate to another: a windowed sinc, polyphase, for any pair of whole rates. */
export class Resampler {
  /** Delay that the filter adds, in samples of the input rate. */
  readonly delay: number;

  // The ratio in lowest terms: out/in = up/down.
  private readonly up: number;
  private readonly down: number;
  private readonly phases: number;
  private readonly taps: number;
  /** phases + 1 rows of `taps` coefficients; the last row belongs to the next input sample. */
  private readonly table: Float32Array;

  /** Input that is still needed; its first sample is the first tap of the next output. */
  private buffer: Float32Array;
  private length = 0;
  /** Position of the next output past its first tap's sample, in 1/up of an input sample; exact, so nothing drifts. */
  private fraction = 0;

  constructor(inputHz: number, outputHz: number) {
    if (!(Number.isInteger(inputHz) && inputHz > 0 && Number.isInteger(outputHz) && outputHz > 0)) {
      throw new RangeError(`A resampler needs two whole rates above 0, got ${inputHz} and ${outputHz}.`);
    }
    const divisor = gcd(inputHz, outputHz);
    this.up = outputHz / divisor;
    this.down = inputHz / divisor;
    this.phases = Math.min(this.up, maxPhases);

    const nyquist = Math.min(inputHz, outputHz) / 2 / inputHz; // in cycles per input sample
    const width = nyquist * transition;
    const half = this.up === this.down ? 1 : Math.ceil((stopBandDb - 7.95) / (2.285 * 2 * Math.PI * width) / 2);
    this.taps = 2 * half;
    this.delay = half;
    this.table = design(this.phases, half, nyquist - width / 2, this.up === this.down);
    this.buffer = new Float32Array(this.taps + 4096);
    this.reset();
  }

  /** Forgets the past, as if newly made. */
  reset(): void {
    this.buffer.fill(0);
    // Half a filter of silence comes before the first sample.
    this.length = this.delay - 1;
    this.fraction = 0;
  }

  /** How many more input samples `process` needs before it can give `outputs` samples. */
  inputNeeded(outputs: number): number {
    if (outputs <= 0) return 0;
    const last = Math.floor((this.fraction + (outputs - 1) * this.down) / this.up);
    return Math.max(0, last + this.taps - this.length);
  }

  /** An output length that is enough for everything that `inputs` more samples can give. */
  outputCapacity(inputs: number): number {
    return Math.ceil(((this.length + inputs) * this.up) / this.down) + 1;
  }

  /**
   * Takes the first `count` samples of `input` and writes what can be converted to `output`; returns the number of
   * samples written. What does not fit is kept for the next call. Neither array is kept.
   */
  process(input: Float32Array, count: number, output: Float32Array): number {
    this.append(input, count);
    const { buffer, table, taps, up, down, phases } = this;
    let start = 0;
    let written = 0;
    while (written < output.length && start + taps <= this.length) {
      const exact = (this.fraction * phases) / up;
      const row = Math.floor(exact);
      const between = exact - row;
      let sum = 0;
      if (between === 0) {
        for (let k = 0, t = row * taps; k < taps; k++, t++) sum += buffer[start + k]! * table[t]!;
      } else {
        for (let k = 0, t = row * taps; k < taps; k++, t++) {
          const a = table[t]!;
          sum += buffer[start + k]! * (a + between * (table[t + taps]! - a));
        }
      }
      output[written++] = sum;
      this.fraction += down;
      const whole = Math.floor(this.fraction / up);
      this.fraction -= whole * up;
      start += whole;
    }
    // A filter is always longer than a step, so `start` is within what is here.
    buffer.copyWithin(0, start, this.length);
    this.length -= start;
    return written;
  }

  private append(input: Float32Array, count: number): void {
    const wanted = this.length + count;
    if (wanted > this.buffer.length) {
      const larger = new Float32Array(wanted * 2);
      larger.set(this.buffer.subarray(0, this.length));
      this.buffer = larger;
    }
    this.buffer.set(count === input.length ? input : input.subarray(0, count), this.length);
    this.length = wanted;
  }
}

function design(phases: number, half: number, cutoff: number, same: boolean): Float32Array {
  const taps = 2 * half;
  const table = new Float32Array((phases + 1) * taps);
  const beta = 0.1102 * (stopBandDb - 8.7);
  for (let row = 0; row <= phases; row++) {
    const base = row * taps;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      // Distance from the output's position to this tap's sample.
      const t = row / phases + half - 1 - k;
      const value = same ? Number(t === 0) : sinc(2 * cutoff * t) * kaiser(t / half, beta);
      table[base + k] = value;
      sum += value;
    }
    // Each phase passes a constant unchanged; otherwise a quiet hum at the phase rate would be added.
    for (let k = 0; k < taps; k++) table[base + k]! /= sum;
  }
  return table;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The Kaiser window at x in [-1, 1], not normalised: the rows are. */
function kaiser(x: number, beta: number): number {
  return Math.abs(x) > 1 ? 0 : bessel(beta * Math.sqrt(1 - x * x));
}

/** The modified Bessel function of order zero, by its power series. */
function bessel(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / 2 / k) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
