import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Admission } from "./api";
import { FakeSocket } from "./fake-socket";
import { ended, FakeSpeaker, ready, settle, turnComplete } from "./fake-world";
import { problemOf, ProblemError } from "./problem";
import { playSample } from "./sample";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setUp(admit: () => Promise<Admission> = () => Promise.resolve({ url: "wss://x/y", protocols: [] })) {
  const socket = new FakeSocket();
  const told: unknown[] = [];
  const t = { socket, told, speaker: undefined as FakeSpeaker | undefined, closed: 0, stop: (): void => undefined };
  t.stop = playSample(
    {
      openAudio: (events) => {
        t.speaker = new FakeSpeaker(events);
        return {
          speaker: t.speaker,
          openMicrophone: () => expect.fail("nobody is listened to"),
          speakerChanged: () => undefined,
          devicesChanged: () => undefined,
          resume: () => undefined,
          close: () => void t.closed++,
        };
      },
      createSession: admit,
      openSocket: () => socket,
      now: () => performance.now(),
      wall: () => Date.now(),
    },
    { voice: "Puck" },
    { sounding: (simulated) => told.push(simulated ? "simulated" : "sounding"), over: (problem) => told.push(problem?.code ?? "over") },
  );
  return t;
}

async function begun(t: ReturnType<typeof setUp>): Promise<void> {
  await settle();
  t.socket.open();
  t.socket.text({ type: "session_started", sessionId: "s" });
  t.socket.text(ready);
}

describe("a sample of a voice", () => {
  it("is one answer, in that voice, without a microphone, and then all is closed", async () => {
    const t = setUp();
    await begun(t);
    expect(t.socket.messages[0]).toMatchObject({ type: "start_session", config: { voice: "Puck" } });
    expect(t.socket.types).toEqual(["start_session", "text"]);
    t.socket.binary(4800);
    t.speaker!.play(1200);
    expect(t.told).toEqual(["simulated"]);
    t.socket.text({ type: "generation_complete" });
    t.socket.text(turnComplete());
    t.speaker!.playAll();
    expect(t.socket.types.at(-1)).toBe("end_session");
    t.socket.text(ended);
    t.socket.drop(1000);
    expect(t.told).toEqual(["simulated", "over"]);
    expect(t.closed).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(t.socket.types.filter((x) => x === "text")).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is cut by whoever started it, and by itself when it takes too long", async () => {
    for (const cut of [(t: ReturnType<typeof setUp>) => t.stop(), () => vi.advanceTimersByTimeAsync(20_000)]) {
      const t = setUp();
      await begun(t);
      t.socket.alive = true;
      await cut(t);
      expect(t.socket.types).toContain("end_session");
      t.socket.text(ended);
      t.socket.drop(1000);
      expect(t.told).toEqual(["over"]);
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  it("tells why there is none", async () => {
    const t = setUp(() => Promise.reject(new ProblemError(problemOf("at_capacity"))));
    await settle();
    expect(t.told).toEqual(["at_capacity"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
