// What outlives a reload of the page: enough to go on with the conversation, and its text.
import type { Caption } from "./captions";
import type { Ticket } from "./connection";
import { Fields } from "./protocol";
import { noSession, type SessionFacts } from "./snapshot";

/** A conversation that can be taken up again. */
export interface Saved {
  readonly ticket: Ticket;
  /** Where its server is; absolute, `ws:` or `wss:`. */
  readonly url: string;
  readonly textOnly: boolean;
  /** Nobody is heard who had muted the microphone. */
  readonly muted: boolean;
  readonly pushToTalk: boolean;
  readonly outputHz: number;
  readonly session: SessionFacts;
  readonly captions: readonly Caption[];
}

/** Where a conversation is kept while the page is not there; tests give their own. */
export interface Keep {
  /** The conversation that was saved last, if it is fresh enough to go on with. */
  read(): Saved | undefined;
  write(saved: Saved): void;
  clear(): void;
}

const key = "stonepot.conversation";
const version = 1;

/** Longer than a server keeps a session that nobody is connected to; a ticket may live on, and trying costs nothing. */
const freshMs = 5 * 60_000;

/** The newest captions that are kept, by their number and by their length together. */
const maxCaptions = 100;
const maxTextLength = 40_000;

/**
 * A keep in the tab's own storage: another tab must not find a ticket that it was not given. (A tab that is duplicated takes
 * a copy along; then the newer one wins, docs/protocol.md.) `wall` is the time of day, `now` the page's clock; both in
 * milliseconds.
 */
export function keepIn(storage: () => Storage, wall: () => number, now: () => number): Keep {
  /** A storage that is full, or forbidden, is one that keeps nothing. */
  const attempt = <T>(act: () => T): T | undefined => {
    try {
      return act();
    } catch {
      return undefined;
    }
  };
  return {
    read: () =>
      attempt(() => {
        const text = storage().getItem(key);
        if (text === null) return undefined;
        const saved = new Fields(JSON.parse(text), "saved conversation");
        const ageMs = wall() - saved.number("at");
        if (saved.number("version") !== version || !(ageMs >= 0 && ageMs < freshMs)) return undefined;
        return revive(saved, now() - ageMs);
      }),
    write: (saved) =>
      attempt(() => {
        const { readySince } = saved.session;
        const ready = readySince === undefined ? undefined : now() - readySince;
        const captions = newest(saved.captions);
        storage().setItem(key, JSON.stringify({ version, at: wall(), ready, ...saved, captions }));
      }),
    clear: () => attempt(() => storage().removeItem(key)),
  };
}

/** Reads what was saved at the time `at` of this page's clock. */
function revive(saved: Fields, at: number): Saved {
  const ticket = saved.object("ticket");
  const session = saved.object("session");
  return {
    ticket: { sessionId: ticket.string("sessionId"), resumeTicket: ticket.string("resumeTicket") },
    url: saved.string("url"),
    textOnly: saved.boolean("textOnly"),
    muted: saved.boolean("muted"),
    pushToTalk: saved.boolean("pushToTalk", false),
    outputHz: saved.number("outputHz"),
    session: {
      ...noSession,
      id: session.string("id"),
      model: session.string("model"),
      voice: session.string("voice"),
      language: session.string("language"),
      simulated: session.boolean("simulated"),
      startupMs: session.number("startupMs"),
      maxDurationMs: session.number("maxDurationMs", 0),
      turns: session.number("turns"),
      readySince: saved.has("ready") ? at - saved.number("ready") : undefined,
    },
    captions: saved.list("captions").map((caption, id) => ({
      id,
      who: speaker(caption.string("who")),
      text: caption.string("text"),
      closed: caption.boolean("closed"),
      interrupted: caption.boolean("interrupted"),
      at: caption.number("at", 0),
      until: caption.number("until", 0),
    })),
  };
}

function speaker(who: string): Caption["who"] {
  return who === "person" || who === "notice" ? who : "model";
}

function newest(captions: readonly Caption[]): readonly Caption[] {
  let from = captions.length;
  let length = 0;
  while (from > 0 && captions.length - from < maxCaptions) {
    length += captions[from - 1]!.text.length;
    if (length > maxTextLength) break;
    from--;
  }
  return captions.slice(from);
}
