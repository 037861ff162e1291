// What the relays with Google's SDK share: a Live session for a browser.
import { GoogleGenAI, Modality } from "@google/genai";

const ai = new GoogleGenAI({ apiKey: "benchmark", httpOptions: { baseUrl: process.env.UPSTREAM } });

/** Opens a session whose audio goes to send, as Buffers. */
export function connect({ send, close }) {
  return ai.live.connect({
    model: "gemini-3.8-live",
    config: { responseModalities: [Modality.AUDIO] },
    callbacks: {
      onmessage(m) {
        for (const part of m.serverContent?.modelTurn?.parts ?? []) {
          if (part.inlineData) send(Buffer.from(part.inlineData.data, "base64"));
        }
      },
      onerror: close,
      onclose: close,
    },
  });
}

/** Sends a frame of the microphone, a Buffer. */
export function speak(session, pcm) {
  session.sendRealtimeInput({ audio: { data: pcm.toString("base64"), mimeType: "audio/pcm;rate=16000" } });
}
