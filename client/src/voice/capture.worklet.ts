// Runs on the audio thread: the microphone's samples in, 20 ms frames at 16 kHz out.
import { captureProcessor, microphoneHz, samplesPerFrame } from "./audio-format";
import { Framer, type MicrophoneFrame } from "./framer";

class CaptureProcessor extends AudioWorkletProcessor {
  private readonly framer = new Framer(sampleRate, microphoneHz, samplesPerFrame);
  private readonly emit = (frame: MicrophoneFrame): void => this.port.postMessage(frame, [frame.pcm]);

  process(inputs: Float32Array[][]): boolean {
    // No channel: the microphone's track is not flowing (yet, or no longer).
    const samples = inputs[0]?.[0];
    if (samples) this.framer.push(samples, this.emit);
    return true;
  }
}

registerProcessor(captureProcessor, CaptureProcessor);
