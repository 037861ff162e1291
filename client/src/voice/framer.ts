import { floatToInt16, rms } from "./pcm";
import { Resampler } from "./resampler";

/** One frame of the microphone as it goes to the server, and how loud it is (RMS, 0 to 1). */
export interface MicrophoneFrame {
  /** 16-bit little-endian samples; owned by whoever receives the frame. */
  pcm: ArrayBuffer;
  level: number;
}

/**
 * Framer cuts a microphone's samples, of any rate and in pieces of any size, into frames of a fixed length at the
 * wire's rate. Whatever is left over at the end is less than one frame and is not sent.
 */
export class Framer {
  private readonly resampler: Resampler;
  private readonly frame: Float32Array;
  private filled = 0;
  private converted = new Float32Array(0);

  constructor(deviceHz: number, wireHz: number, samplesPerFrame: number) {
    this.resampler = new Resampler(deviceHz, wireHz);
    this.frame = new Float32Array(samplesPerFrame);
  }

  /** Takes samples (not kept) and calls `emit` for each frame that they complete. */
  push(samples: Float32Array, emit: (frame: MicrophoneFrame) => void): void {
    const capacity = this.resampler.outputCapacity(samples.length);
    if (this.converted.length < capacity) this.converted = new Float32Array(capacity);
    const count = this.resampler.process(samples, samples.length, this.converted);
    for (let at = 0; at < count; ) {
      const piece = Math.min(count - at, this.frame.length - this.filled);
      this.frame.set(this.converted.subarray(at, at + piece), this.filled);
      this.filled += piece;
      at += piece;
      if (this.filled === this.frame.length) {
        const pcm = new Int16Array(this.frame.length);
        floatToInt16(this.frame, this.frame.length, pcm, 0);
        emit({ pcm: pcm.buffer, level: rms(this.frame, this.frame.length) });
        this.filled = 0;
      }
    }
  }
}
