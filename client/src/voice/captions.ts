// The conversation as text, from the pieces in which both sides' transcripts arrive. Pure: the list is never changed,
// only replaced.

export interface Caption {
  /** Stable while the caption grows. */
  readonly id: number;
  readonly who: "person" | "model";
  readonly text: string;
  /** No more pieces will be appended. */
  readonly closed: boolean;
  /** The model was cut short here. */
  readonly interrupted: boolean;
}

export interface Captions {
  readonly list: readonly Caption[];
  readonly nextId: number;
  /** The current turn has a caption of the person: what they say next comes after the model's words. */
  readonly personInTurn: boolean;
  /** What was typed in this turn and not heard back: some upstreams transcribe it as if it had been said. */
  readonly echoes: readonly string[];
}

/** The page keeps the last captions of a long conversation; older ones scroll away for good. */
const maxCaptions = 400;

export const noCaptions: Captions = { list: [], nextId: 1, personInTurn: false, echoes: [] };

/** Adds something that was typed: whole at once. */
export function typed(c: Captions, text: string): Captions {
  return { ...add(c, { who: "person", text, closed: true, interrupted: false }), personInTurn: true, echoes: [...c.echoes, text] };
}

/** Appends a piece of what the person said. */
export function heard(c: Captions, text: string, final: boolean): Captions {
  const [echo = "", ...others] = c.echoes;
  const piece = text.trim();
  if (piece !== "" && echo.startsWith(piece)) {
    const rest = echo.slice(piece.length).trimStart();
    return { ...c, echoes: rest === "" ? others : [rest, ...others] };
  }
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

/**
 * The model was cut short: its caption is closed and says so. The question before it is closed too (not every upstream
 * tells which piece is the last); what the person said during the answer stays open, as the beginning of the next turn.
 * An answer of which every word was heard is closed like any other, whatever the upstream thinks of it.
 */
export function cutShort(c: Captions, heardWhole = false): Captions {
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
  return { ...c, list: c.list.map((x) => (x.closed ? x : { ...x, closed: true })), personInTurn: false, echoes: [] };
}

/** The answer in progress was lost and will be spoken anew. */
export function restarted(c: Captions): Captions {
  return { ...c, list: c.list.filter((x) => x.who !== "model" || x.closed) };
}

function add(c: Captions, caption: Omit<Caption, "id">, at = c.list.length): Captions {
  const list = [...c.list.slice(0, at), { ...caption, id: c.nextId }, ...c.list.slice(at)];
  return { ...c, list: list.slice(-maxCaptions), nextId: c.nextId + 1 };
}

function replace(c: Captions, at: number, change: (x: Caption) => Caption): Captions {
  return { ...c, list: c.list.map((x, i) => (i === at ? change(x) : x)) };
}

function lastIndex(c: Captions, match: (x: Caption) => boolean): number {
  return c.list.findLastIndex(match);
}
