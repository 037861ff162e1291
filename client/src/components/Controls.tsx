import type { ReactNode } from "react";
import type { Call } from "@/voice/call";
import type { CallSnapshot } from "@/voice/snapshot";
import { isLive } from "@/voice/state";
import { EndIcon, InterruptIcon, MicrophoneIcon, MicrophoneOffIcon } from "./icons";

/** Mute, interrupt and end; only while there is a conversation. */
export function Controls({ call, snapshot }: { call: Call; snapshot: CallSnapshot }) {
  const { status, muted, textOnly, pushToTalk } = snapshot;
  if (!isLive(status) && status !== "ending") return null;
  const answering = status === "speaking" || status === "thinking";
  return (
    <div className="flex items-start justify-center gap-6" role="group" aria-label="Conversation">
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

function Control({ label, children, onPress, disabled = false, pressed, danger = false }: ControlProps) {
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
      className="group flex w-18 flex-col items-center gap-1.5 rounded-2xl text-xs font-medium text-muted aria-disabled:cursor-default aria-disabled:opacity-45"
    >
      <span className={`grid size-14 place-items-center rounded-full border transition-colors ${colours}`}>{children}</span>
      {label}
    </button>
  );
}
