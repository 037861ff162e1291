import type { Call } from "@/voice/call";
import type { CallSnapshot } from "@/voice/snapshot";
import { Halo } from "./Halo";
import { EndIcon, InterruptIcon, KeyboardIcon, MicrophoneIcon, MicrophoneOffIcon } from "./icons";
import { actionFor } from "./words";

/** The big button: it starts, and in a conversation it is the person's "now me" or "your turn". */
export function TalkButton({ call, snapshot, onType }: { call: Call; snapshot: CallSnapshot; onType: () => void }) {
  const { status, muted, textOnly } = snapshot;
  const press = (): void => {
    switch (status) {
      case "idle":
      case "ended":
      case "failed":
        return snapshot.offer ? call.resume() : call.start();
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
    <div className="relative aspect-square w-[min(19rem,74vw,38dvh)] shrink-0 in-data-[compact=true]:w-[min(13rem,25dvh)] wide:w-[min(24rem,42dvh)]!">
      <Halo call={call} status={status} />
      <button
        type="button"
        data-talk
        onClick={press}
        disabled={status === "ending"}
        aria-label={actionFor(snapshot)}
        className={`orb absolute inset-[21%] grid place-items-center rounded-full ${resting ? "orb-breathing" : ""}`}
      >
        <Glyph snapshot={snapshot} />
      </button>
    </div>
  );
}

function Glyph({ snapshot }: { snapshot: CallSnapshot }) {
  const size = "size-[30%]";
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
