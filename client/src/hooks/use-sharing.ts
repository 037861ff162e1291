"use client";

import { useEffect, useSyncExternalStore } from "react";
import { Sharing, type SharingSnapshot } from "@/video/sharing";
import { hasCameras, openCamera, openScreen } from "@/video/source";
import type { Call } from "@/voice/call";
import { isLive } from "@/voice/state";

let sharing: Sharing | undefined;
let maxMessageBytes = 0;

/** There is one, as there is one call. */
function sharingOf(call: Call): Sharing {
  return (sharing ??= new Sharing(
    {
      sendPicture: (picture) => call.sendPicture(picture && { mimeType: picture.mimeType, data: picture.data }),
      stats: () => call.stats(),
      lost: () => call.getSnapshot().notice?.kind === "resuming",
    },
    { openCamera, openScreen, hasCameras },
    () => maxMessageBytes,
  ));
}

/** What the page's call shows beside it; it ends with the conversation. `maxBytes`: of a `video_frame` message. */
export function useSharing(call: Call, maxBytes: number): { sharing: Sharing; snapshot: SharingSnapshot } {
  const one = sharingOf(call);
  useEffect(() => void (maxMessageBytes = maxBytes), [maxBytes]);
  const snapshot = useSyncExternalStore(one.subscribe, one.getSnapshot, one.getSnapshot);
  useEffect(() => {
    const leave = call.subscribe(() => {
      if (!isLive(call.getSnapshot().status)) one.stop();
    });
    return () => {
      leave();
      one.stop();
    };
  }, [call, one]);
  return { sharing: one, snapshot };
}
