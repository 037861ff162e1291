import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { binaries, frame, listening, settle, setUp, speaking, turnComplete } from "./fake-world";
import { median } from "./snapshot";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("how soon it answers", () => {
  it("is kept of every answer that has a beginning to count from", async () => {
    const s = await listening();
    for (const responseMs of [900, 0, 300, 500]) {
      s.socket.text({ type: "turn_complete", sessionId: "s-1", turn: { index: 1, responseMs, audioMs: 1, interrupted: false } });
    }
    expect(s.call.getSnapshot().session).toMatchObject({ responseMs: 500, responses: [900, 300, 500] });
    expect([median([900, 300, 500]), median([1, 2]), median([])]).toEqual([500, 1.5, undefined]);
  });
});

describe("a turn", () => {
  it("goes from listening over thinking and speaking back to listening", async () => {
    const s = await listening();
    for (let i = 0; i < 50; i++) frame(s, 0.2);
    expect(s.status()).toBe("listening");
    for (let i = 0; i < 30; i++) frame(s);
    expect(s.status()).toBe("thinking");
    s.socket.text({ type: "output_transcript", text: "Hi.", final: true });
    s.socket.binary(4800);
    expect(s.status()).toBe("thinking");
    s.world.speaker!.play(480);
    expect(s.status()).toBe("speaking");
    s.socket.text({ type: "generation_complete" });
    expect(s.world.speaker!.ended).toBe(true);
    s.socket.text(turnComplete());
    expect(s.status()).toBe("speaking");
    s.world.speaker!.playAll();
    expect(s.status()).toBe("listening");
    expect(s.call.getSnapshot().session).toMatchObject({ turns: 1, responseMs: 400 });

    // And once more: the counts of the first answer are not taken for the second.
    s.socket.binary(4800);
    expect(s.status()).toBe("listening");
    s.world.speaker!.play(1);
    expect(s.status()).toBe("speaking");
    s.world.speaker!.playAll();
    expect(s.status()).toBe("speaking");
    s.socket.text({ type: "generation_complete" });
    expect(s.status()).toBe("listening");
  });

  it("stays in speaking through a gap in the middle of an answer", async () => {
    const s = await speaking();
    s.world.speaker!.playAll();
    s.world.speaker!.report(0);
    expect(s.status()).toBe("speaking");
  });

  it("stops showing that it thinks when no answer comes", async () => {
    const s = await listening();
    s.call.sendText("…");
    await vi.advanceTimersByTimeAsync(12_000);
    expect(s.status()).toBe("listening");
  });

  it("counts half a sample as a mistake of the server and plays on", async () => {
    const s = await speaking();
    s.socket.binary(961);
    expect(s.call.stats()).toMatchObject({ protocolErrors: 1 });
    expect(s.status()).toBe("speaking");
  });

  it("drops the lost half of an answer that is spoken anew", async () => {
    const s = await speaking();
    s.socket.text({ type: "turn_restarted", reason: "upstream_lost" });
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.status()).toBe("thinking");
    expect(s.call.getSnapshot().captions.map((c) => c.text)).toEqual(["Hello?"]);
  });

  it("shows once a question that is heard again for an answer that is spoken anew", async () => {
    const s = await speaking();
    s.socket.text({ type: "turn_restarted", reason: "upstream_lost" });
    s.socket.text({ type: "input_transcript", text: "Hello?", final: true });
    s.socket.text({ type: "output_transcript", text: "Once upon", final: false });
    s.socket.binary(4800);
    s.world.speaker!.play(10);
    expect(s.status()).toBe("speaking");
    expect(s.call.getSnapshot().captions.map((c) => c.text)).toEqual(["Hello?", "Once upon"]);
  });

  it("shows once a sentence that is heard again because the upstream was renewed in its middle", async () => {
    const s = await listening();
    s.socket.text({ type: "input_transcript", text: "What can", final: false });
    s.socket.text({ type: "reconnected", gapMs: 700, replayedAudioMs: 900, lostAudioMs: 0 });
    s.socket.text({ type: "input_transcript", text: "What can you tell me?", final: true });
    expect(s.call.getSnapshot().captions.map((c) => c.text)).toEqual(["What can you tell me?"]);
  });

  it("has its own captions when the upstream does not end the one before", async () => {
    const s = await speaking();
    s.socket.text({ type: "generation_complete" });
    s.world.speaker!.playAll();
    s.socket.text({ type: "input_transcript", text: "And then?", final: true });
    s.socket.text({ type: "output_transcript", text: "The end", final: false });
    expect(s.call.getSnapshot().captions.map((c) => c.text)).toEqual(["Hello?", "Once upon a time", "And then?", "The end"]);
  });

  it("follows a renewal of the upstream without ending anything", async () => {
    const s = await speaking();
    s.socket.text({ type: "reconnecting", reason: "go_away", attempt: 1 });
    expect(s.call.getSnapshot().notice).toEqual({ kind: "reconnecting" });
    s.socket.text({ type: "reconnected", gapMs: 700, replayedAudioMs: 0, lostAudioMs: 0 });
    expect(s.call.getSnapshot()).toMatchObject({ notice: undefined, status: "speaking" });
  });
});

describe("interrupting", () => {
  it("by the button is silent at once, and the rest of the answer is dropped until the server says so", async () => {
    const s = await speaking();
    s.call.interrupt();
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.call.levels.speech).toBe(0);
    expect(s.status()).toBe("interrupted");
    expect(s.socket.messages.at(-1)).toEqual({ type: "interrupt" });
    expect(s.call.getSnapshot().captions.at(-1)).toMatchObject({ who: "model", interrupted: true });

    s.socket.binary(4800);
    s.socket.text({ type: "output_transcript", text: " there was", final: false });
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.call.getSnapshot().captions.length).toBe(2);
    expect(s.call.stats()?.discardedMessages).toBe(1);

    s.socket.text({ type: "interrupted" });
    s.socket.text(turnComplete(true));
    s.socket.binary(4800);
    expect(s.world.speaker!.queued).toBe(2400);
    s.world.speaker!.play(10);
    expect(s.status()).toBe("speaking");
  });

  it("by voice empties the queue when the server says so", async () => {
    const s = await speaking();
    s.socket.text({ type: "interrupted" });
    expect(s.world.speaker!.queued).toBe(0);
    expect(s.status()).toBe("interrupted");
    await vi.advanceTimersByTimeAsync(900);
    expect(s.status()).toBe("listening");
  });

  it("does not mark an answer that was heard to its end", async () => {
    const s = await speaking();
    s.socket.text({ type: "generation_complete" });
    s.world.speaker!.playAll();
    expect(s.status()).toBe("listening");
    s.socket.text({ type: "interrupted" });
    expect(s.status()).toBe("listening");
    expect(s.call.getSnapshot().captions.at(-1)).toMatchObject({ who: "model", closed: true, interrupted: false });
  });

  it("ignores reports from before the silence", async () => {
    const s = await speaking();
    s.call.interrupt();
    s.world.speaker!.received = 24_000;
    s.world.speaker!.report(0.5, 0);
    expect(s.status()).toBe("interrupted");
  });

  it("by typing goes first", async () => {
    const s = await speaking();
    s.call.sendText("Something else");
    expect(s.socket.types.slice(-2)).toEqual(["interrupt", "text"]);
    expect(s.status()).toBe("thinking");
    s.socket.text({ type: "interrupted" });
    // The server's answer to it is no news: the answer to the typed words is what is awaited.
    expect(s.status()).toBe("thinking");
    s.socket.text(turnComplete(true));
    expect(s.status()).toBe("thinking");
  });

  it("may cross the end of the turn on the way", async () => {
    const s = await speaking();
    s.call.sendText("Something else");
    s.socket.text(turnComplete());
    s.socket.text({ type: "interrupted" });
    expect(s.status()).toBe("thinking");
    s.socket.binary(4800);
    s.world.speaker!.play(10);
    expect(s.status()).toBe("speaking");
  });

  it("means nothing while there is nothing to interrupt", async () => {
    const s = await listening();
    s.call.interrupt();
    expect(s.socket.types).not.toContain("interrupt");
  });
});

describe("muting", () => {
  it("stops the frames and flushes what was said", async () => {
    const s = await listening();
    for (let i = 0; i < 10; i++) frame(s, 0.2);
    s.call.setMuted(true);
    expect(s.world.muted).toEqual([false, true]);
    expect(s.socket.types.at(-1)).toBe("turn_complete");
    expect(s.status()).toBe("thinking");
    const before = binaries(s);
    frame(s, 0.2);
    expect(binaries(s)).toBe(before);
    expect(s.call.levels.microphone).toBe(0);
    s.call.setMuted(false);
    frame(s, 0.2);
    expect(binaries(s)).toBe(before + 1);
    expect(s.socket.types.filter((t) => t === "turn_complete").length).toBe(1);
  });

  it("holds from before the microphone is there", async () => {
    const s = setUp();
    s.call.start();
    s.call.setMuted(true);
    s.world.allowMicrophone();
    await settle();
    expect(s.world.muted).toEqual([true]);
  });

  it("is over with the conversation", async () => {
    const s = await listening();
    s.call.setMuted(true);
    s.socket.drop(1006);
    expect(s.call.getSnapshot().muted).toBe(false);
  });

  it("is not needed to hurry an answer", async () => {
    const s = await listening();
    for (let i = 0; i < 10; i++) frame(s, 0.2);
    s.call.answerNow();
    expect(s.socket.types.at(-1)).toBe("turn_complete");
    expect(s.status()).toBe("thinking");
    frame(s);
    expect(s.socket.types.at(-1)).toBe("binary");
  });
});
