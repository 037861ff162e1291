import { useState, type FormEvent } from "react";
import type { Call } from "@/voice/call";
import { SendIcon } from "./icons";

/** The text box, for what is easier typed than said. */
export function Composer({ call, enabled }: { call: Call; enabled: boolean }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    // What could not be sent stays in the box.
    if (call.sendText(text)) setText("");
  };
  return (
    <form onSubmit={submit} className="flex items-center gap-2 border-t border-line p-3 short:p-2">
      <input
        type="text"
        data-composer
        dir="auto"
        value={text}
        onChange={(event) => setText(event.target.value)}
        disabled={!enabled}
        aria-label="Message"
        placeholder="Type a message"
        autoComplete="off"
        enterKeyHint="send"
        maxLength={4000}
        className="h-11 min-w-0 flex-1 rounded-full border border-line bg-paper px-4 text-base placeholder:text-muted disabled:opacity-60"
      />
      <button
        type="submit"
        disabled={!enabled || text.trim() === ""}
        aria-label="Send"
        className="grid size-11 shrink-0 place-items-center rounded-full bg-ink text-paper disabled:opacity-30"
      >
        <SendIcon className="size-5" />
      </button>
    </form>
  );
}
