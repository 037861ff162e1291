import * as captions from "./captions";
import { idle, noSession, type CallSnapshot, type Notice, type SessionFacts } from "./snapshot";

/** CallStore holds what a page draws of a call, and tells its subscribers of every change. */
export class CallStore {
  private current: CallSnapshot = idle;
  private text = captions.noCaptions;
  /** What holds now, the newest last; that one is shown. */
  private notices: readonly Notice[] = [];
  private readonly listeners = new Set<() => void>();

  /** `wall` is the time of day in Unix milliseconds: captions carry it. */
  constructor(private readonly wall: () => number) {}

  get snapshot(): CallSnapshot {
    return this.current;
  }

  get captions(): captions.Captions {
    return this.text;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  update(change: Partial<CallSnapshot>): void {
    this.current = { ...this.current, ...change };
    this.listeners.forEach((listener) => listener());
  }

  /** What a snapshot was before any call, with `change` beside it, and the status that holds. */
  reset(change: Partial<CallSnapshot>, list: CallSnapshot["captions"] = []): void {
    this.text = captions.restore(list);
    this.notices = [];
    this.update({ ...idle, status: this.current.status, captions: this.text.list, ...change });
  }

  caption(next: captions.Captions): void {
    if (next === this.text) return;
    this.text = captions.stamped(this.text, next, this.wall());
    this.update({ captions: this.text.list });
  }

  session(facts: Partial<SessionFacts>): void {
    this.update({ session: { ...(this.current.session ?? noSession), ...facts } });
  }

  notify(notice: Notice): void {
    this.notices = [...this.notices.filter((x) => x.kind !== notice.kind), notice];
    this.update({ notice });
  }

  tells(kind: Notice["kind"]): boolean {
    return this.notices.some((x) => x.kind === kind);
  }

  clearNotice(kind: Notice["kind"]): void {
    this.notices = this.notices.filter((x) => x.kind !== kind);
    if (this.current.notice?.kind === kind) this.update({ notice: this.notices.at(-1) });
  }

  clearNotices(): void {
    this.notices = [];
    this.update({ notice: undefined });
  }
}
