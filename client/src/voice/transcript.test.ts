import { describe, expect, it } from "vitest";
import { cutShort, heard, noCaptions, restarted, said, stamped, typed, type Caption, type Captions } from "./captions";
import { transcriptFile, transcriptJson, transcriptSrt, transcriptText } from "./transcript";
import { noSession } from "./snapshot";

const began = Date.UTC(2026, 0, 2, 3, 4, 5);

function caption(id: number, who: Caption["who"], text: string, at: number, until: number, more: Partial<Caption> = {}): Caption {
  return { id, who, text, closed: true, interrupted: false, at: began + at, until: began + until, ...more };
}

const conversation = [
  caption(1, "person", "How old is the bridge?", 0, 900),
  caption(2, "model", "About four hundred years.\n\nIt was", 1500, 2000, { interrupted: true }),
  caption(3, "person", "Stop", 3_723_004, 3_723_004),
];

describe("a transcript", () => {
  it("as text tells when, who and what", () => {
    expect(transcriptText(conversation)).toBe(
      "[00:00:00] You: How old is the bridge?\n\n" +
        "[00:00:01] Model: About four hundred years.\n\nIt was (interrupted)\n\n" +
        "[01:02:03] You: Stop\n",
    );
  });

  it("as SRT can be read, overlaps nothing, and has no blank line inside", () => {
    expect(transcriptSrt(conversation)).toBe(
      "1\n00:00:00,000 --> 00:00:01,320\nYou: How old is the bridge?\n\n" +
        "2\n00:00:01,500 --> 00:00:03,480\nModel: About four hundred years.\nIt was (interrupted)\n\n" +
        "3\n01:02:03,004 --> 01:02:04,004\nYou: Stop\n",
    );
    const crowded = [caption(1, "person", "A".repeat(100), 0, 0), caption(2, "model", "B", 0, 0), caption(3, "model", "C", 50, 60)];
    const times = transcriptSrt(crowded).match(/\S+ --> \S+/g);
    expect(times).toEqual(["00:00:00,000 --> 00:00:00,001", "00:00:00,000 --> 00:00:00,050", "00:00:00,050 --> 00:00:01,050"]);
  });

  it("tells what happened, which nobody has said", () => {
    const happened = [...conversation, caption(4, "notice", "It forgot.", 3_724_004, 3_724_004)];
    expect(transcriptText(happened)).toMatch(/\n\n\[01:02:04\] \(It forgot\.\)\n$/);
    expect(transcriptSrt(happened)).toMatch(/\n\(It forgot\.\)\n$/);
  });

  it("as JSON carries the session and the time of day", () => {
    const read = JSON.parse(transcriptJson(conversation, { ...noSession, id: "s-1", model: "m" })) as Record<string, unknown>;
    expect(read.session).toEqual({ id: "s-1", model: "m", voice: "", language: "", simulated: false });
    expect(read.captions).toHaveLength(3);
    expect((read.captions as unknown[])[1]).toEqual({
      who: "model",
      text: "About four hundred years.\n\nIt was",
      interrupted: true,
      from: "2026-01-02T03:04:06.500Z",
      to: "2026-01-02T03:04:07.000Z",
    });
  });

  it("has a name that file systems take", () => {
    expect(transcriptFile("srt", conversation).name).toBe("conversation-2026-01-02T03-04-05.srt");
    expect(transcriptFile("text", conversation).mimeType).toMatch(/^text\/plain/);
    expect(transcriptFile("json", []).content).toContain('"captions": []');
  });
});

describe("times of captions", () => {
  /** Does one thing after another, a second apart, and tells who was shown from when to when. */
  function times(...steps: ((c: Captions) => Captions)[]): string[] {
    const last = steps.reduce((c, step, i) => stamped(c, step(c), i * 1000), noCaptions);
    return last.list.map((x) => `${x.who} ${x.at}-${x.until}`);
  }

  it("begin with the first words and end with the last, whenever the caption is closed", () => {
    expect(times((c) => heard(c, "How", false), (c) => heard(c, " old?", true), (c) => said(c, "Very."), cutShort)).toEqual([
      "person 0-1000",
      "model 2000-2000",
    ]);
  });

  it("put a late question no later than its answer", () => {
    expect(times((c) => said(c, "Very"), (c) => heard(c, "How old?", true), (c) => said(c, " old."))).toEqual(["person 0-0", "model 0-2000"]);
  });

  it("of an answer that is spoken anew are those of the new one", () => {
    expect(times((c) => typed(c, "Well?"), (c) => said(c, "It"), restarted, (c) => said(c, "It is."))).toEqual(["person 0-0", "model 3000-3000"]);
  });
});
