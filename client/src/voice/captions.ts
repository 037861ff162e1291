// The conversation as text, from the pieces in which both sides' transcripts arrive. Pure: the list is never changed,
// only replaced.

/** What one side said, or wrote, in one turn; an answer grows while it is spoken. Or a notice: what happened to the conversation there. */
export interface Caption {
  /** Stable while the caption grows. */
  readonly id: number;
  readonly who: "person" | "model" | "notice";
  readonly text: string;
  /** No more pieces will be appended. */
  readonly closed: boolean;
  /** The model was cut short here. */
  readonly interrupted: boolean;
  /** When its first and its newest words were shown, Unix milliseconds (`stamped`). */
  readonly at: number;
  readonly until: number;
}

export interface Captions {
  readonly list: readonly Caption[];
  readonly nextId: number;
  /** The current turn has a caption of the person: what they say next comes after the model's words. */
  readonly personInTurn: boolean;
  /** What was typed in this turn and not heard back: some upstreams transcribe it as if it had been said. */
  readonly echoes: readonly string[];
  /** What was typed in this turn. */
  readonly typed: readonly string[];
  /** The model has said all of its answer; not every upstream ends the turn then. */
  readonly whole: boolean;
  /** The upstream hears this turn once more: what was said, and what of it has come again. */
  readonly again: { readonly said: string; readonly heard: string } | undefined;
}

/** The page keeps the last captions of a long conversation; older ones scroll away for good. */
const maxCaptions = 400;

const newTurn = { typed: [], whole: false, again: undefined } as const;

export const noCaptions: Captions = { list: [], nextId: 1, personInTurn: false, echoes: [], ...newTurn };

/** Gives the captions that changed since `before` their times; `now` is the time of day in Unix milliseconds. */
export function stamped(before: Captions, after: Captions, now: number): Captions {
  if (after.list === before.list) return after;
  const known = new Map(before.list.map((x) => [x.id, x]));
  const list = after.list.map((x, i) => {
    const old = known.get(x.id);
    if (old) return old.text === x.text ? x : { ...x, until: Math.max(now, x.at) };
    // A question whose transcript is late stands above its answer, and is not younger than that.
    const at = Math.min(now, known.get(after.list[i + 1]?.id ?? -1)?.at ?? now);
    return { ...x, at, until: at };
  });
  return { ...after, list };
}

/** The text of a conversation from before; whatever was being said then is over. */
export function restore(list: readonly Caption[]): Captions {
  if (list.length === 0) return noCaptions;
  const nextId = Math.max(...list.map((x) => x.id)) + 1;
  return cutShort({ ...noCaptions, list, nextId });
}

/** Adds something that was typed: whole at once. */
export function typed(c: Captions, text: string): Captions {
  c = begun(c);
  return {
    ...add(c, { who: "person", text, closed: true, interrupted: false }),
    personInTurn: true,
    echoes: [...c.echoes, text],
    typed: [...c.typed, text],
  };
}

/** Appends a piece of what the person said. */
export function heard(c: Captions, text: string, final: boolean): Captions {
  const [echo = "", ...others] = c.echoes;
  const piece = text.trim();
  if (piece !== "" && echo.startsWith(piece)) {
    const rest = echo.slice(piece.length).trimStart();
    return { ...c, echoes: rest === "" ? others : [rest, ...others] };
  }
  if (c.again) return heardAgain(c, c.again.said, c.again.heard + text, final);
  c = begun(c);
  const open = lastIndex(c, (x) => x.who === "person" && !x.closed);
  if (open >= 0) return replace(c, open, (x) => ({ ...x, text: x.text + text, closed: final }));
  if (text.trim() === "") return c;
  const caption = { who: "person", text: text.trimStart(), closed: final, interrupted: false } as const;
  // Transcripts of speech are late: the answer may have begun before them, yet the question belongs above it.
  const answer = lastIndex(c, (x) => x.who === "model" && !x.closed);
  if (answer >= 0 && !c.personInTurn) return { ...add(c, caption, answer), personInTurn: true };
  return { ...add(c, caption), personInTurn: true };
}

/** Appends a piece of what the model said. */
export function said(c: Captions, text: string): Captions {
  const open = lastIndex(c, (x) => x.who === "model" && !x.closed);
  if (open >= 0) return replace(c, open, (x) => ({ ...x, text: x.text + text }));
  if (text.trim() === "") return c;
  return add(c, { who: "model", text: text.trimStart(), closed: false, interrupted: false });
}

/** Notes what happened to the conversation here; not twice in the same place. */
export function noted(c: Captions, text: string): Captions {
  const last = c.list.at(-1);
  if (!last || (last.who === "notice" && last.text === text)) return c;
  return add(c, { who: "notice", text, closed: true, interrupted: false });
}

/**
 * The model was cut short: its caption is closed and says so. The question before it is closed too (not every upstream
 * tells which piece is the last); what the person said during the answer stays open, as the beginning of the next turn.
 * An answer of which every word was heard is closed like any other, whatever the upstream thinks of it.
 */
export function cutShort(c: Captions, heardWhole = false): Captions {
  c = { ...c, whole: false, again: undefined };
  if (c.list.every((x) => x.closed)) return { ...c, personInTurn: false };
  const open = lastIndex(c, (x) => x.who === "model" && !x.closed);
  const last = open < 0 ? c.list.length - 1 : open;
  return {
    ...c,
    list: c.list.map((x, i) => (x.closed || i > last ? x : { ...x, closed: true, interrupted: x.who === "model" && !heardWhole })),
    personInTurn: c.list.slice(last + 1).some((x) => x.who === "person"),
  };
}

/** The model's turn is over. */
export function turnOver(c: Captions, interrupted: boolean): Captions {
  if (interrupted) {
    // It comes late, when the person may be in the middle of their next sentence: that stays open.
    return { ...c, list: c.list.map((x) => (x.closed || x.who === "person" ? x : { ...x, closed: true, interrupted })) };
  }
  return { ...c, list: c.list.map((x) => (x.closed ? x : { ...x, closed: true })), personInTurn: false, echoes: [], ...newTurn };
}

/** Every word of the answer was spoken. The next question begins a turn, whether the upstream ends this one or not. */
export function answerWhole(c: Captions): Captions {
  return answering(c) ? { ...c, whole: true } : c;
}

/** An answer is being written down: pieces are appended to it. */
export function answering(c: Captions): boolean {
  return c.list.some((x) => x.who === "model" && !x.closed);
}

/** An answer of which every word is here stays, whatever comes next. The question may be heard `again` for that. */
export function answerKept(c: Captions, again: boolean): Captions {
  if (!answering(c)) return c;
  return { ...cutShort(c, true), again: again ? c.again : undefined };
}

/** The answer in progress was lost and will be spoken anew. The question is heard once more for that. */
export function restarted(c: Captions): Captions {
  return replayed({ ...c, list: c.list.filter((x) => x.who !== "model" || x.closed), whole: false });
}

/** The upstream is given what was said in this turn once more, and may write it down once more. */
export function replayed(c: Captions): Captions {
  const said = questions(c).map((at) => c.list[at]!.text.trim()).join(" ");
  return { ...c, echoes: c.typed, again: said === "" ? undefined : { said, heard: "" } };
}

/** Where what was said (not typed) in this turn stands in the list. */
function questions(c: Captions): number[] {
  const from = lastIndex(c, (x) => x.who === "model" && x.closed) + 1;
  return c.list.flatMap((x, at) => (at >= from && x.who === "person" && !c.typed.includes(x.text) ? [at] : []));
}

/**
 * Takes what is heard a second time: the same words, or the end of them, are not shown twice; more words are added; and
 * words that are understood differently now replace the first try.
 */
function heardAgain(c: Captions, said: string, now: string, final: boolean): Captions {
  const words = now.trim();
  if (said.includes(words)) {
    const list = final ? c.list.map((x) => (x.who === "person" ? { ...x, closed: true } : x)) : c.list;
    return { ...c, list, again: final || words === said ? undefined : { said, heard: now } };
  }
  c = { ...c, again: undefined };
  const at = questions(c);
  const common = overlap(said, words);
  if (common > 0) return heard(c, words.slice(common), final);
  const first = at[0];
  if (first === undefined || firstWord(said) !== firstWord(words)) return heard(c, now, final);
  const list = c.list.filter((_, i) => i === first || !at.includes(i));
  return replace({ ...c, list }, first, (x) => ({ ...x, text: words, closed: final }));
}

/** How much of the beginning of `next` is the end of `before`, in whole words. */
function overlap(before: string, next: string): number {
  for (let n = Math.min(before.length, next.length); n > 0; n--) {
    const startsWord = n === before.length || before[before.length - n - 1] === " ";
    if (startsWord && before.endsWith(next.slice(0, n)) && !/^[\p{L}\p{N}]{2}/u.test(next.slice(n - 1))) return n;
  }
  return 0;
}

function firstWord(text: string): string {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/u)?.[0] ?? "";
}

/** A turn that the upstream did not end is over when the person goes on after a whole answer. */
function begun(c: Captions): Captions {
  return c.whole ? turnOver(c, false) : c;
}

function add(c: Captions, caption: Omit<Caption, "id" | "at" | "until">, at = c.list.length): Captions {
  const list = [...c.list.slice(0, at), { ...caption, id: c.nextId, at: 0, until: 0 }, ...c.list.slice(at)];
  return { ...c, list: list.slice(-maxCaptions), nextId: c.nextId + 1 };
}

function replace(c: Captions, at: number, change: (x: Caption) => Caption): Captions {
  return { ...c, list: c.list.map((x, i) => (i === at ? change(x) : x)) };
}

function lastIndex(c: Captions, match: (x: Caption) => boolean): number {
  return c.list.findLastIndex(match);
}
