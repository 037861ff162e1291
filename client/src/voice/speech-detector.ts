/**
 * SpeechDetector guesses from the level of 20 ms frames when a person begins and stops to speak. Only the words on the
 * page follow it ("listening", "thinking"): not every model reports voice activity. What the model takes for speech is
 * decided upstream.
 */
export class SpeechDetector {
  /** The level of the room, which follows quiet frames quickly and loud ones hardly at all. */
  private floor = 0.01;
  private loud = 0;
  private quiet = 0;
  private speaking = false;

  /** Takes one frame's RMS level; returns what changed with it. */
  push(level: number): "started" | "ended" | undefined {
    const threshold = Math.max(minimumLevel, this.floor * 3);
    if (level < threshold) {
      this.floor += (level - this.floor) * 0.05;
      this.loud = 0;
      this.quiet++;
    } else {
      // A steady noise that is loud from now on becomes the room's level within seconds.
      this.floor += (level - this.floor) * 0.002;
      this.loud++;
      this.quiet = 0;
    }
    if (!this.speaking && this.loud >= framesToStart) {
      this.speaking = true;
      return "started";
    }
    if (this.speaking && this.quiet >= framesToEnd) {
      this.speaking = false;
      return "ended";
    }
    return undefined;
  }

  /** Forgets what is being said; returns whether somebody was speaking. */
  reset(): boolean {
    const was = this.speaking;
    this.loud = 0;
    this.quiet = 0;
    this.speaking = false;
    return was;
  }
}

/** RMS below this is never speech: about -40 dB of full scale. */
const minimumLevel = 0.01;

/** 80 ms, so that a click is not speech. */
const framesToStart = 4;

/** 600 ms, longer than the pauses between words. */
const framesToEnd = 30;
