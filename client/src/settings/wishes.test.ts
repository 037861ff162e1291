import { describe, expect, it } from "vitest";
import type { ServerConfig } from "@/voice/api";
import { defaults, type Settings } from "./settings";
import { updateOf, modelOf, wishes } from "./wishes";

const offer: ServerConfig = {
  simulated: false,
  assistants: [{ name: "guide", label: "Guide" }],
  defaultAssistant: "guide",
  models: [
    { id: "m1", label: "One", voices: ["Kore", "Puck"], languages: [], videoLimitMs: 0 },
    { id: "m2", label: "Two", voices: ["Zephyr"], languages: ["de-DE"], videoLimitMs: 0 },
  ],
  defaultModel: "m1",
  clientMaySet: ["assistant", "model", "voice", "language", "vad"],
  maxVideoBytes: 1_048_576,
  voiceNotes: new Map(),
};
const all: Settings = { ...defaults, assistant: "guide", model: "m2", voice: "Zephyr", language: "de-DE", sensitivity: "low", pushToTalk: true };

describe("what a conversation begins with", () => {
  it("is nothing where nothing is set", () => {
    expect(wishes(defaults, offer)).toEqual({});
    expect(wishes(defaults, undefined)).toEqual({});
  });

  it("is all that is set", () => {
    expect(wishes(all, offer)).toEqual({
      assistant: "guide",
      model: "m2",
      voice: "Zephyr",
      language: "de-DE",
      vad: { mode: "manual", startSensitivity: "low" },
    });
  });

  it("leaves out what the server does not offer any more, or does not let a page set", () => {
    const old = { ...all, assistant: "gone", model: "gone", language: "tlh" };
    // Zephyr is no voice of the model that it will be.
    expect(wishes(old, offer)).toEqual({ vad: { mode: "manual", startSensitivity: "low" } });
    expect(wishes(all, { ...offer, clientMaySet: [] })).toEqual({});
    expect(wishes(all, undefined)).toEqual({ vad: { mode: "manual", startSensitivity: "low" } });
  });
});

describe("what a conversation is told in its middle", () => {
  it("is the change alone", () => {
    expect(updateOf({ voice: "Puck" }, offer)).toEqual({ voice: "Puck" });
    expect(updateOf({ language: "" }, offer)).toEqual({ language: "auto" });
    expect(updateOf({ pushToTalk: false }, offer)).toEqual({ vad: { mode: "auto" } });
    expect(updateOf({ sensitivity: "high" }, offer)).toEqual({ vad: { startSensitivity: "high" } });
  });

  it("is nothing where the change is not its business", () => {
    for (const change of [{ theme: "dark" }, { captions: false }, { voice: "" }, { model: "m2" }, { assistant: "guide" }] as const) {
      expect(updateOf(change, offer)).toBeUndefined();
    }
    expect(updateOf({ voice: "Puck" }, { ...offer, clientMaySet: ["vad"] })).toBeUndefined();
  });
});

it("the voices to choose from are those of the model that is wished for", () => {
  expect(modelOf(defaults, offer)?.voices).toEqual(["Kore", "Puck"]);
  expect(modelOf(all, offer)?.voices).toEqual(["Zephyr"]);
  expect(modelOf(all, undefined)).toBeUndefined();
});
