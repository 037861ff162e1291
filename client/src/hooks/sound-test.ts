// Trying microphone and speaker outside of a conversation.
import { canChooseSpeaker, playThrough } from "@/voice/audio";
import { microphoneConstraints } from "@/voice/capture";

/** Listens to a microphone; `read` gives its level (RMS, 0 to 1) now. Rejects as the browser does. */
export async function listen(microphone: string): Promise<{ read: () => number; close: () => void }> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: microphoneConstraints(microphone) });
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    read() {
      analyser.getFloatTimeDomainData(samples);
      let sum = 0;
      for (const x of samples) sum += x * x;
      return Math.sqrt(sum / samples.length);
    },
    close() {
      stream.getTracks().forEach((track) => track.stop());
      context.close().catch(() => undefined);
    },
  };
}

const notesHz = [523.25, 659.25, 783.99];
const noteSeconds = 0.16;

/** Plays three soft notes through a speaker; resolves when they are over. Call it inside a gesture. */
export async function chime(speaker: string): Promise<void> {
  const context = new AudioContext();
  if (canChooseSpeaker()) await playThrough(context, speaker);
  const start = context.currentTime + 0.05;
  notesHz.forEach((hz, i) => {
    const oscillator = new OscillatorNode(context, { frequency: hz });
    const gain = new GainNode(context, { gain: 0 });
    const from = start + i * noteSeconds;
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(0.2, from + 0.02);
    gain.gain.linearRampToValueAtTime(0, from + noteSeconds * 1.5);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(from);
    oscillator.stop(from + noteSeconds * 1.5);
  });
  await new Promise((done) => setTimeout(done, (notesHz.length + 1) * noteSeconds * 1000 + 100));
  await context.close().catch(() => undefined);
}
