import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { everyMs, Poller, type Verdict } from "./poller";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function polled(verdict: () => Verdict) {
  const world = { seen: true, visible: () => world.seen, random: () => 1 };
  const signals: AbortSignal[] = [];
  const poller = new Poller((signal) => {
    signals.push(signal);
    return Promise.resolve(verdict());
  }, world);
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  return { world, poller, pass, looks: () => signals.length, signals };
}

describe("the poller", () => {
  it("looks again and again, until it is stopped", async () => {
    const p = polled(() => ({ next: "go" }));
    p.poller.start();
    await p.pass(0);
    expect(p.looks()).toBe(1);
    await p.pass(5 * everyMs);
    expect(p.looks()).toBe(6);
    p.poller.stop();
    await p.pass(100_000);
    expect(p.looks()).toBe(6);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("asks a server in trouble more and more seldom, once a minute at last", async () => {
    const p = polled(() => ({ next: "wait", retryAfter: 0 }));
    p.poller.start();
    const gaps: number[] = [];
    for (let i = 1, since = 0, now = 0; i < 9; now += 500) {
      await p.pass(500);
      if (p.looks() > i) {
        gaps.push(now + 500 - since);
        since = now + 500;
        i = p.looks();
      }
    }
    expect(gaps).toEqual([4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
    // Somebody asks: at once, and quickly after that.
    p.poller.again();
    await p.pass(0);
    expect(p.looks()).toBe(10);
    await p.pass(4000);
    expect(p.looks()).toBe(11);
  });

  it("waits as long as the server wishes, a minute at most", async () => {
    let retryAfter = 30;
    const p = polled(() => ({ next: "wait", retryAfter }));
    p.poller.start();
    await p.pass(29_999);
    expect(p.looks()).toBe(1);
    retryAfter = 3600;
    await p.pass(1);
    expect(p.looks()).toBe(2);
    await p.pass(60_000);
    expect(p.looks()).toBe(3);
  });

  it("rests while nobody sees the page, and looks at once when somebody does", async () => {
    const p = polled(() => ({ next: "go" }));
    p.poller.start();
    await p.pass(0);
    p.world.seen = false;
    p.poller.visibilityChanged();
    expect(vi.getTimerCount()).toBe(0);
    await p.pass(60_000);
    expect(p.looks()).toBe(1);
    p.world.seen = true;
    p.poller.visibilityChanged();
    expect(p.looks()).toBe(2);
    // A second event changes nothing.
    p.poller.visibilityChanged();
    expect(p.looks()).toBe(2);
  });

  it("begins hidden, and looks when it is seen", async () => {
    const p = polled(() => ({ next: "go" }));
    p.world.seen = false;
    p.poller.start();
    await p.pass(10_000);
    expect(p.looks()).toBe(0);
    p.world.seen = true;
    p.poller.visibilityChanged();
    expect(p.looks()).toBe(1);
  });

  it("stops where asking again is no use, until somebody asks", async () => {
    const p = polled(() => ({ next: "stop" }));
    p.poller.start();
    await p.pass(100_000);
    p.poller.visibilityChanged();
    await p.pass(100_000);
    expect(p.looks()).toBe(1);
    p.poller.again();
    await p.pass(100_000);
    expect(p.looks()).toBe(2);
  });

  it("lets go of a look that is under way", async () => {
    const world = { visible: () => true, random: () => 1 };
    const signals: AbortSignal[] = [];
    const poller = new Poller((signal) => {
      signals.push(signal);
      return new Promise<Verdict>((done) => signal.addEventListener("abort", () => done({ next: "go" })));
    }, world);
    poller.start();
    poller.again();
    await vi.advanceTimersByTimeAsync(0);
    expect(signals.map((s) => s.aborted)).toEqual([true, false]);
    poller.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(signals[1]?.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
