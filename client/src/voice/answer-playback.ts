import { defaultSpeechHz } from "./audio-format";
import type { PlaybackReport } from "./player";

/**
 * AnswerPlayback finds out from what was given to the speaker, and from what the speaker reports, when an answer begins
 * and ends to sound. Samples are counted since the last clear ("epoch").
 */
export class AnswerPlayback {
  speechHz = defaultSpeechHz;
  report: PlaybackReport | undefined;
  /** No more speech will come for this answer. */
  complete = false;

  private epoch = 0;
  private pushed = 0;
  /** How much of `pushed` had been played when the last answer ended. */
  private heardBefore = 0;
  private sounding = false;

  constructor(private readonly changed: (what: "playbackStarted" | "playbackEnded") => void) {}

  /** Nothing was given to the speaker that has not been heard. */
  get empty(): boolean {
    return this.pushed === this.heardBefore;
  }

  /** So many samples were given to the speaker. */
  push(samples: number): void {
    this.pushed += samples;
    this.complete = false;
  }

  /** The speaker was emptied. */
  clear(): void {
    this.epoch++;
    this.pushed = 0;
    this.heardBefore = 0;
    this.sounding = false;
    this.complete = false;
  }

  /** Looks at the last report. */
  check(): void {
    const report = this.report;
    // A report from before the last clear speaks of sound that is gone.
    if (report?.epoch !== this.epoch) return;
    const heard = report.received - report.queued;
    if (!this.sounding && heard > this.heardBefore) {
      this.sounding = true;
      this.changed("playbackStarted");
    }
    if (this.sounding && this.complete && heard === this.pushed) {
      this.sounding = false;
      this.heardBefore = heard;
      this.changed("playbackEnded");
    }
  }
}
