"use client";

import { useEffect, useRef, type ReactNode } from "react";
import type { Sharing, SharingSnapshot } from "@/video/sharing";
import { Report } from "../Report";
import { duration } from "../words";
import { GoOnIcon, PauseIcon, StopIcon, SwitchIcon } from "./icons";

/** What the model sees, with the sign that it does; or why it does not. */
export function Preview({ sharing, snapshot, limitMs }: { sharing: Sharing; snapshot: SharingSnapshot; limitMs: number }) {
  const { on, paused, stream, canSwitch, facing, problem } = snapshot;
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream ?? null;
  }, [stream]);
  return (
    <div className="absolute top-0 right-3 z-5 flex w-26 flex-col items-end gap-2 wide:top-2 wide:right-auto wide:left-0 wide:w-48 wide:items-start wide:short:w-28">
      {problem && (
        <div role="alert" data-sharing-problem={problem.code} className="w-60 rounded-2xl border border-line bg-surface p-3 text-left text-sm shadow-lg">
          <p className="font-semibold text-danger">{problem.title}</p>
          <p className="mt-1 text-muted">
            {problem.detail} <span className="text-ink">{problem.next}</span>
          </p>
          <div className="mt-2 flex items-start justify-between gap-2">
            <Report code={problem.code} />
            <button type="button" onClick={() => sharing.dismiss()} className="rounded-full px-2 py-1 font-medium underline underline-offset-2">
              Close
            </button>
          </div>
        </div>
      )}
      {on && (
        <figure
          data-sharing={on}
          data-paused={paused ?? ""}
          className={`w-full overflow-hidden rounded-2xl border-2 bg-surface shadow-lg ${paused ? "border-stone" : "border-danger"}`}
        >
          <video
            ref={video}
            aria-hidden="true"
            autoPlay
            muted
            playsInline
            // A person knows themselves from the mirror; the model is sent what the camera sees.
            className={`aspect-video w-full bg-sunken object-contain ${on === "camera" && facing !== "environment" ? "-scale-x-100" : ""}`}
          />
          <figcaption className="flex items-center gap-1.5 px-2 pt-1.5 text-xs font-medium">
            <span aria-hidden="true" className={`size-2 rounded-full ${paused ? "bg-stone" : "animate-pulse bg-danger"}`} />
            {paused === "system" ? "Nothing to see" : paused ? "Paused" : on === "camera" ? "Camera on" : "Screen on"}
          </figcaption>
          {limitMs > 0 && <p className="px-2 pt-1 text-xs text-muted">With pictures this model can talk for {duration(limitMs)} min.</p>}
          <div className="flex justify-between px-0.5">
            <Small label={paused === "person" ? "Go on showing" : "Pause what the model sees"} onPress={() => sharing.pause(paused !== "person")} disabled={paused === "system"}>
              {paused === "person" ? <GoOnIcon className="size-5" /> : <PauseIcon className="size-5" />}
            </Small>
            {canSwitch && (
              <Small label="Switch the camera" onPress={() => void sharing.switchCamera()}>
                <SwitchIcon className="size-5" />
              </Small>
            )}
            <Small label="Stop showing" onPress={() => sharing.stop()}>
              <StopIcon className="size-5" />
            </Small>
          </div>
        </figure>
      )}
    </div>
  );
}

/** A sign, with its name for those who do not see it or wonder: the preview has no room for words. */
function Small({ label, children, onPress, disabled = false }: { label: string; children: ReactNode; onPress: () => void; disabled?: boolean }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      aria-disabled={disabled}
      onClick={disabled ? undefined : onPress}
      className="grid size-8 place-items-center rounded-full -outline-offset-3! hover:bg-sunken aria-disabled:opacity-50"
    >
      {children}
    </button>
  );
}
