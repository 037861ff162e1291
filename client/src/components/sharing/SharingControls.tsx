"use client";

import { useState } from "react";
import { useSharing } from "@/hooks/use-sharing";
import { canShareScreen } from "@/video/source";
import type { Call } from "@/voice/call";
import { Control } from "../Controls";
import { CameraIcon, ScreenIcon } from "./icons";
import { Preview } from "./Preview";

interface SharingControlsProps {
  call: Call;
  /** The conversation has begun. */
  ready: boolean;
  maxVideoBytes: number;
  /** How long a conversation with pictures may last with this model; 0: as long as any other. */
  limitMs: number;
}

/** Shows the model a camera or the screen, and the person what the model sees. */
export default function SharingControls({ call, ready, maxVideoBytes, limitMs }: SharingControlsProps) {
  const { sharing, snapshot } = useSharing(call, maxVideoBytes);
  const { on, asking, problem } = snapshot;
  const [screens] = useState(canShareScreen);
  return (
    <>
      <Control
        label="Camera"
        disabled={!ready || asking !== undefined}
        pressed={on === "camera"}
        onPress={() => (on === "camera" ? sharing.stop() : void sharing.startCamera())}
      >
        <CameraIcon className="size-6" />
      </Control>
      {screens && (
        <Control
          label="Screen"
          disabled={!ready || asking !== undefined}
          pressed={on === "screen"}
          onPress={() => (on === "screen" ? sharing.stop() : void sharing.startScreen())}
        >
          <ScreenIcon className="size-6" />
        </Control>
      )}
      <p role="status" className="sr-only">
        {on === "camera" && "The model sees your camera."}
        {on === "screen" && "The model sees your screen."}
      </p>
      {(on || problem) && <Preview sharing={sharing} snapshot={snapshot} limitMs={limitMs} />}
    </>
  );
}
