// Google's JavaScript SDK, unmodified, holds conversations with the simulator at STONEPOT_SIMULATOR_URL.
// Nothing is asserted about time.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Behavior, Type } from "@google/genai";
import { calling, client, connect, firstAudio, handleGiven, model, silence, tone, turnOver, voiceConfig } from "./live.mjs";

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

for (const backend of ["gemini", "vertex"]) {
  describe(`@google/genai on ${backend}`, { concurrency: true }, () => {
    it("speaks, and is answered", async () => {
      const c = await connect(backend, voiceConfig());
      assert.equal(Boolean(c.session.setupComplete.sessionId), backend === "vertex");
      c.speak(tone(300), silence(300));
      const h = await c.until(turnOver);
      assert.deepEqual(h.order, ["heard", "audio", "generationComplete", "turnComplete"]);
      assert.equal(h.in, "simulated: heard 0.3 s of speech");
      assert.equal(h.out, "Simulated answer 1: your own 0.3 s of speech, played back.");
      assert.equal(h.mimeType, "audio/pcm;rate=24000");
      assert.ok(h.audioBytes > 0.3 * 48_000, `${h.audioBytes} bytes of audio`);
      assert.ok(h.usage.promptTokenCount > 0 && h.usage.responseTokenCount > 0, JSON.stringify(h.usage));
      assert.equal(h.usage.totalTokenCount, h.usage.promptTokenCount + h.usage.responseTokenCount);
      assert.deepEqual(h.usage.responseTokensDetails, [{ modality: "AUDIO", tokenCount: h.usage.responseTokenCount }]);
      assert.ok((await c.until(handleGiven)).handle);
      await c.end();
    });

    it("writes, and is answered over REST in pieces", async () => {
      const contents = [
        { role: "user", parts: [{ text: "I am Ada." }] },
        { role: "model", parts: [{ text: "Noted." }] },
        { role: "user", parts: [{ text: "good morning" }] },
      ];
      const pieces = [];
      let last;
      for await (const piece of await client(backend).models.generateContentStream({ model, contents })) {
        pieces.push(piece.text);
        last = piece;
      }
      assert.ok(pieces.length > 3, `${pieces.length} pieces`);
      assert.match(pieces.join(""), /^Simulated answer: you wrote 2 words: “good morning”\. Before that there were 2 turns\./);
      assert.equal(last.candidates[0].finishReason, "STOP");
      assert.equal(last.usageMetadata.totalTokenCount, last.usageMetadata.promptTokenCount + last.usageMetadata.candidatesTokenCount);
    });

    it("interrupts", async () => {
      const c = await connect(backend, voiceConfig());
      c.write("tell me something long that takes its time to be said, because I am about to interrupt it");
      await c.until(firstAudio);
      c.speak(tone(200));
      const cut = await c.until(turnOver);
      assert.deepEqual(cut.order.slice(cut.order.indexOf("interrupted")), ["interrupted", "turnComplete"]);
      assert.ok(!cut.order.includes("generationComplete"), cut.order.join(" "));
      c.speak(silence(300));
      const h = await c.until(turnOver);
      assert.deepEqual(h.order, ["heard", "audio", "generationComplete", "turnComplete"]);
      await c.end();
    });

    it("answers a tool call, and has one taken back", async () => {
      const c = await connect(backend, voiceConfig({ tools: [weather] }));
      c.write('get_weather {"city":"Oslo"}');
      const asked = await c.until(calling);
      assert.equal(asked.calls.length, 1);
      const [{ id, name, args }] = asked.calls;
      assert.deepEqual({ name, args }, { name: "get_weather", args: { city: "Oslo" } });
      assert.equal(asked.audioBytes, 0);
      c.session.sendToolResponse({ functionResponses: [{ id, name, response: { output: { tempC: 4 } } }] });
      const h = await c.until(turnOver);
      assert.deepEqual(h.order, ["audio", "generationComplete", "turnComplete"]);
      assert.match(h.out, /the tool get_weather answered \{"output":\{"tempC":4\}\}/);

      c.write("get_weather");
      const again = await c.until(calling);
      c.speak(tone(200));
      const cut = await c.until(turnOver);
      assert.deepEqual(cut.order, ["interrupted", "toolCallCancellation", "turnComplete"]);
      assert.deepEqual(cut.cancelled, [again.calls[0].id]);
      await c.end();
    });

    it("resumes", async () => {
      const first = await connect(backend, voiceConfig());
      first.write("hello there");
      await first.until(turnOver);
      const { handle } = await first.until(handleGiven);
      const resumption = voiceConfig({ sessionResumption: { handle } });
      await assert.rejects(connect(backend, resumption), { code: 1011, reason: "Internal error encountered." });
      await first.end();

      const second = await resumed(backend, resumption);
      second.write("and on");
      assert.match((await second.until(turnOver)).out, /^Simulated answer 2: you wrote 2 words/);
      await second.end();

      const dead = voiceConfig({ sessionResumption: { handle: "of-nobody" } });
      await assert.rejects(connect(backend, dead), { code: 1008, reason: "BidiGenerateContent session not found" });
    });
  });
}

/** Connects as soon as the server has noticed that the old socket is gone. */
async function resumed(backend, config) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect(backend, config);
    } catch (error) {
      if (error.code !== 1011 || attempt === 100) throw error;
    }
  }
}
