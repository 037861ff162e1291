import { describe, expect, it } from "vitest";
import { idle, type CallSnapshot } from "@/voice/snapshot";
import type { Status } from "@/voice/state";
import { actionFor, announcementFor, happened } from "./words";

const turn: Status[] = ["listening", "thinking", "speaking", "interrupted", "thinking", "speaking", "listening"];
const at = (status: Status, more: Partial<CallSnapshot> = {}): CallSnapshot => ({ ...idle, status, ...more });

describe("what a screen reader says", () => {
  it("is said once for a conversation, and not for each of its turns", () => {
    for (const more of [{}, { muted: true }, { textOnly: true }]) {
      expect(new Set(turn.map((status) => announcementFor(at(status, more)))).size).toBe(1);
    }
  });

  it("tells the beginning, the mute and the end", () => {
    const said = [at("connecting"), at("listening"), at("listening", { muted: true }), at("ending"), at("ended")].map(announcementFor);
    expect(new Set(said).size).toBe(5);
    expect(said).not.toContain("");
  });
});

describe("what happened to the conversation", () => {
  const caption = { id: 1, text: "Hello", closed: true, interrupted: false, at: 1, until: 1 } as const;
  const told = [{ ...caption, who: "person" }, { ...caption, who: "notice", text: "It forgot." }, { ...caption, who: "person" }] as const;

  it("is told while the conversation goes on, and not of one that is over", () => {
    expect(happened(at("listening", { captions: told }))).toBe("It forgot.");
    expect(happened(at("listening", { captions: told.slice(0, 1) }))).toBe("");
    expect(happened(at("ended", { captions: told }))).toBe("");
    expect(happened(at("idle", { captions: told, offer: "continue" }))).toBe("");
  });
});

describe("the big button", () => {
  it("is held in push-to-talk, from the first word to the last", () => {
    for (const status of ["listening", "thinking", "speaking", "interrupted"] as const) {
      expect(actionFor(at(status, { pushToTalk: true }))).toBe("Hold to speak");
      expect(actionFor(at(status, { pushToTalk: true, talking: true }))).toMatch(/let go/);
      expect(actionFor(at(status, { pushToTalk: true, textOnly: true }))).not.toMatch(/Hold/);
    }
    expect(actionFor(at("connecting", { pushToTalk: true }))).toBe("Cancel");
    expect(actionFor(at("ended", { pushToTalk: true }))).toBe("Start talking");
    expect(new Set(turn.map((status) => announcementFor(at(status, { pushToTalk: true })))).size).toBe(1);
  });

  it("does not offer an answer to somebody who cannot be heard", () => {
    expect(actionFor(at("listening"))).toMatch(/answer now/);
    expect(actionFor(at("listening", { muted: true }))).toMatch(/^Unmute/);
    expect(actionFor(at("listening", { textOnly: true }))).toMatch(/^Type/);
  });

  it("goes on with a conversation where there is one to go on with", () => {
    expect(actionFor(at("idle", { offer: "continue" }))).toBe("Continue conversation");
    expect(actionFor(at("failed", { offer: "takeBack" }))).toBe("Take it back here");
    for (const status of ["idle", "failed", "ended"] as const) expect(actionFor(at(status))).toBe("Start talking");
    expect(announcementFor(at("idle", { offer: "continue" }))).not.toBe("");
  });
});
