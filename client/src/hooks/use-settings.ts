import { useEffect, useSyncExternalStore } from "react";
import { defaults, settingsKey, SettingsStore, type Settings } from "@/settings/settings";

/** The page's settings; one for all of its components. */
export const settings = new SettingsStore(() => window.localStorage);

const atBuild = (): Settings => defaults;

/** Draws the page in the theme that is set; `layout.tsx` does it before the first paint. */
export function useTheme(theme: Settings["theme"]): void {
  useEffect(() => {
    const { dataset } = document.documentElement;
    if (theme === "system") delete dataset.theme;
    else dataset.theme = theme;
  }, [theme]);
}

export function useSettings(): Settings {
  useEffect(() => {
    const onStorage = (event: StorageEvent): void => {
      if (event.key === settingsKey || event.key === null) settings.changedElsewhere();
    };
    window.addEventListener("storage", onStorage);
    return () => window.removeEventListener("storage", onStorage);
  }, []);
  return useSyncExternalStore(settings.subscribe, settings.get, atBuild);
}
