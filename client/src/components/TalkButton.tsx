import type { Call } from "@/voice/call";
import type { CallSnapshot } from "@/voice/snapshot";
import { useHold } from "@/hooks/use-hold";
import { Halo } from "./Halo";
import { EndIcon, InterruptIcon, KeyboardIcon, MicrophoneIcon, MicrophoneOffIcon } from "./icons";
import { actionFor, isHeld } from "./words";

interface TalkButtonProps {
  call: Call;
  snapshot: CallSnapshot;
  onStart: () => void;
  onType: () => void;
}

/** The big button: it starts, and in a conversation it is the person's "now me" or "your turn"; in push-to-talk it is held. */
export function TalkButton({ call, snapshot, onStart, onType }: TalkButtonProps) {
  const { status, muted, textOnly, talking } = snapshot;
  const hold = useHold(talking, () => call.beginTalking(), () => call.endTalking());
  const held = isHeld(snapshot);
  const press = (): void => {
    switch (status) {
      case "idle":
      case "ended":
      case "failed":
        return snapshot.offer ? call.resume() : onStart();
      case "connecting":
        return call.hangUp();
      case "thinking":
      case "speaking":
        return call.interrupt();
      case "listening":
      case "interrupted":
        if (textOnly) return onType();
        return muted ? call.setMuted(false) : call.answerNow();
      case "ending":
        return;
    }
  };
  const resting = status === "idle" || status === "ended" || status === "failed";
  return (
    <div className="relative aspect-square w-[min(19rem,74vw,38dvh)] shrink-0 in-data-[compact=true]:w-[min(13rem,25dvh)] in-data-[compact=true]:low:w-[20dvh] wide:w-[min(24rem,42dvh)]!">
      <Halo call={call} status={status} />
      <button
        type="button"
        data-talk
        {...(held ? hold : { onClick: press })}
        disabled={status === "ending"}
        aria-pressed={held ? talking : undefined}
        aria-label={actionFor(snapshot)}
        className={`orb absolute inset-[21%] grid place-items-center rounded-full ${held ? "touch-none select-none [-webkit-touch-callout:none]" : ""} ${resting ? "orb-breathing" : ""}`}
      >
        <Glyph snapshot={snapshot} />
      </button>
    </div>
  );
}

function Glyph({ snapshot }: { snapshot: CallSnapshot }) {
  const size = "size-[30%]";
  if (isHeld(snapshot)) return <MicrophoneIcon className={size} />;
  switch (snapshot.status) {
    case "connecting":
      return <EndIcon className={size} />;
    case "thinking":
    case "speaking":
      return <InterruptIcon className={size} />;
    case "listening":
    case "interrupted":
      if (snapshot.textOnly) return <KeyboardIcon className={size} />;
      return snapshot.muted ? <MicrophoneOffIcon className={size} /> : <MicrophoneIcon className={size} />;
    case "idle":
    case "ending":
    case "ended":
    case "failed":
      return <MicrophoneIcon className={size} />;
  }
}
