// How large a picture may be, and how it is made to be no larger.

/** How a picture is made: its longest side in pixels, and JPEG's quality from 0 to 1. */
export interface Form {
  readonly side: number;
  readonly quality: number;
}

/** From the best to the one that always passes. Sides are parts of the longest. */
const steps = [
  { part: 1, quality: 0.8 },
  { part: 1, quality: 0.6 },
  { part: 0.75, quality: 0.6 },
  { part: 0.75, quality: 0.45 },
  { part: 0.5, quality: 0.45 },
  { part: 0.4, quality: 0.35 },
  { part: 0.3, quality: 0.3 },
] as const;

/** What a line is first believed to carry at once, and the least that is worth a picture. */
const firstBytes = 100_000;
const leastBytes = 8_000;

/** A picture that takes longer than this makes speech wait; one that takes less than the other leaves room. */
const slowMs = 700;
const quickMs = 350;

/** After so many pictures with room to spare a better form is tried. */
const patience = 3;

/** Base64 makes four of three bytes, and the message around it takes some. */
const envelopeBytes = 200;

/**
 * Fit finds the form in which pictures fit the server's limit and what the line carries without making speech wait. Too large
 * a picture is made again, smaller, at once; better ones are tried slowly.
 */
export class Fit {
  private readonly most: number;
  private line: number;
  private step = 0;
  private roomy = 0;

  /** `maxMessageBytes` is the largest `video_frame` message; `longestSide` in pixels. */
  constructor(
    maxMessageBytes: number,
    private readonly longestSide: number,
  ) {
    this.most = Math.max(leastBytes / 2, Math.floor(((maxMessageBytes - envelopeBytes) * 3) / 4));
    this.line = Math.min(firstBytes, this.most);
  }

  get form(): Form {
    const { part, quality } = steps[this.step]!;
    return { side: Math.round(this.longestSide * part), quality };
  }

  /** Bytes that a picture may have now. */
  get budget(): number {
    return this.line;
  }

  /** The last picture took so long until the server had it. */
  took(ms: number): void {
    if (ms > slowMs) this.tighten();
    else if (ms < quickMs) this.line = Math.min(this.most, this.line * 1.15);
  }

  /** A picture did not even leave before the next one came. */
  stalled(): void {
    this.tighten();
  }

  /** A picture of so many bytes was made. `again`: it is too large, and there is another form to try; `hopeless`: there is none. */
  made(bytes: number): "fits" | "again" | "hopeless" {
    if (bytes > this.line) {
      this.roomy = 0;
      if (this.step < steps.length - 1) {
        this.step++;
        return "again";
      }
      // Speech would wait a little; the server would not take it.
      return bytes > this.most ? "hopeless" : "fits";
    }
    this.roomy = bytes < this.line / 2 ? this.roomy + 1 : 0;
    if (this.roomy >= patience && this.step > 0) {
      this.step--;
      this.roomy = 0;
    }
    return "fits";
  }

  private tighten(): void {
    this.line = Math.max(leastBytes, this.line * 0.6);
  }
}
