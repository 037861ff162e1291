// What the relays without an SDK share: the Live API's messages.
const base = process.env.UPSTREAM;

export const url = base.replace(/^http/, "ws") + "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=benchmark";

export const setup = JSON.stringify({ setup: { model: "models/gemini-3.8-live", generationConfig: { responseModalities: ["AUDIO"] } } });

/** The message that carries a frame of the microphone, a Buffer. */
export function message(pcm) {
  return JSON.stringify({ realtimeInput: { audio: { mimeType: "audio/pcm;rate=16000", data: pcm.toString("base64") } } });
}

/** The audio in a message of the model, as Buffers. */
export function* audioOf(m) {
  for (const part of m.serverContent?.modelTurn?.parts ?? []) {
    if (part.inlineData) yield Buffer.from(part.inlineData.data, "base64");
  }
}
