import { describe, expect, it } from "vitest";
import { defaults, parseSettings, settingsKey, SettingsStore } from "./settings";

function fakeStorage(items = new Map<string, string>()): Storage {
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
  } as Storage;
}

describe("settings", () => {
  it("are the defaults where nothing, or nothing sensible, is stored", () => {
    for (const text of [null, "", "{", "null", "7", "[]", '{"theme":"pink","captions":"no","voice":7,"sensitivity":"none","pushToTalk":1}']) {
      expect(parseSettings(text), String(text)).toEqual(defaults);
    }
    expect(parseSettings(JSON.stringify({ voice: "x".repeat(1000) })).voice).toBe("");
  });

  it("are found again by the next page, each one", () => {
    const storage = fakeStorage();
    const set = {
      assistant: "a", model: "m", voice: "Kore", language: "de-DE", sensitivity: "low", pushToTalk: true,
      microphone: "mic", speaker: "loud", captions: false, theme: "dark",
    } as const;
    new SettingsStore(() => storage).set(set);
    expect(new SettingsStore(() => storage).get()).toEqual(set);
  });

  it("tell of every change, also of another tab's", () => {
    const items = new Map<string, string>();
    const store = new SettingsStore(() => fakeStorage(items));
    const seen: string[] = [];
    const leave = store.subscribe(() => seen.push(store.get().theme));
    store.set({ theme: "dark" });
    expect(store.get()).toBe(store.get());
    items.set(settingsKey, '{"theme":"light"}');
    store.changedElsewhere();
    leave();
    store.set({ theme: "system" });
    expect(seen).toEqual(["dark", "light"]);
  });

  it("hold without a storage for as long as the page does", () => {
    const store = new SettingsStore(() => {
      throw new DOMException("no", "SecurityError");
    });
    store.set({ pushToTalk: true });
    expect(store.get()).toEqual({ ...defaults, pushToTalk: true });
  });
});
