// The client under Node, the built server and its simulator, and between them a line that breaks in every way.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.mjs";
import { CountingPerson, until } from "./node-world";
import { startStonepot, type Server } from "./stonepot.mjs";

let server: Server;

beforeAll(async () => {
  // Every sample comes back at once, and may overtake its own playing: what was held back is here soon.
  server = await startStonepot({ STONEPOT_SIMULATOR_ECHO: "true", STONEPOT_AUDIO_PLAYBACK_LEAD: "20s" });
});
afterAll(async () => expect(await server.stop(), server.log()).toBe(0));

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const after = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

type Fault = (proxy: FaultProxy, person: CountingPerson, random: () => number) => Promise<void>;

const faults: Readonly<Record<string, Fault>> = {
  "cut now": async (proxy) => proxy.cut(),
  "cut at any byte up": async (proxy, _, random) => proxy.cutAfter("up", 1 + Math.floor(random() * 3000)),
  "cut at any byte down": async (proxy, _, random) => proxy.cutAfter("down", 1 + Math.floor(random() * 3000)),
  "cut again at once": async (proxy, _, random) => {
    proxy.cut();
    await until("another line", () => proxy.lines() > 0, () => proxy.lines());
    proxy.cutAfter(random() < 0.5 ? "up" : "down", 1 + Math.floor(random() * 1500));
  },
  "gone for a while": async (proxy, _, random) => {
    proxy.accept(false);
    proxy.cut();
    await after(500 + random() * 2500);
    proxy.accept(true);
  },
  "another network": async (proxy, person) => {
    person.call.networkChanged(false);
    proxy.halfOpen(false);
    await after(500);
    person.call.networkChanged(true);
  },
  "half open, and the server knows": async (proxy) => proxy.halfOpen(true),
  "half open, and nobody knows": async (proxy) => proxy.halfOpen(false),
  stalled: async (proxy, _, random) => {
    proxy.stall(true);
    await after(1000 + random() * 3000);
    proxy.stall(false);
  },
  slow: async (proxy) => {
    // A little less than the microphone gives.
    proxy.slow(28_000);
    await after(3000);
    proxy.slow(Infinity);
  },
};

/** A person who speaks for a while on a line with faults, and what is left to check when it is quiet again. */
async function conversation(seed: number, names: readonly string[]): Promise<CountingPerson> {
  const next = random(seed);
  const proxy = await startFaultProxy(server.port);
  const person = new CountingPerson(proxy.port);
  const state = (): unknown => ({ seed, names, spoken: person.spoken, heard: person.heard, faults: person.faults, ...person.call.getSnapshot(), captions: [], stats: person.call.stats() });
  try {
    person.call.start();
    await until("the conversation to begin", () => person.call.getSnapshot().status === "listening", state);
    person.speak();
    for (const name of names) {
      await after(next() * 800);
      await faults[name]!(proxy, person, next);
      const later = person.spoken + 4000;
      await until(`what was said after "${name}"`, () => person.heard > later, state, 30_000);
    }
    person.silence();
    await until("the last word", () => person.heard >= person.spoken, state, 30_000);
    // Whatever comes twice comes now.
    await after(300);
    expect(person.faults, `seed ${seed}: ${names.join(", ")}`).toEqual([]);
    expect(person.heard).toBe(person.spoken);
    expect(person.call.stats(), JSON.stringify(state())).toMatchObject({ dropped: 0, skipped: 0, protocolErrors: 0 });
    person.call.hangUp();
    await until("a clean end", () => person.call.getSnapshot().status === "ended", state);
    expect(person.call.getSnapshot().problem).toBeUndefined();
  } finally {
    person.silence();
    person.call.hangUp();
    await proxy.close();
  }
  return person;
}

describe("not one sample is lost or doubled, whatever happens to the line", () => {
  it("each kind of fault, and four in a row by chance, in many conversations at once", async () => {
    const names = Object.keys(faults);
    const each = names.map((name, i) => conversation(i, [name, name]));
    const chance = Array.from({ length: 6 }, (_, i) => {
      const next = random(100 + i);
      return conversation(100 + i, Array.from({ length: 4 }, () => names[Math.floor(next() * names.length)]!));
    });
    const people = await Promise.all([...each, ...chance]);
    for (const [i, name] of names.entries()) {
      const resumed = people[i]!.call.stats()!.resumed;
      // A line that is slow, or stalls for a moment, is none that broke.
      if (name !== "slow" && name !== "stalled") expect(resumed, name).toBeGreaterThanOrEqual(2);
    }
    expect(people[names.indexOf("gone for a while")]!.notices).toContain("resuming");
  });
});

describe("a change in mid-conversation", () => {
  it("holds although the line broke just then", async () => {
    const proxy = await startFaultProxy(server.port);
    const person = new CountingPerson(proxy.port);
    const state = (): unknown => person.call.getSnapshot();
    try {
      person.call.start();
      await until("the conversation to begin", () => person.call.getSnapshot().status === "listening", state);
      expect(person.call.updateSession({ voice: "Puck", language: "de-DE" })).toBe(true);
      proxy.cut();
      await until("the change", () => person.call.getSnapshot().session?.voice === "Puck", state);
      expect(person.call.getSnapshot().session).toMatchObject({ language: "de-DE", lastWarning: "" });
      expect(person.call.stats()?.resumed).toBeGreaterThan(0);
      person.call.hangUp();
      await until("a clean end", () => person.call.getSnapshot().status === "ended", state);
    } finally {
      person.call.hangUp();
      await proxy.close();
    }
  });
});
