import { rms } from "./pcm";
import { Resampler } from "./resampler";
import { Ring } from "./ring";

/** What the audio thread tells about playback. Sample counts are at the stream's rate, not the device's. */
export interface PlaybackReport {
  /** How often the queue was emptied; tells reports from before a `clear` from those after it. */
  epoch: number;
  /** Samples taken in during this epoch. */
  received: number;
  /** Samples that wait to be played. */
  queued: number;
  /** Samples played since the beginning, fades included. */
  played: number;
  /** How often speech ran dry before its end was told. */
  underruns: number;
  /** Samples that were refused because the queue's bound was reached. */
  refused: number;
  /** RMS of what was rendered since the last report, 0 to 1. */
  level: number;
}

/** What waits in a player, and its counts, on the way to the player of another device. */
export interface HandedOver {
  readonly pcm: ArrayBuffer;
  readonly streamHz: number;
  readonly report: PlaybackReport;
  /** No more speech will come for what waits. */
  readonly complete: boolean;
}

/** Ten minutes of speech. A model's burst is far shorter; the bound only keeps a broken server from eating the memory. */
const maxQueuedSeconds = 600;

/** How long a cut-off sound takes to fall silent; anything shorter clicks. */
const fadeSeconds = 0.01;

/** How long the last sample takes to fall to zero where nothing comes behind it: a step to zero clicks. */
const fallSeconds = 0.005;

/** Speech starts when this much is queued, so that a small delay on the way does not tear it; doubled by every underrun. */
const firstCushionSeconds = 0.06;
const maxCushionSeconds = 0.24;

/** The longest that rendering may be asked for at once, in output samples (Web Audio asks for 128). */
const maxBlock = 2048;

/**
 * Player is the audio thread's half of playback: samples go in as they arrive and come out at the device's rate,
 * block by block. It has no Web Audio in it, so that it can be tested.
 */
export class Player {
  private ring: Ring;
  private resampler: Resampler;
  private input: Float32Array;

  private epoch = 0;
  private received = 0;
  private played = 0;
  private underruns = 0;
  private refusedBefore = 0;

  private playing = false;
  private complete = false;
  private cushion = firstCushionSeconds;
  /** Output samples rendered, since speech came last, while waiting for the cushion to fill. */
  private waited = 0;
  /** What the filter was given since the queue ran dry, in samples. */
  private silentInput = 0;
  /** The last sample that it was given, and what it falls by from sample to sample when none is left. */
  private last = 0;
  private fall = 0;

  private energy = 0;
  private rendered = 0;

  constructor(
    private streamHz: number,
    private readonly deviceHz: number,
  ) {
    this.ring = new Ring(maxQueuedSeconds * streamHz);
    this.resampler = new Resampler(streamHz, deviceHz);
    this.input = new Float32Array(this.resampler.inputNeeded(maxBlock));
  }

  /** Changes the stream's rate. What is queued was made for the old one and goes. */
  setRate(streamHz: number): void {
    if (streamHz === this.streamHz) return;
    this.refusedBefore += this.ring.refused;
    this.streamHz = streamHz;
    this.ring = new Ring(maxQueuedSeconds * streamHz);
    this.resampler = new Resampler(streamHz, this.deviceHz);
    this.input = new Float32Array(this.resampler.inputNeeded(maxBlock));
  }

  /** Queues samples, which must not be changed afterwards. */
  push(samples: Int16Array): void {
    this.complete = false;
    this.waited = 0;
    this.received += samples.length;
    this.ring.push(samples);
  }

  /** Says that the speech so far is whole: running dry now is its end and not an underrun. */
  end(): void {
    this.complete = true;
  }

  /** Drops everything that is queued; what sounds now fades out. */
  clear(): void {
    const tail = this.playing ? this.fadedTail() : undefined;
    this.ring.clear();
    this.epoch++;
    this.received = 0;
    this.complete = true;
    this.waited = 0;
    if (tail) this.ring.push(tail);
  }

  /** Gives away what waits; what sounds now fades out. Nothing is played here any more. */
  handOver(): HandedOver {
    const report = this.report();
    const { complete, streamHz } = this;
    const pcm = this.ring.takeAll().buffer;
    this.complete = true;
    return { pcm, streamHz, report, complete };
  }

  /** Goes on where another player has stopped. */
  adopt({ pcm, streamHz, report, complete }: HandedOver): void {
    this.setRate(streamHz);
    this.epoch = report.epoch;
    this.received = report.received;
    this.played = report.played;
    this.underruns = report.underruns;
    this.refusedBefore = report.refused;
    this.ring.push(new Int16Array(pcm));
    this.complete = complete;
  }

  /** Fills `out` (at most 2048 samples) with the next samples at the device's rate, silence where there are none. */
  render(out: Float32Array): void {
    if (!this.playing && !this.mayStart(out.length)) {
      out.fill(0);
      this.rendered += out.length;
      return;
    }
    this.playing = true;
    const needed = this.resampler.inputNeeded(out.length);
    const read = this.ring.read(this.input, needed);
    this.played += read;
    this.fallSilent(read, needed);
    this.resampler.process(this.input, needed, out);
    this.drain(needed - read, read > 0);
    const level = rms(out, out.length);
    this.energy += level * level * out.length;
    this.rendered += out.length;
  }

  /** A report, and the beginning of the next one's level. */
  report(): PlaybackReport {
    const level = this.rendered > 0 ? Math.sqrt(this.energy / this.rendered) : 0;
    this.energy = 0;
    this.rendered = 0;
    return {
      epoch: this.epoch,
      received: this.received,
      queued: this.ring.length,
      played: this.played,
      underruns: this.underruns,
      refused: this.refusedBefore + this.ring.refused,
      level,
    };
  }

  private mayStart(block: number): boolean {
    if (this.ring.length === 0) return false;
    this.waited += block;
    // A short sound never fills the cushion; it starts when nothing has come for the cushion's time.
    const start =
      this.complete || this.ring.length >= this.cushion * this.streamHz || this.waited >= this.cushion * this.deviceHz;
    if (start) this.waited = 0;
    return start;
  }

  /** Keeps rendering until what is still in the filter has sounded; speech that ran dry before its end is an underrun. */
  private drain(missing: number, gotSome: boolean): void {
    if (missing === 0) {
      this.silentInput = 0;
      return;
    }
    if (!this.complete && (gotSome || this.silentInput === 0)) {
      this.underruns++;
      this.cushion = Math.min(this.cushion * 2, maxCushionSeconds);
    }
    this.silentInput = gotSome ? missing : this.silentInput + missing;
    if (this.silentInput >= 2 * this.resampler.delay + fallSeconds * this.streamHz) {
      this.playing = false;
      this.silentInput = 0;
    }
  }

  /** Fills what the queue did not give: from the last sample down to zero. */
  private fallSilent(from: number, to: number): void {
    if (from > 0) {
      this.last = this.input[from - 1]!;
      this.fall = this.last / (fallSeconds * this.streamHz);
    }
    for (let i = from; i < to; i++) {
      this.last = Math.abs(this.last) > Math.abs(this.fall) ? this.last - this.fall : 0;
      this.input[i] = this.last;
    }
  }

  /** The next samples, fading out; where there are too few to fade to the end, `fallSilent` does the rest. */
  private fadedTail(): Int16Array | undefined {
    const wanted = Math.round(fadeSeconds * this.streamHz);
    const samples = new Float32Array(wanted);
    const count = this.ring.read(samples, wanted);
    if (count === 0) return undefined;
    const tail = new Int16Array(count);
    for (let i = 0; i < count; i++) tail[i] = samples[i]! * (1 - (i + 1) / wanted) * 32768;
    return tail;
  }
}
