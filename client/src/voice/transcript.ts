// A conversation's text as files that people keep: plain text, subtitles (SRT) and JSON. Pure.
import type { Caption } from "./captions";
import type { SessionFacts } from "./snapshot";

/** Plain text, subtitles, or everything for programs. */
export type TranscriptFormat = "text" | "srt" | "json";

/** One caption may be read for so long at least, and is shown for so long per letter, in milliseconds. */
const shortestMs = 1000;
const perLetterMs = 60;

const mimeTypes: Readonly<Record<TranscriptFormat, string>> = {
  text: "text/plain;charset=utf-8",
  srt: "application/x-subrip;charset=utf-8",
  json: "application/json;charset=utf-8",
};
const extensions: Readonly<Record<TranscriptFormat, string>> = { text: "txt", srt: "srt", json: "json" };

/** A file to be saved. */
export interface TranscriptFile {
  readonly name: string;
  readonly mimeType: string;
  readonly content: string;
}

/** The conversation in a format, with a name that tells when it began (UTC). */
export function transcriptFile(format: TranscriptFormat, captions: readonly Caption[], session?: SessionFacts): TranscriptFile {
  const began = new Date(captions[0]?.at ?? 0).toISOString().slice(0, 19).replaceAll(":", "-");
  return { name: `conversation-${began}.${extensions[format]}`, mimeType: mimeTypes[format], content: write(format, captions, session) };
}

function write(format: TranscriptFormat, captions: readonly Caption[], session: SessionFacts | undefined): string {
  switch (format) {
    case "text":
      return transcriptText(captions);
    case "srt":
      return transcriptSrt(captions);
    case "json":
      return transcriptJson(captions, session);
  }
}

/** One paragraph for each caption: time since the first one, who, what. */
export function transcriptText(captions: readonly Caption[]): string {
  const from = captions[0]?.at ?? 0;
  return captions.map((x) => `[${clock(x.at - from)}] ${line(x)}\n`).join("\n");
}

/** Subtitles for a recording that begins with the first caption: one at a time, each long enough to be read where there is time. */
export function transcriptSrt(captions: readonly Caption[]): string {
  const from = captions[0]?.at ?? 0;
  return captions
    .map((x, i) => {
      const wanted = Math.max(x.until, x.at + shortestMs, x.at + x.text.length * perLetterMs);
      // Whoever speaks next takes its place, but not at the same instant: players drop what lasts no time.
      const end = Math.max(x.at + 1, Math.min(wanted, captions[i + 1]?.at ?? wanted));
      // A blank line would end the subtitle.
      const text = line(x).replaceAll(/\n\s*\n/g, "\n");
      return `${i + 1}\n${srtTime(x.at - from)} --> ${srtTime(end - from)}\n${text}\n`;
    })
    .join("\n");
}

/** For programs: times of day in ISO 8601, and the session that it was. */
export function transcriptJson(captions: readonly Caption[], session?: SessionFacts): string {
  const about = session && { id: session.id, model: session.model, voice: session.voice, language: session.language, simulated: session.simulated };
  const list = captions.map(({ who, text, interrupted, at, until }) => ({
    who,
    text,
    interrupted,
    from: new Date(at).toISOString(),
    to: new Date(until).toISOString(),
  }));
  return JSON.stringify({ session: about, captions: list }, null, 2) + "\n";
}

/** Who, and what; of a notice, which nobody has said, what. */
function line(x: Caption): string {
  if (x.who === "notice") return `(${words(x)})`;
  return `${x.who === "person" ? "You" : "Model"}: ${words(x)}`;
}

function words(x: Caption): string {
  return x.text.trim() + (x.interrupted ? " (interrupted)" : "");
}

/** Hours, minutes and seconds. */
function clock(ms: number): string {
  return srtTime(ms).slice(0, 8);
}

/** `00:01:02,345`, as SubRip has it. */
function srtTime(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const two = (n: number): string => String(n).padStart(2, "0");
  const seconds = Math.floor(whole / 1000);
  const rest = String(whole % 1000).padStart(3, "0");
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)},${rest}`;
}
