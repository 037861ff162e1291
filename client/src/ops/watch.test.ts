import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Operator } from "./api";
import { FakeServer, refused, sessionAnswer, statsAnswer } from "./fake-server";
import { KeyStore } from "./key";
import { Watch } from "./watch";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const statsPath = "GET /api/session/stats";
const listPath = "GET /api/session";

function fakeStorage(): Storage {
  const items = new Map<string, string>();
  return {
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, value) => void items.set(name, value),
    removeItem: (name) => void items.delete(name),
    clear: () => items.clear(),
    key: () => null,
    get length() {
      return items.size;
    },
  };
}

function watched(refusing?: () => Storage) {
  const kept = fakeStorage();
  const server = new FakeServer();
  server.answers = { [statsPath]: statsAnswer(), [listPath]: { success: true, count: 1, sessions: [sessionAnswer("s1")] } };
  const key = new KeyStore(refusing ?? (() => kept));
  const watch = new Watch(new Operator(server, () => key.get()), key, { visible: () => true, random: () => 1, now: () => Date.now() });
  const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
  return { server, watch, pass, kept, shows: () => watch.getSnapshot() };
}

describe("the operator's view", () => {
  it("shows figures and conversations, and goes on looking", async () => {
    const { server, watch, pass, shows } = watched();
    watch.start();
    await pass();
    expect(shows()).toMatchObject({ trouble: undefined, stats: { active: 2 }, sessions: [{ id: "s1" }] });
    server.answers[statsPath] = statsAnswer({ active: 7, uptimeMs: 62_000 });
    await pass(2000);
    expect(shows().stats?.active).toBe(7);
    expect(shows().history.samples).toHaveLength(2);
    // Without a key none is sent.
    expect(server.asked.every((a) => a.authorization === null)).toBe(true);
    watch.stop();
  });

  it("asks for a key once, keeps it for the tab, and forgets it with all that it showed", async () => {
    const { server, watch, pass, kept, shows } = watched();
    server.key = "correct horse battery";
    watch.start();
    await pass(60_000);
    expect(shows()).toMatchObject({ trouble: "keyWanted", stats: undefined, hasKey: false });
    expect(server.asked).toHaveLength(2);

    watch.giveKey("wrong");
    await pass(60_000);
    expect(shows()).toMatchObject({ trouble: "keyWanted", hasKey: true });
    watch.giveKey(" correct horse battery\n");
    await pass();
    expect(shows()).toMatchObject({ trouble: undefined, hasKey: true, sessions: [{ id: "s1" }] });
    expect(server.asked.at(-1)?.authorization).toBe("Bearer correct horse battery");
    expect(kept.length).toBe(1);

    watch.forgetKey();
    await pass();
    expect(kept.length).toBe(0);
    expect(shows()).toMatchObject({ trouble: "keyWanted", stats: undefined, sessions: undefined, hasKey: false });
    expect(shows().history.samples).toHaveLength(0);
    watch.stop();
  });

  it("works without a place to keep the key", async () => {
    const { server, watch, pass, shows } = watched(() => {
      throw new Error("SecurityError");
    });
    server.key = "correct horse battery";
    watch.start();
    await pass();
    watch.giveKey("correct horse battery");
    await pass();
    expect(shows().sessions).toHaveLength(1);
    watch.stop();
  });

  it("shows open figures to whoever has no key, and does not go on asking for the list", async () => {
    const { server, watch, pass, shows } = watched();
    server.key = "correct horse battery";
    server.answers["open"] = true;
    watch.start();
    await pass(20_000);
    expect(shows()).toMatchObject({ trouble: undefined, listTrouble: "keyWanted", stats: { active: 2 }, sessions: undefined });
    expect(server.asked.filter((a) => a.path === "/api/session")).toHaveLength(1);
    watch.giveKey("correct horse battery");
    await pass();
    expect(shows()).toMatchObject({ listTrouble: undefined, sessions: [{ id: "s1" }] });
    watch.stop();
  });

  it("says why there is nothing", async () => {
    const { server, watch, pass, shows } = watched();
    server.answers = {};
    watch.start();
    await pass();
    expect(shows().trouble).toBe("closed");
    const cases: [unknown, string][] = [
      [new TypeError("failed to fetch"), "unreachable"],
      [refused(503, "server_draining"), "busy"],
      [refused(500, "internal"), "unreachable"],
      [new Response("<html>"), "strange"],
      [{ hello: "world" }, "strange"],
    ];
    for (const [answer, trouble] of cases) {
      server.answers[statsPath] = answer;
      watch.again();
      await pass();
      expect(shows().trouble).toBe(trouble);
    }
    server.onlineNow = false;
    server.answers[statsPath] = new TypeError("failed to fetch");
    watch.again();
    await pass();
    expect(shows().trouble).toBe("offline");
    watch.stop();
  });

  it("keeps the last figures while the server is away, and goes on by itself", async () => {
    const { server, watch, pass, shows } = watched();
    watch.start();
    await pass();
    server.answers[statsPath] = new TypeError("failed to fetch");
    await pass(2000);
    expect(shows()).toMatchObject({ trouble: "unreachable", stats: { active: 2 }, sessions: [{ id: "s1" }] });
    server.answers[statsPath] = statsAnswer({ uptimeMs: 10, total: 0 });
    await pass(10_000);
    expect(shows()).toMatchObject({ trouble: undefined, history: { restarted: true } });
    watch.stop();
  });
});

describe("ending a conversation", () => {
  it("is asked of the server, gently or at once", async () => {
    const { server, watch, pass, shows } = watched();
    server.answers["PUT /api/session/a%2Fb/end"] = { success: true };
    server.answers["DELETE /api/session/a%2Fb"] = { success: true };
    watch.start();
    await pass();
    void watch.end("a/b", "gently");
    expect(shows().outcome).toEqual({ id: "a/b", result: "ending" });
    await pass();
    expect(shows().outcome).toEqual({ id: "a/b", result: "asked" });
    void watch.end("a/b", "atOnce");
    await pass();
    expect(server.asked.filter((a) => a.method !== "GET").map((a) => `${a.method} ${a.path}`)).toEqual([
      "PUT /api/session/a%2Fb/end",
      "DELETE /api/session/a%2Fb",
    ]);
    watch.stop();
  });

  it("tells what became of it", async () => {
    const { server, watch, pass, shows } = watched();
    watch.start();
    const cases: [unknown, string][] = [
      [refused(404, "session_not_found"), "gone"],
      [refused(401, "unauthorized"), "keyWanted"],
      [new TypeError("failed to fetch"), "unreachable"],
    ];
    for (const [answer, result] of cases) {
      server.answers["PUT /api/session/s1/end"] = answer;
      void watch.end("s1", "gently");
      await pass();
      expect(shows().outcome).toEqual({ id: "s1", result });
    }
    watch.stop();
  });
});
