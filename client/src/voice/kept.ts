import type { CallStore } from "./call-store";
import type { Run } from "./run";
import type { Keep, Saved } from "./saved";
import { noSession, type Offer } from "./snapshot";
import { isLive } from "./state";

/** Kept is the conversation that can be taken up again: one that is under way and saved, or one that is offered to the person. */
export class Kept {
  /** What the snapshot offers to go on with. */
  private offered: Saved | undefined;

  constructor(
    private readonly keep: Keep,
    private readonly store: CallStore,
    /** The conversation that is under way. */
    private readonly run: () => Run | undefined,
  ) {}

  /** Saves what it takes to go on with the conversation, if that can be done at all. */
  save(): Saved | undefined {
    const run = this.run();
    const { snapshot } = this.store;
    if (!run?.ticket || !isLive(snapshot.status)) return undefined;
    const { textOnly, muted, pushToTalk, session = noSession, captions: list } = snapshot;
    const saved = { ticket: run.ticket, url: run.url, outputHz: run.answer.speechHz, textOnly, muted, pushToTalk, session, captions: list };
    this.keep.write(saved);
    return saved;
  }

  /** Lets the person go on with the conversation that is about to be left. */
  offer(offer: Offer): void {
    this.offered = this.save();
    if (this.offered) this.store.update({ offer });
  }

  /** What this page was in before it was reloaded; it may be taken from now on. */
  find(): Saved | undefined {
    this.offered = this.keep.read();
    return this.offered;
  }

  /** Gives out what is offered, once. */
  take(): Saved | undefined {
    const { offered } = this;
    this.offered = undefined;
    return offered;
  }

  forget(): void {
    this.offered = undefined;
    this.keep.clear();
  }
}
