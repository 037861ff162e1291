// Runs on the audio thread: the model's speech in, the speaker's samples out.
import { defaultSpeechHz, playbackProcessor, type PlaybackCommand } from "./audio-format";
import { Player } from "./player";

/** Time between two reports while anything sounds or waits. */
const reportSeconds = 0.03;

class PlaybackProcessor extends AudioWorkletProcessor {
  private readonly player = new Player(defaultSpeechHz, sampleRate);
  private sinceReport = 0;
  /** The epoch of the last report if that one said "silent, nothing queued": saying so once is enough. */
  private silentEpoch = -1;

  constructor() {
    super();
    this.port.onmessage = (event) => this.obey(event.data as PlaybackCommand);
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const out = outputs[0]?.[0];
    if (!out) return true;
    this.player.render(out);
    this.sinceReport += out.length;
    if (this.sinceReport >= reportSeconds * sampleRate) {
      this.sinceReport = 0;
      const report = this.player.report();
      const silent = report.level === 0 && report.queued === 0;
      if (!silent || this.silentEpoch !== report.epoch) this.port.postMessage(report);
      this.silentEpoch = silent ? report.epoch : -1;
    }
    return true;
  }

  private obey(command: PlaybackCommand): void {
    switch (command.type) {
      case "audio":
        this.player.push(new Int16Array(command.pcm));
        return;
      case "end":
        this.player.end();
        return;
      case "clear":
        this.player.clear();
        return;
      case "rate":
        this.player.setRate(command.streamHz);
        return;
      case "handOver": {
        const over = this.player.handOver();
        this.silentEpoch = over.report.epoch;
        this.port.postMessage(over, [over.pcm]);
        return;
      }
      case "adopt":
        this.player.adopt(command.from);
        return;
    }
  }
}

registerProcessor(playbackProcessor, PlaybackProcessor);
