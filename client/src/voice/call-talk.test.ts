import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { frame, ready, resumed, settle, setUp, type Set } from "./fake-world";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A conversation in push-to-talk. */
async function holding(resumeTicket?: string): Promise<Set> {
  const s = setUp();
  s.call.start({ microphone: true, config: { vad: { mode: "manual" } } });
  s.world.admit();
  s.world.allowMicrophone();
  await settle();
  s.socket.open();
  s.socket.text({ type: "session_started", sessionId: "s-1", resumeTicket });
  s.socket.text(ready);
  expect(s.status()).toBe("listening");
  return s;
}

/** A frame whose first sample is its number. */
function numbered(s: Set, n: number): void {
  const pcm = new ArrayBuffer(640);
  new DataView(pcm).setInt16(0, n, true);
  s.world.microphone!.frame({ pcm, level: 0.2 });
}

/** What went up since the start: types of texts, numbers of frames. */
function sent(s: Set): (string | number)[] {
  return s.socket.sent.slice(1).flatMap((data): (string | number)[] => {
    if (data instanceof ArrayBuffer) return [new DataView(data).getInt16(0, true)];
    const { type } = JSON.parse(data) as { type: string };
    return type === "ack" ? [] : [type];
  });
}

describe("push-to-talk", () => {
  it("is asked for, and hears nobody who does not hold the button", async () => {
    const s = await holding();
    expect(s.socket.messages[0]).toMatchObject({ type: "start_session", config: { vad: { mode: "manual" }, resumable: true } });
    for (let i = 0; i < 100; i++) numbered(s, i);
    expect(sent(s)).toEqual([]);
    expect(s.call.levels.microphone).toBe(0);
  });

  it("sends the 300 ms before the button was down, then what is said, between the two marks", async () => {
    const s = await holding();
    for (let i = 1; i <= 40; i++) numbered(s, i);
    s.call.beginTalking();
    expect(s.call.getSnapshot().talking).toBe(true);
    numbered(s, 41);
    expect(s.call.levels.microphone).toBe(0.2);
    s.call.endTalking();
    numbered(s, 42);
    expect(sent(s)).toEqual(["activity_start", ...Array.from({ length: 15 }, (_, i) => 26 + i), 41, "activity_end"]);
    expect(s.status()).toBe("thinking");
    // What followed is the beginning of the next time, and nothing is sent twice.
    s.call.beginTalking();
    expect(sent(s).slice(-2)).toEqual(["activity_start", 42]);
  });

  it("stays with the person until they let go, whatever is understood meanwhile", async () => {
    const s = await holding();
    s.call.beginTalking();
    s.socket.text({ type: "input_transcript", text: "Well,", final: true });
    s.socket.text({ type: "voice_activity", sessionId: "s-1", state: "ended" });
    expect(s.status()).toBe("listening");
    s.call.endTalking();
    s.call.endTalking();
    expect(s.status()).toBe("thinking");
    expect(sent(s)).toEqual(["activity_start", "activity_end"]);
  });

  it("interrupts the answer at once, and drops the rest of it", async () => {
    const s = await holding();
    s.socket.text({ type: "output_transcript", text: "Once upon", final: false });
    s.socket.binary(48_000);
    s.world.speaker!.play(100);
    expect(s.status()).toBe("speaking");
    s.call.beginTalking();
    expect(s.world.speaker!.queued).toBe(0);
    expect(sent(s)).toEqual(["interrupt", "activity_start"]);
    s.socket.binary(4800);
    expect(s.world.speaker!.queued).toBe(0);
    s.socket.text({ type: "interrupted" });
    expect(s.call.getSnapshot()).toMatchObject({ talking: true, captions: [{ interrupted: true }] });
  });

  it("goes on over a line that breaks while the button is down", async () => {
    const s = await holding("t-1");
    s.call.beginTalking();
    numbered(s, 1);
    s.socket.drop(1006);
    numbered(s, 2);
    s.call.endTalking();
    await vi.advanceTimersByTimeAsync(300);
    s.socket.open();
    // The server has the mark and nothing else.
    s.socket.text(resumed(1));
    expect(sent(s)).toEqual([1, 2, "activity_end"]);
  });

  it("is remembered over a reload, with the button up", async () => {
    const s = await holding("t-1");
    s.call.beginTalking();
    s.call.leave();
    const next = setUp(s.keep);
    next.call.remember();
    next.call.resume();
    next.world.allowMicrophone();
    await settle();
    next.socket.open();
    next.socket.text(resumed(0));
    expect(next.call.getSnapshot()).toMatchObject({ status: "listening", pushToTalk: true, talking: false });
    frame(next);
    expect(next.socket.types).not.toContain("binary");
  });

  it("lets go when the microphone is pulled out, and when the conversation ends", async () => {
    const s = await holding();
    s.call.beginTalking();
    s.world.microphone!.lost();
    s.world.refuseMicrophone(new Error("gone"));
    await settle();
    expect(sent(s)).toContain("activity_end");
    expect(s.call.getSnapshot()).toMatchObject({ talking: false, textOnly: true });
    s.call.beginTalking();
    expect(s.call.getSnapshot().talking).toBe(false);

    const other = await holding();
    other.call.beginTalking();
    other.call.hangUp();
    other.socket.drop(1000);
    expect(other.call.getSnapshot().talking).toBe(false);
  });
});

describe("changing to push-to-talk in mid-conversation", () => {
  it("is in effect when the server says so, and not before", async () => {
    const s = await holding();
    const update = (): unknown => s.socket.text({ type: "session_updated", sessionId: "s-1", model: "m", voice: "Puck", language: "" });
    s.call.beginTalking();
    expect(s.call.updateSession({ vad: { mode: "auto" } })).toBe(true);
    expect(sent(s).slice(-2)).toEqual(["activity_end", "update_session"]);
    numbered(s, 7);
    expect(sent(s)).not.toContain(7);
    expect(s.call.getSnapshot().pushToTalk).toBe(true);
    update();
    expect(s.call.getSnapshot()).toMatchObject({ pushToTalk: false, session: { voice: "Puck" } });
    numbered(s, 8);
    expect(sent(s)).toContain(8);
    expect(sent(s)).not.toContain(7);
    // An update of something else changes nothing of it.
    s.call.updateSession({ voice: "Kore" });
    update();
    expect(s.call.getSnapshot().pushToTalk).toBe(false);
  });

  it("unmutes: whoever holds a button is heard", async () => {
    const s = await holding();
    s.call.updateSession({ vad: { mode: "auto" } });
    const update = { type: "session_updated", sessionId: "s-1", model: "m", voice: "Kore", language: "" };
    s.socket.text(update);
    s.call.setMuted(true);
    s.call.updateSession({ vad: { mode: "manual" } });
    s.socket.text(update);
    expect(s.call.getSnapshot()).toMatchObject({ pushToTalk: true, muted: false });
    expect(s.world.muted.at(-1)).toBe(false);
    s.call.beginTalking();
    numbered(s, 1);
    expect(sent(s)).toContain(1);
  });

  it("does not happen when the server refuses", async () => {
    const s = await holding();
    s.call.updateSession({ vad: { mode: "auto" } });
    s.socket.text({ type: "warning", code: "not_allowed", message: "No.", field: "vad.mode" });
    s.socket.text({ type: "session_updated", sessionId: "s-1", model: "m", voice: "Puck", language: "" });
    expect(s.call.getSnapshot().pushToTalk).toBe(true);
  });

  it("falls back where the model cannot do it from the start", async () => {
    const s = await holding();
    s.socket.text({ type: "warning", code: "not_supported", message: "This model cannot.", field: "vad.mode" });
    expect(s.call.getSnapshot().pushToTalk).toBe(false);
    numbered(s, 1);
    expect(sent(s)).toEqual([1]);
  });
});
