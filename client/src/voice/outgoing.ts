// What the client has said and may have to say again: its counted messages, from the first that the conversation would
// not know if the server vanished (docs/protocol.md, "Resuming") to the last that waits to be written.

/** How much speech is kept, in milliseconds. When there is more the oldest goes, and is told by `skipped`. */
const maxAudioMs = 60_000;

/** Text messages that may wait; a person cannot type so many while a line is down. One more is refused. */
const maxWaitingTexts = 64;

/** Text messages that are kept after they were written; beyond it the oldest is forgotten. */
const maxKeptTexts = 256;

/** Gaps between what is kept; beyond it the oldest two are told as one. */
const maxGaps = 512;

/** Messages that were given up for want of room. */
export interface Gap {
  readonly messages: number;
  readonly audioMs: number;
}

/** One kept message, or a run of given-up ones. */
interface Item {
  /** How many messages were before it. */
  first: number;
  count: number;
  /** Undefined: given up. */
  data: ArrayBuffer | string | undefined;
  /** Of all its messages together. */
  audioMs: number;
}

/**
 * Outgoing numbers the client's counted messages as they are given to it, hands them out in order, and can hand them out
 * again from any number that the server may ask for. It keeps the buffers it is given.
 */
export class Outgoing {
  /** Messages that were given up before the server had said that it has them; what it never got is among them. */
  dropped = 0;

  private items: Item[] = [];
  /** Messages given so far: the number of the newest. */
  private given = 0;
  /** How many of them were handed out on this connection, and on any. */
  private cursor = 0;
  private highest = 0;
  private received = 0;

  /** The one picture that is kept: what a camera saw before the newest is worth nothing. */
  private picture: Item | undefined;
  private audioMs = 0;
  private texts = 0;
  private waitingTexts = 0;
  private gaps = 0;

  /** Messages handed out at least once. */
  get sent(): number {
    return this.highest;
  }

  /** Messages that the server has, as far as it has told. */
  get acknowledged(): number {
    return this.received;
  }

  /** Something is not handed out yet. */
  get waiting(): boolean {
    return this.cursor < this.given;
  }

  /** Numbers a frame of speech; the oldest frame goes if there is no more room. */
  pushAudio(frame: ArrayBuffer, audioMs: number): void {
    this.add(frame, audioMs);
    this.audioMs += audioMs;
    while (this.audioMs > maxAudioMs) this.giveUp(this.items.findIndex((x) => x.data instanceof ArrayBuffer));
  }

  /** Numbers a text message and returns its number; 0: too many wait, and it was not taken. */
  pushText(text: string): number {
    if (this.waitingTexts >= maxWaitingTexts) return 0;
    this.add(text, 0);
    this.texts++;
    this.waitingTexts++;
    if (this.texts > maxKeptTexts) this.giveUp(this.items.findIndex((x) => typeof x.data === "string"));
    return this.given;
  }

  /** Numbers a picture and returns its number. The one before is not handed out again, should that be asked for. */
  pushPicture(message: string): number {
    this.dropPicture();
    this.add(message, 0);
    this.picture = this.items.at(-1);
    this.texts++;
    this.waitingTexts++;
    return this.given;
  }

  /** Gives up the picture that is kept: there is a newer one. */
  dropPicture(): void {
    const at = this.picture ? this.items.indexOf(this.picture) : -1;
    this.picture = undefined;
    // Nothing is lost: it is superseded.
    if (at >= 0 && this.items[at]!.data !== undefined) this.giveUp(at, false);
  }

  /** The next message for this connection, or what is missing in its place; undefined: everything was handed out. */
  next(): ArrayBuffer | string | Gap | undefined {
    if (!this.waiting) return undefined;
    const at = this.find(this.cursor);
    const item = this.items[at];
    if (item?.data === undefined || item.first > this.cursor) return this.gap(at);
    this.advance(1, typeof item.data === "string" ? 1 : 0);
    return item.data;
  }

  /** A new connection: the server has `received` of the messages; what follows will be handed out again. */
  rewind(received: number): void {
    const to = Math.min(received, this.highest);
    this.received = to;
    this.cursor = to;
    const at = this.find(to);
    this.waitingTexts = this.items.slice(at).filter((x) => typeof x.data === "string").length;
  }

  /** The server has so many of the messages. */
  acknowledge(received: number): void {
    this.received = Math.min(Math.max(this.received, received), this.highest);
  }

  /** The conversation will remember so many of the messages whatever happens: they are forgotten here. */
  cover(covered: number): void {
    const upTo = Math.min(covered, this.cursor);
    const gone = this.find(upTo);
    for (const item of this.items.splice(0, gone)) this.forget(item);
    const first = this.items[0];
    if (!first || first.first >= upTo) return;
    // Of a run of given-up messages the rest stays.
    const rest = first.first + first.count - upTo;
    first.audioMs = (first.audioMs * rest) / first.count;
    first.first = upTo;
    first.count = rest;
  }

  private add(data: ArrayBuffer | string, audioMs: number): void {
    this.items.push({ first: this.given, count: 1, data, audioMs });
    this.given++;
  }

  private advance(messages: number, texts: number): void {
    this.cursor += messages;
    this.waitingTexts -= texts;
    this.highest = Math.max(this.highest, this.cursor);
  }

  /** Hands out the gap at the cursor, which lies in the item `at` or before all items. */
  private gap(at: number): Gap {
    const from = this.cursor;
    let to = this.items[at]?.first ?? this.given;
    let audioMs = 0;
    for (let item = this.items[at]; item && item.data === undefined; item = this.items[++at]) {
      to = item.first + item.count;
      audioMs += (item.audioMs * (to - Math.max(from, item.first))) / item.count;
    }
    this.advance(to - from, 0);
    return { messages: to - from, audioMs: Math.round(audioMs) };
  }

  private giveUp(at: number, lost = true): void {
    const item = this.items[at]!;
    if (lost && item.first >= this.received) this.dropped++;
    if (typeof item.data === "string" && item.first >= this.cursor) this.waitingTexts--;
    this.forget(item);
    item.data = undefined;
    this.gaps++;
    this.merge(at, at + 1);
    this.merge(at - 1, at);
    // Nearly always there are two or three: what the person typed in the minute before, and the speech around it.
    while (this.gaps > maxGaps && this.mergeOldest());
  }

  /** Joins two neighbouring gaps if their messages are alike, so that a part of them can be told exactly. */
  private merge(at: number, next: number): void {
    const a = this.items[at];
    const b = this.items[next];
    if (!a || !b || a.data !== undefined || b.data !== undefined) return;
    if (a.audioMs * b.count !== b.audioMs * a.count) return;
    this.join(at);
  }

  private mergeOldest(): boolean {
    const at = this.items.findIndex((x, i) => x.data === undefined && this.items[i + 1] && this.items[i + 1]!.data === undefined);
    if (at >= 0) this.join(at);
    return at >= 0;
  }

  private join(at: number): void {
    const [b] = this.items.splice(at + 1, 1);
    this.items[at]!.count += b!.count;
    this.items[at]!.audioMs += b!.audioMs;
    this.gaps--;
  }

  private forget(item: Item): void {
    if (item.data === undefined) this.gaps--;
    else if (typeof item.data === "string") this.texts--;
    else this.audioMs -= item.audioMs;
  }

  /** The index of the item that holds message `number`; of the first one behind it if there is none. */
  private find(number: number): number {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const item = this.items[middle]!;
      if (item.first + item.count <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
