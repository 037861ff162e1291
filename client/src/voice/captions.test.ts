import { describe, expect, it } from "vitest";
import { cutShort, heard, noCaptions, restarted, said, turnOver, typed, type Captions } from "./captions";

/** The captions as a script: who, what, and how it stands. */
function script(c: Captions): string[] {
  return c.list.map((x) => `${x.who}${x.closed ? "" : "…"}${x.interrupted ? "!" : ""}: ${x.text}`);
}

describe("captions", () => {
  it("append pieces verbatim", () => {
    let c = heard(noCaptions, " What is the", false);
    c = heard(c, " weather?", true);
    c = said(c, "Sunny, ");
    c = said(c, "21 °C.");
    expect(script(c)).toEqual(["person: What is the weather?", "model…: Sunny, 21 °C."]);
    expect(script(turnOver(c, false))).toEqual(["person: What is the weather?", "model: Sunny, 21 °C."]);
  });

  it("put a question above the answer that overtook its transcript", () => {
    let c = said(noCaptions, "Sunny.");
    c = heard(c, "What is the weather?", true);
    expect(script(c)).toEqual(["person: What is the weather?", "model…: Sunny."]);
  });

  it("put what is said during an answer below it", () => {
    let c = heard(noCaptions, "Tell me a story.", true);
    c = said(c, "Once upon a time");
    c = heard(c, "Wait,", false);
    c = cutShort(c);
    c = heard(c, " stop.", true);
    c = said(c, "Sure.");
    expect(script(c)).toEqual([
      "person: Tell me a story.",
      "model!: Once upon a time",
      "person: Wait, stop.",
      "model…: Sure.",
    ]);
  });

  it("do not split the next sentence when the end of an interrupted turn comes late", () => {
    let c = heard(noCaptions, "Tell me a story.", true);
    c = said(c, "Once upon");
    c = cutShort(c);
    c = heard(c, "Wait,", false);
    c = turnOver(c, true);
    c = heard(c, " stop.", true);
    expect(script(c)).toEqual(["person: Tell me a story.", "model!: Once upon", "person: Wait, stop."]);
  });

  it("give each question its own line when no piece is ever said to be the last", () => {
    let c = said(heard(noCaptions, "One?", false), "First");
    c = heard(cutShort(c), "Two?", false);
    c = turnOver(c, true);
    c = said(c, "Second");
    // Interrupted before a word of the answer was written down.
    c = heard(cutShort(heard(turnOver(c, false), "Three?", false)), "Four?", false);
    expect(script(c)).toEqual([
      "person: One?",
      "model!: First",
      "person: Two?",
      "model: Second",
      "person: Three?",
      "person…: Four?",
    ]);
  });

  it("begin a new turn after the last one is over", () => {
    let c = heard(noCaptions, "One.", true);
    c = turnOver(said(c, "First."), false);
    c = said(c, "Second.");
    c = heard(c, "Two.", true);
    expect(script(c)).toEqual(["person: One.", "model: First.", "person: Two.", "model…: Second."]);
  });

  it("hold what was typed, whole", () => {
    expect(script(said(typed(noCaptions, "hello"), "Hi."))).toEqual(["person: hello", "model…: Hi."]);
  });

  it("do not show twice what was typed and comes back as if it had been said", () => {
    let c = typed(typed(noCaptions, "How old is the bridge?"), "And the river?");
    c = heard(c, "How old", false);
    c = said(c, "Very");
    c = heard(c, " is the bridge?", false);
    c = heard(c, "And the river?", true);
    c = turnOver(c, false);
    expect(script(c)).toEqual(["person: How old is the bridge?", "person: And the river?", "model: Very"]);
    // Said in a later turn it is no echo.
    expect(script(heard(c, "And the river?", true)).at(-1)).toBe("person: And the river?");
    expect(heard(c, "And the river?", true).list.length).toBe(4);
  });

  it("show what is said beside what was typed", () => {
    const c = heard(typed(noCaptions, "How old is the bridge?"), "Wait.", true);
    expect(script(c)).toEqual(["person: How old is the bridge?", "person: Wait."]);
  });

  it("lose an answer that will be spoken anew", () => {
    const c = restarted(said(heard(noCaptions, "Hello?", true), "Half an ans"));
    expect(script(said(c, "A whole answer."))).toEqual(["person: Hello?", "model…: A whole answer."]);
  });

  it("do not begin with blank pieces", () => {
    expect(script(said(heard(noCaptions, " ", true), "\n"))).toEqual([]);
    expect(script(cutShort(noCaptions))).toEqual([]);
  });

  it("keep their ids while they grow, and never share one", () => {
    let c = heard(noCaptions, "a", false);
    const id = c.list[0]!.id;
    c = said(heard(c, "b", true), "c");
    expect(c.list[0]!.id).toBe(id);
    expect(new Set(c.list.map((x) => x.id)).size).toBe(2);
  });

  it("keep the end of a very long conversation", () => {
    let c = noCaptions;
    for (let i = 0; i < 1000; i++) c = typed(c, String(i));
    expect(c.list.length).toBe(400);
    expect(c.list.at(-1)?.text).toBe("999");
  });
});
