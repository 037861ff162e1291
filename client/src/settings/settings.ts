// What a person has set on this page, kept in the browser. Framework-free.

export type Theme = "system" | "light" | "dark";
export type Sensitivity = "" | "high" | "low";

/** An empty text is the server's, the model's or the system's own choice. */
export interface Settings {
  readonly assistant: string;
  readonly model: string;
  readonly voice: string;
  readonly language: string;
  /** How easily the model believes that somebody has begun to speak. */
  readonly sensitivity: Sensitivity;
  /** The person says when they speak, by a button. */
  readonly pushToTalk: boolean;
  /** Ids that the browser gave to devices of this origin. */
  readonly microphone: string;
  readonly speaker: string;
  readonly captions: boolean;
  readonly theme: Theme;
}

export const defaults: Settings = {
  assistant: "",
  model: "",
  voice: "",
  language: "",
  sensitivity: "",
  pushToTalk: false,
  microphone: "",
  speaker: "",
  captions: true,
  theme: "system",
};

/** The key in `localStorage`; the page's head reads the theme from it before anything is drawn. */
export const settingsKey = "stonepot.settings";

const themes: readonly Theme[] = ["system", "light", "dark"];
const sensitivities: readonly Sensitivity[] = ["", "high", "low"];

/** Longer than any name that a server or a browser gives. */
const maxTextLength = 512;

/** Settings from what was stored; whatever does not fit is as it is by default. */
export function parseSettings(text: string | null): Settings {
  let stored: unknown;
  try {
    stored = JSON.parse(text ?? "{}");
  } catch {
    return defaults;
  }
  if (typeof stored !== "object" || stored === null) return defaults;
  const s = stored as Record<string, unknown>;
  const words = (key: keyof Settings): string => {
    const value = s[key];
    return typeof value === "string" && value.length <= maxTextLength ? value : "";
  };
  return {
    assistant: words("assistant"),
    model: words("model"),
    voice: words("voice"),
    language: words("language"),
    sensitivity: sensitivities.find((x) => x === s.sensitivity) ?? defaults.sensitivity,
    pushToTalk: s.pushToTalk === true,
    microphone: words("microphone"),
    speaker: words("speaker"),
    captions: s.captions !== false,
    theme: themes.find((x) => x === s.theme) ?? defaults.theme,
  };
}

/**
 * SettingsStore keeps the settings of this origin. A storage that is full or forbidden keeps nothing, and the settings hold
 * for as long as the page does.
 */
export class SettingsStore {
  private current: Settings | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly storage: () => Storage) {}

  // Bound, so that they can be handed to useSyncExternalStore.
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly get = (): Settings => (this.current ??= this.read());

  set(change: Partial<Settings>): void {
    this.current = { ...this.get(), ...change };
    try {
      this.storage().setItem(settingsKey, JSON.stringify(this.current));
    } catch {
      // They hold for as long as the page does.
    }
    this.listeners.forEach((listener) => listener());
  }

  /** Another tab has changed what is stored. */
  changedElsewhere(): void {
    this.current = this.read();
    this.listeners.forEach((listener) => listener());
  }

  private read(): Settings {
    try {
      return parseSettings(this.storage().getItem(settingsKey));
    } catch {
      return defaults;
    }
  }
}
