import { describe, expect, it } from "vitest";
import { Outgoing, type Gap } from "./outgoing";

const frame = (mark: number): ArrayBuffer => new Int16Array([mark]).buffer;

/** Everything that is handed out until there is no more: speech by its mark, text as it is. */
function drain(out: Outgoing): (number | string | Gap)[] {
  const all: (number | string | Gap)[] = [];
  for (let next = out.next(); next !== undefined; next = out.next()) {
    all.push(next instanceof ArrayBuffer ? new Int16Array(next)[0]! : next);
  }
  return all;
}

/** A second of speech for each mark. */
function speech(out: Outgoing, from: number, to: number): void {
  for (let mark = from; mark <= to; mark++) out.pushAudio(frame(mark), 1000);
}

describe("what was said", () => {
  it("is handed out once, in order, and again from where the server stopped", () => {
    const out = new Outgoing();
    speech(out, 1, 3);
    expect(out.pushText("a")).toBe(4);
    expect(drain(out)).toEqual([1, 2, 3, "a"]);
    expect(out.waiting).toBe(false);
    speech(out, 5, 5);
    out.rewind(2);
    expect(drain(out)).toEqual([3, "a", 5]);
    out.rewind(0);
    expect(drain(out)).toEqual([1, 2, 3, "a", 5]);
    expect(out).toMatchObject({ sent: 5, dropped: 0 });
  });

  it("is forgotten when it is covered, and not when it is acknowledged", () => {
    const out = new Outgoing();
    speech(out, 1, 4);
    drain(out);
    out.acknowledge(4);
    out.cover(2);
    expect(out.acknowledged).toBe(4);
    out.rewind(2);
    expect(drain(out)).toEqual([3, 4]);
    // Nobody may claim what was not sent, and counts never shrink.
    out.acknowledge(99);
    expect(out.acknowledged).toBe(4);
    out.acknowledge(1);
    expect(out.acknowledged).toBe(4);
    speech(out, 5, 5);
    out.cover(99);
    expect(drain(out)).toEqual([5]);
  });

  it("is a minute of speech at most, and every text beside it", () => {
    const out = new Outgoing();
    out.pushText("a");
    speech(out, 1, 30);
    out.pushText("b");
    speech(out, 31, 75);
    expect(drain(out)).toEqual([
      "a",
      { messages: 15, audioMs: 15_000 },
      ...Array.from({ length: 15 }, (_, i) => i + 16),
      "b",
      ...Array.from({ length: 45 }, (_, i) => i + 31),
    ]);
    expect(out.dropped).toBe(15);
    speech(out, 76, 95);
    out.rewind(0);
    expect(drain(out).slice(0, 5)).toEqual(["a", { messages: 30, audioMs: 30_000 }, "b", { messages: 5, audioMs: 5000 }, 36]);
  });

  it("that had to go is told exactly from wherever the server stopped", () => {
    const out = new Outgoing();
    speech(out, 1, 40);
    drain(out);
    speech(out, 41, 80);
    // Nobody knows yet whether the first twenty came through.
    expect(out.dropped).toBe(20);
    for (let received = 0; received < 20; received++) {
      out.rewind(received);
      expect(drain(out)[0]).toEqual({ messages: 20 - received, audioMs: (20 - received) * 1000 });
    }
    out.rewind(20);
    expect(drain(out)[0]).toBe(21);
    out.rewind(0);
    out.next();
    out.cover(7);
    out.rewind(7);
    expect(drain(out)[0]).toEqual({ messages: 13, audioMs: 13_000 });
  });

  it("told as gone is not counted as lost when the server has it", () => {
    const out = new Outgoing();
    speech(out, 1, 40);
    drain(out);
    out.acknowledge(40);
    speech(out, 41, 80);
    expect(out.dropped).toBe(0);
  });

  it("counts in the server even where it was forgotten here", () => {
    const out = new Outgoing();
    speech(out, 1, 4);
    drain(out);
    out.cover(3);
    out.rewind(1);
    expect(drain(out)).toEqual([{ messages: 2, audioMs: 0 }, 4]);
    out.cover(4);
    out.rewind(1);
    expect(drain(out)).toEqual([{ messages: 3, audioMs: 0 }]);
  });

  it("in writing waits up to a bound, and is refused beyond it", () => {
    const out = new Outgoing();
    for (let i = 1; i <= 64; i++) expect(out.pushText(String(i))).toBe(i);
    expect(out.pushText("one more")).toBe(0);
    expect(drain(out).length).toBe(64);
    expect(out.pushText("there is room again")).toBe(65);
    out.rewind(10);
    expect(out.pushText("all the others wait again")).toBe(66);
    expect(drain(out).length).toBe(56);
  });

  it("in writing is kept up to a bound when nobody says that it is covered", () => {
    const out = new Outgoing();
    for (let i = 1; i <= 300; i++) {
      expect(out.pushText(String(i))).toBe(2 * i - 1);
      out.pushAudio(frame(i), 20);
      drain(out);
    }
    out.rewind(0);
    const all = drain(out);
    expect(all[0]).toEqual({ messages: 1, audioMs: 0 });
    expect(all.filter((x) => typeof x === "string")).toEqual(Array.from({ length: 256 }, (_, i) => String(i + 45)));
    expect(all.filter((x) => typeof x === "number").length).toBe(300);
  });

  it("has one picture that can be repeated, the newest", () => {
    const out = new Outgoing();
    speech(out, 1, 1);
    expect(out.pushPicture("seen first")).toBe(2);
    speech(out, 3, 3);
    expect(drain(out)).toEqual([1, "seen first", 3]);
    out.pushPicture("seen then");
    expect(drain(out)).toEqual(["seen then"]);
    out.rewind(0);
    expect(drain(out)).toEqual([1, { messages: 1, audioMs: 0 }, 3, "seen then"]);
    out.dropPicture();
    out.rewind(3);
    expect(drain(out)).toEqual([{ messages: 1, audioMs: 0 }]);
    // Superseded is not lost.
    expect(out.dropped).toBe(0);
  });

  it("leaves no more gaps than there is room for, and no message uncounted", () => {
    const out = new Outgoing();
    // An hour and a half of short words and a text after each: gaps of both kinds take turns.
    for (let i = 1; i <= 5000; i++) {
      out.pushAudio(frame(i % 1000), 1000);
      out.pushText("x");
      drain(out);
    }
    out.rewind(0);
    const all = drain(out);
    const numbered = all.reduce<number>((n, x) => n + (typeof x === "object" ? x.messages : 1), 0);
    expect(numbered).toBe(10_000);
    const gapMs = all.reduce<number>((n, x) => n + (typeof x === "object" ? x.audioMs : 0), 0);
    expect(gapMs).toBe(4_940_000);
    expect((out as unknown as { items: unknown[] }).items.length).toBeLessThan(900);
  });
});
