// Sends every message that the SDK can send, in a fixed order: node messages.mjs gemini|vertex.
// What goes over the wire is recorded between here and the simulator; vectors_test.go tells the same story in Go.
import { Behavior, EndSensitivity, Modality, StartSensitivity, Type } from "@google/genai";
import { calling, connect, handleGiven, tone, turnOver } from "./live.mjs";

const backend = process.argv[2];
const transparent = backend === "vertex" ? { transparent: true } : {};
const weather = {
  functionDeclarations: [
    {
      name: "get_weather",
      description: "The weather in a city.",
      behavior: Behavior.BLOCKING,
      parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ["city"] },
    },
  ],
};

// A conversation with everything in its setup.
let c = await connect(backend, {
  responseModalities: [Modality.AUDIO],
  temperature: 0.5,
  maxOutputTokens: 100,
  speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Kore" } } },
  systemInstruction: { parts: [{ text: "Be brief." }] },
  tools: [weather, { googleSearch: {} }],
  realtimeInputConfig: {
    automaticActivityDetection: {
      startOfSpeechSensitivity: StartSensitivity.START_SENSITIVITY_HIGH,
      endOfSpeechSensitivity: EndSensitivity.END_SENSITIVITY_LOW,
      prefixPaddingMs: 20,
      silenceDurationMs: 100,
    },
  },
  inputAudioTranscription: {},
  outputAudioTranscription: {},
  sessionResumption: { ...transparent },
  contextWindowCompression: { slidingWindow: {} },
});
c.speak(tone(100));
c.session.sendRealtimeInput({ audioStreamEnd: true });
await c.until(turnOver);
c.session.sendRealtimeInput({ video: { mimeType: "image/jpeg", data: Buffer.from("not really a picture").toString("base64") } });
c.write("hi");
await c.until(turnOver);
c.session.sendClientContent({ turns: [{ role: "user", parts: [{ text: 'get_weather {"city":"Oslo"}' }] }], turnComplete: true });
const [call] = (await c.until(calling)).calls;
c.session.sendToolResponse({ functionResponses: [{ id: call.id, name: call.name, response: { output: { tempC: 4 } } }] });
await c.until(turnOver);
await c.end();

// Push to talk.
c = await connect(backend, {
  responseModalities: [Modality.AUDIO],
  realtimeInputConfig: { automaticActivityDetection: { disabled: true } },
  sessionResumption: { ...transparent },
});
c.session.sendRealtimeInput({ activityStart: {} });
c.speak(tone(60));
c.session.sendRealtimeInput({ activityEnd: {} });
await c.until(turnOver);
const { handle } = await c.until(handleGiven);
await c.end();

// The same, resumed. The simulator says goAway, and the second answer cuts a tool call short.
for (let resumed = false; !resumed; ) {
  try {
    c = await connect(backend, {
      responseModalities: [Modality.AUDIO],
      systemInstruction: { parts: [{ text: "[[simulate: go_away]]" }] },
      tools: [weather],
      sessionResumption: { handle, ...transparent },
    });
    resumed = true;
  } catch (error) {
    if (error.code !== 1011) throw error; // until the simulator has noticed that the old socket is gone
  }
}
c.write("get_weather");
await c.until(calling);
c.write("x");
await c.until(turnOver);
await c.end();
