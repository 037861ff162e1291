// What the conformance tests and the recorded story share: clients of the simulator, and sessions that can be
// waited for. The SDK is used as it is published.
import { GoogleGenAI, Modality } from "@google/genai";

export const model = "gemini-3.8-live";
const patienceMs = 60_000;

function baseUrl() {
  const url = process.env.STONEPOT_SIMULATOR_URL;
  if (!url) throw new Error("STONEPOT_SIMULATOR_URL must be the simulator's address, for example http://127.0.0.1:8099");
  return url;
}

/** A client for one backend: "gemini" or "vertex". */
export function client(backend) {
  const httpOptions = { baseUrl: baseUrl() };
  if (backend === "gemini") return new GoogleGenAI({ apiKey: "good", httpOptions });
  // As much of an OAuth client as the SDK asks of one.
  const authClient = { getRequestHeaders: async () => new Headers({ authorization: "Bearer good" }) };
  return new GoogleGenAI({ vertexai: true, project: "p", location: "europe-west4", googleAuthOptions: { authClient }, httpOptions });
}

/** Asks for speech, both transcripts and resumption handles. */
export function voiceConfig(more = {}) {
  return {
    responseModalities: [Modality.AUDIO],
    speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Kore" } } },
    systemInstruction: "Answer briefly.",
    inputAudioTranscription: {},
    outputAudioTranscription: {},
    sessionResumption: {},
    contextWindowCompression: { slidingWindow: {} },
    ...more,
  };
}

/** Connects; what the server closed instead of accepting the setup is an Error with code and reason. */
export async function connect(backend, config) {
  const messages = [];
  let wake = () => {};
  let closed;
  const closing = new Promise((resolve) => {
    closed = (event) => {
      resolve({ code: event.code, reason: event.reason });
      wake();
    };
  });
  const refused = closing.then(({ code, reason }) => {
    throw Object.assign(new Error(`closed: ${code} ${reason}`), { code, reason });
  });
  refused.catch(() => {}); // most connections are closed at some time, by the test itself
  // The SDK's connect never settles when the socket closes before setupComplete.
  const session = await Promise.race([
    client(backend).live.connect({
      model,
      config,
      callbacks: {
        onmessage: (m) => {
          messages.push(m);
          wake();
        },
        onclose: closed,
        onerror: () => {},
      },
    }),
    refused,
  ]);

  /** Takes messages until one satisfies done, and gives what came. */
  async function until(done) {
    const taken = [];
    const deadline = Date.now() + patienceMs;
    for (;;) {
      while (messages.length > 0) {
        const m = messages.shift();
        taken.push(m);
        if (done(m)) return summary(taken);
      }
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`what was awaited never came; ${JSON.stringify(summary(taken).order)} did`);
      let timer;
      await Promise.race([
        new Promise((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, left);
        }),
        messages.length > 0 ? undefined : refused,
      ]);
      clearTimeout(timer);
    }
  }

  return {
    session,
    until,
    closing,
    speak(...pcm) {
      for (const piece of chunks(Buffer.concat(pcm))) {
        session.sendRealtimeInput({ audio: { mimeType: "audio/pcm;rate=16000", data: piece.toString("base64") } });
      }
    },
    write: (text) => session.sendRealtimeInput({ text }),
    /** Closes the socket and waits for its end. */
    async end() {
      session.close();
      await closing;
    },
  };
}

/** What came in one stretch of a conversation. */
function summary(messages) {
  const s = { order: [], in: "", out: "", audioBytes: 0, calls: [], cancelled: [], handle: "", usage: undefined };
  const note = (what) => {
    if (s.order.at(-1) !== what) s.order.push(what);
  };
  for (const m of messages) {
    const c = m.serverContent ?? {};
    if (c.interrupted) note("interrupted");
    if (c.inputTranscription) {
      s.in += c.inputTranscription.text;
      note("heard");
    }
    for (const part of c.modelTurn?.parts ?? []) {
      if (!part.inlineData) continue;
      s.audioBytes += Buffer.from(part.inlineData.data, "base64").length;
      s.mimeType = part.inlineData.mimeType;
      note("audio");
    }
    if (c.outputTranscription) s.out += c.outputTranscription.text;
    if (c.generationComplete) note("generationComplete");
    if (c.turnComplete) note("turnComplete");
    if (m.toolCall) {
      s.calls.push(...m.toolCall.functionCalls);
      note("toolCall");
    }
    if (m.toolCallCancellation) {
      s.cancelled.push(...m.toolCallCancellation.ids);
      note("toolCallCancellation");
    }
    if (m.sessionResumptionUpdate?.resumable) s.handle = m.sessionResumptionUpdate.newHandle;
    if (m.usageMetadata) s.usage = m.usageMetadata;
  }
  return s;
}

export const turnOver = (m) => m.serverContent?.turnComplete === true;
export const firstAudio = (m) => m.serverContent?.modelTurn !== undefined;
export const calling = (m) => m.toolCall !== undefined;
export const handleGiven = (m) => Boolean(m.sessionResumptionUpdate?.newHandle);

const samplesPerMs = 16;

/** A sound that counts as speech, at the microphone's rate: a saw, because every language computes it alike. */
export function tone(ms) {
  const pcm = Buffer.alloc(2 * samplesPerMs * ms);
  for (let i = 0; i < samplesPerMs * ms; i++) pcm.writeInt16LE(((i * 160) % 16000) - 8000, 2 * i);
  return pcm;
}

export const silence = (ms) => Buffer.alloc(2 * samplesPerMs * ms);

function* chunks(pcm) {
  const size = 2 * samplesPerMs * 20;
  for (let at = 0; at < pcm.length; at += size) yield pcm.subarray(at, at + size);
}
