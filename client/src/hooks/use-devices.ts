import { useCallback, useEffect, useState } from "react";
import { canChooseSpeaker } from "@/voice/audio";

export interface DeviceChoice {
  readonly id: string;
  readonly name: string;
}

export interface DeviceList {
  readonly microphones: readonly DeviceChoice[];
  /** None in browsers that have no choice of speakers. */
  readonly speakers: readonly DeviceChoice[];
}

const none: DeviceList = { microphones: [], speakers: [] };

/** The sound devices, as they come and go. Browsers tell their names only to a page that has once been allowed to listen: then `look` again. */
export function useDevices(): { devices: DeviceList; look: () => void } {
  const [devices, setDevices] = useState(none);
  const look = useCallback(() => {
    navigator.mediaDevices?.enumerateDevices().then(
      (all) => setDevices({ microphones: choices(all, "audioinput"), speakers: canChooseSpeaker() ? choices(all, "audiooutput") : [] }),
      () => setDevices(none),
    );
  }, []);
  useEffect(() => {
    look();
    const { mediaDevices } = navigator;
    mediaDevices?.addEventListener("devicechange", look);
    return () => mediaDevices?.removeEventListener("devicechange", look);
  }, [look]);
  return { devices, look };
}

/** Those that can be told apart; Chromium also lists the system's own choice under ids of its own. */
function choices(all: readonly MediaDeviceInfo[], kind: MediaDeviceKind): DeviceChoice[] {
  return all
    .filter((x) => x.kind === kind && x.label !== "" && !["", "default", "communications"].includes(x.deviceId))
    .map((x) => ({ id: x.deviceId, name: x.label }));
}
