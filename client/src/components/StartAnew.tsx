import type { Call } from "@/voice/call";
import { MicrophoneIcon } from "./icons";

/** The way out of a conversation that could be taken up again: another one. */
export function StartAnew({ call }: { call: Call }) {
  return (
    <button
      type="button"
      onClick={() => call.start()}
      className="mt-5 inline-flex h-12 items-center gap-2 rounded-full border border-line bg-surface px-5 font-medium hover:border-stone"
    >
      <MicrophoneIcon className="size-5" /> Start a new one
    </button>
  );
}
