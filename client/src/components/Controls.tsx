import type { ReactNode } from "react";
import { usualVideoBytes, type ServerConfig } from "@/voice/api";
import type { Call } from "@/voice/call";
import type { CallSnapshot } from "@/voice/snapshot";
import { isLive } from "@/voice/state";
import { EndIcon, InterruptIcon, MicrophoneIcon, MicrophoneOffIcon } from "./icons";
import { later } from "./later";

const SharingControls = later(() => import("./sharing/SharingControls"));

/** Mute, show, interrupt and end; only while there is a conversation. */
export function Controls({ call, snapshot, offer }: { call: Call; snapshot: CallSnapshot; offer: ServerConfig | undefined }) {
  const { status, muted, textOnly, pushToTalk, session } = snapshot;
  if (!isLive(status) && status !== "ending") return null;
  const answering = status === "speaking" || status === "thinking";
  return (
    <div className="flex flex-wrap items-start justify-center gap-x-1 gap-y-2 sm:gap-x-5 short:gap-x-1" role="group" aria-label="Conversation">
      {!pushToTalk && (
        <Control
          label={muted ? "Unmute" : "Mute"}
          disabled={textOnly || status === "connecting" || status === "ending"}
          pressed={muted}
          onPress={() => call.setMuted(!muted)}
        >
          {muted ? <MicrophoneOffIcon className="size-6" /> : <MicrophoneIcon className="size-6" />}
        </Control>
      )}
      <SharingControls
        call={call}
        ready={isLive(status) && status !== "connecting"}
        maxVideoBytes={offer?.maxVideoBytes ?? usualVideoBytes}
        limitMs={offer?.models.find((x) => x.id === session?.model)?.videoLimitMs ?? 0}
      />
      <Control label="Interrupt" disabled={!answering} onPress={() => call.interrupt()}>
        <InterruptIcon className="size-6" />
      </Control>
      <Control label="End" disabled={status === "ending"} danger onPress={() => call.hangUp()}>
        <EndIcon className="size-6" />
      </Control>
    </div>
  );
}

interface ControlProps {
  label: string;
  children: ReactNode;
  onPress: () => void;
  disabled?: boolean;
  /** Makes it a toggle. */
  pressed?: boolean;
  danger?: boolean;
}

/** A round button with its name below. */
export function Control({ label, children, onPress, disabled = false, pressed, danger = false }: ControlProps) {
  const colours = danger
    ? `border-danger/35 text-danger ${disabled ? "" : "group-hover:bg-danger group-hover:text-on-accent"}`
    : pressed
      ? "border-ink bg-ink text-paper"
      : `border-line bg-surface text-ink ${disabled ? "" : "group-hover:border-stone"}`;
  return (
    <button
      type="button"
      onClick={disabled ? undefined : onPress}
      // Not `disabled`: the browser would take the keyboard's focus away from whoever has just pressed it.
      aria-disabled={disabled}
      aria-pressed={pressed}
      className="group flex w-13 flex-col items-center gap-1.5 rounded-2xl text-xs font-medium min-[23rem]:w-14 sm:w-18 short:w-13 short:gap-1 text-muted aria-disabled:cursor-default aria-disabled:opacity-45"
    >
      <span className={`grid size-12 place-items-center rounded-full border transition-colors sm:size-14 short:size-12 ${colours}`}>{children}</span>
      {label}
    </button>
  );
}
