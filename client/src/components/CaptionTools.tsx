import { useEffect, useState } from "react";
import type { Caption } from "@/voice/captions";
import type { SessionFacts } from "@/voice/snapshot";
import { transcriptFile, transcriptText, type TranscriptFile, type TranscriptFormat } from "@/voice/transcript";
import { CopyIcon, SaveIcon } from "./icons";
import { Menu, MenuItem } from "./Menu";

const formats: readonly [TranscriptFormat, string][] = [
  ["text", "Text"],
  ["srt", "Subtitles (SRT)"],
  ["json", "JSON"],
];

/** How long the word that something was copied stays. */
const toldMs = 2000;

/** Takes the conversation's text along: to the clipboard, or as a file. */
export function CaptionTools({ captions, session }: { captions: readonly Caption[]; session: SessionFacts | undefined }) {
  const [told, setTold] = useState("");
  useEffect(() => {
    if (!told) return;
    const timer = setTimeout(() => setTold(""), toldMs);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = (): void => {
    navigator.clipboard.writeText(transcriptText(captions)).then(
      () => setTold("Copied"),
      () => setTold("Not copied: your browser did not allow it"),
    );
  };
  const empty = captions.length === 0;
  return (
    <div className="flex shrink-0 items-center justify-end gap-1 border-b border-line px-3 py-1 short:hidden">
      <h2 className="mr-auto px-2 text-sm font-medium text-muted">Captions</h2>
      <span role="status" className="text-sm text-muted">
        {told}
      </span>
      <button
        type="button"
        onClick={copy}
        disabled={empty}
        className="flex h-9 items-center gap-1.5 rounded-full px-2.5 text-sm text-muted hover:text-ink disabled:opacity-45"
      >
        <CopyIcon className="size-4" /> Copy
      </button>
      {!empty && (
        <Menu label="Save" icon={<SaveIcon className="size-4" />}>
          {formats.map(([format, name]) => (
            <MenuItem key={format} onPress={() => download(transcriptFile(format, captions, session))}>
              {name}
            </MenuItem>
          ))}
        </Menu>
      )}
    </div>
  );
}

/** Gives a file to the person, who may be asked where to put it. */
function download({ name, mimeType, content }: TranscriptFile): void {
  const url = URL.createObjectURL(new Blob([content], { type: mimeType }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after this task.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
