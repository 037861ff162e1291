import { describe, expect, it } from "vitest";
import { answerWhole, cutShort, heard, noCaptions, replayed, restarted, said, turnOver, typed, type Captions } from "./captions";

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

  describe("when a question is heard again for an answer that is spoken anew", () => {
    const asked = heard(heard(noCaptions, "What can you tell me", false), " about the bridge?", true);
    const lost = restarted(said(asked, "It was bui"));

    it("do not show it twice", () => {
      let c = heard(lost, "What can you", false);
      c = said(c, "It was");
      c = heard(c, " tell me about the bridge?", false);
      c = said(c, " built.");
      expect(script(c)).toEqual(["person: What can you tell me about the bridge?", "model…: It was built."]);
      c = heard(turnOver(c, false), "What can you tell me about the bridge?", true);
      expect(script(c).length).toBe(3);
    });

    it("do not show the end of it twice", () => {
      const c = said(heard(lost, "about the bridge?", true), "It was");
      expect(script(c)).toEqual(["person: What can you tell me about the bridge?", "model…: It was"]);
    });

    it("show it as it is understood now", () => {
      let c = heard(heard(lost, "What can you", false), " tell us about", false);
      c = said(heard(c, " the ridge?", true), "It is");
      expect(script(c)).toEqual(["person: What can you tell us about the ridge?", "model…: It is"]);
      expect(c.list[0]!.id).toBe(asked.list[0]!.id);
    });

    it("keep it when something else is said", () => {
      expect(script(heard(lost, "Stop.", true))).toEqual(["person: What can you tell me about the bridge?", "person: Stop."]);
    });

    it("go on where it goes on", () => {
      let c = restarted(said(heard(asked, "Wait,", false), "It was"));
      c = heard(c, "What can you tell me about the bridge?", false);
      c = heard(c, " Wait, stop.", true);
      expect(script(c)).toEqual(["person: What can you tell me about the bridge?", "person: Wait, stop."]);
    });

    it("do not show twice what was typed", () => {
      const question = said(heard(typed(noCaptions, "How old?"), "How old?", true), "Ver");
      expect(script(said(heard(restarted(question), "How old?", true), "Very"))).toEqual(["person: How old?", "model…: Very"]);
    });

    it("do not show half a sentence twice either", () => {
      const c = heard(replayed(heard(noCaptions, "What can you", false)), "What can you tell me?", true);
      expect(script(c)).toEqual(["person: What can you tell me?"]);
    });
  });

  it("begin a new turn after a whole answer, though the upstream did not end it", () => {
    let c = answerWhole(said(heard(noCaptions, "One?", false), "First"));
    c = said(c, ".");
    c = said(answerWhole(said(heard(c, "Two?", false), "Second.")), "");
    c = said(typed(c, "Three?"), "Third.");
    expect(script(c)).toEqual([
      "person: One?",
      "model: First.",
      "person: Two?",
      "model: Second.",
      "person: Three?",
      "model…: Third.",
    ]);
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
