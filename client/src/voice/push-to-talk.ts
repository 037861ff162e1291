import { frameMs } from "./audio-format";

/** How much of what was said before the button was down is sent along: fingers are later than first syllables. */
export const preRollMs = 300;

const maxEarly = Math.ceil(preRollMs / frameMs);

/** Where the person's words go. */
export interface TalkLine {
  send(message: { type: "activity_start" } | { type: "activity_end" }): number;
  sendAudio(pcm: ArrayBuffer): void;
}

/**
 * PushToTalk lets the microphone's frames through while the person holds the button, between the two marks of
 * `vad.mode: manual`, and the last ones from before it. It takes the buffers it is given.
 */
export class PushToTalk {
  private open = false;
  private early: ArrayBuffer[] = [];

  get talking(): boolean {
    return this.open;
  }

  /** The button is down. False: too much waits for the line, and nothing has begun. */
  begin(line: TalkLine): boolean {
    if (this.open || line.send({ type: "activity_start" }) === 0) return false;
    this.open = true;
    const { early } = this;
    this.early = [];
    for (const pcm of early) line.sendAudio(pcm);
    return true;
  }

  /** The button is up. False: it was not down. */
  end(line: TalkLine): boolean {
    if (!this.open) return false;
    this.open = false;
    line.send({ type: "activity_end" });
    return true;
  }

  /** One frame of the microphone: sent while the button is down, kept for a moment otherwise. */
  frame(line: TalkLine, pcm: ArrayBuffer): void {
    if (this.open) return line.sendAudio(pcm);
    this.early.push(pcm);
    if (this.early.length > maxEarly) this.early.shift();
  }

  /** Forgets what was said; whatever was open is over for whoever listens. */
  reset(): void {
    this.open = false;
    this.early = [];
  }
}
