import { describe, expect, it } from "vitest";
import { keepIn, type Saved } from "./saved";
import { noSession } from "./snapshot";

class FakeStorage implements Storage {
  readonly items = new Map<string, string>();
  full = false;
  get length(): number {
    return this.items.size;
  }
  clear(): void {
    this.items.clear();
  }
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  key(): string | null {
    return null;
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
  setItem(key: string, value: string): void {
    if (this.full) throw new Error("QuotaExceededError");
    this.items.set(key, value);
  }
}

const saved: Saved = {
  ticket: { sessionId: "s", resumeTicket: "t" },
  url: "wss://x/api/gemini-live-stream",
  textOnly: false,
  muted: true,
  pushToTalk: true,
  outputHz: 24_000,
  session: { ...noSession, id: "s", model: "m", voice: "Kore", turns: 3, startupMs: 12, simulated: true, readySince: 1000 },
  captions: [
    { id: 7, who: "person", text: "Hello?", closed: true, interrupted: false, at: 1_799_999_990_000, until: 1_799_999_991_000 },
    { id: 9, who: "model", text: "Hi, ünï 你好", closed: false, interrupted: true, at: 1_799_999_992_000, until: 1_799_999_993_000 },
    { id: 10, who: "notice", text: "It forgot.", closed: true, interrupted: false, at: 1_799_999_994_000, until: 1_799_999_994_000 },
  ],
};

function setUp() {
  const storage = new FakeStorage();
  const clock = { wall: 1_800_000_000_000, now: 61_000 };
  const keep = keepIn(() => storage, () => clock.wall, () => clock.now);
  return { storage, clock, keep };
}

describe("what outlives a reload", () => {
  it("is what was saved, with the times on the new page's clock", () => {
    const { clock, keep } = setUp();
    keep.write(saved);
    clock.wall += 5000;
    clock.now = 400;
    expect(keep.read()).toEqual({
      ...saved,
      session: { ...saved.session, readySince: 400 - 5000 - 60_000 },
      captions: saved.captions.map((c, id) => ({ ...c, id })),
    });
    keep.clear();
    expect(keep.read()).toBeUndefined();
  });

  it("is not offered when it is old, of another version, or no conversation at all", () => {
    const { storage, clock, keep } = setUp();
    expect(keep.read()).toBeUndefined();
    keep.write(saved);
    clock.wall += 5 * 60_000;
    expect(keep.read()).toBeUndefined();
    clock.wall -= 6 * 60_000;
    expect(keep.read(), "from the future").toBeUndefined();
    clock.wall += 60_000;
    expect(keep.read()).toBeDefined();
    const [[key, text]] = [...storage.items] as [[string, string]];
    for (const broken of ["", "null", "[]", "{}", text.slice(0, 40), text.replace('"version":1', '"version":2'), text.replace('"s"', "5")]) {
      storage.items.set(key, broken);
      expect(keep.read(), broken).toBeUndefined();
    }
  });

  it("is small: the newest captions", () => {
    const { keep } = setUp();
    const say = (n: number, length: number): Saved["captions"] =>
      Array.from({ length: n }, (_, id) => ({ id, who: "model", text: `${id} `.padEnd(length, "x"), closed: true, interrupted: false, at: id, until: id }));
    keep.write({ ...saved, captions: say(400, 10) });
    expect(keep.read()?.captions.map((c) => Number.parseInt(c.text))).toEqual(Array.from({ length: 100 }, (_, i) => 300 + i));
    keep.write({ ...saved, captions: say(90, 3000) });
    expect(keep.read()?.captions.length).toBe(13);
  });

  it("is nothing where the browser gives no storage, and nobody notices", () => {
    const { storage, keep } = setUp();
    storage.full = true;
    keep.write(saved);
    expect(keep.read()).toBeUndefined();
    const forbidden = keepIn(
      () => {
        throw new Error("SecurityError");
      },
      () => 0,
      () => 0,
    );
    forbidden.write(saved);
    forbidden.clear();
    expect(forbidden.read()).toBeUndefined();
  });
});
