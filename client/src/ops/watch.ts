// What the operator's page draws, kept up to date. It knows no framework: a page subscribes and draws snapshots.
import { OpsError, type Manner, type Operator, type Refusal } from "./api";
import { noHistory, remember, type History } from "./history";
import type { KeyStore } from "./key";
import { Poller, type PollerWorld, type Verdict } from "./poller";
import type { Session, Stats } from "./stats";

export interface OpsSnapshot {
  /** The last figures; undefined: there were none yet. They stay while the server is in trouble. */
  readonly stats: Stats | undefined;
  readonly history: History;
  /** The conversations of this instance; undefined: not known. */
  readonly sessions: readonly Session[] | undefined;
  /** Why there are no new figures. */
  readonly trouble: Refusal | undefined;
  /** Why there is no list of conversations, though there are figures (`auth.stats: open`). */
  readonly listTrouble: Refusal | undefined;
  /** A key is kept in this tab. */
  readonly hasKey: boolean;
  /** When the figures came, on the clock of `now`. */
  readonly at: number;
  /** What became of the last wish to end a conversation. */
  readonly outcome: Outcome | undefined;
}

export interface Outcome {
  readonly id: string;
  readonly result: "ending" | "asked" | Refusal;
}

export const nothingYet: OpsSnapshot = {
  stats: undefined,
  history: noHistory,
  sessions: undefined,
  trouble: undefined,
  listTrouble: undefined,
  hasKey: false,
  at: 0,
  outcome: undefined,
};

export interface WatchWorld extends PollerWorld {
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
}

/** Watch looks at one server as long as it runs, and ends conversations there. */
export class Watch {
  private current: OpsSnapshot = nothingYet;
  private readonly listeners = new Set<() => void>();
  private readonly poller: Poller;
  /** The list was refused: asking every two seconds would not change that. */
  private listRefused = false;

  constructor(
    private readonly operator: Operator,
    private readonly key: KeyStore,
    private readonly world: WatchWorld,
  ) {
    this.poller = new Poller((signal) => this.look(signal), world);
  }

  // Bound, so that they can be handed to useSyncExternalStore.
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): OpsSnapshot => this.current;

  /** Begins to look; whoever starts it stops it. */
  start(): void {
    this.update({ hasKey: this.key.get() !== "" });
    this.poller.start();
  }

  stop(): void {
    this.poller.stop();
  }

  visibilityChanged(): void {
    this.poller.visibilityChanged();
  }

  /** Looks again now. */
  again(): void {
    this.listRefused = false;
    this.poller.again();
  }

  giveKey(key: string): void {
    this.key.set(key);
    this.update({ hasKey: this.key.get() !== "", trouble: undefined, listTrouble: undefined });
    this.again();
  }

  /** Forgets the key, and all that was seen with it. */
  forgetKey(): void {
    this.key.clear();
    this.update(nothingYet);
    this.again();
  }

  /** Ends a conversation; the snapshot's outcome says what became of it. */
  async end(id: string, manner: Manner): Promise<void> {
    this.update({ outcome: { id, result: "ending" } });
    try {
      await this.operator.end(id, manner, new AbortController().signal);
      this.update({ outcome: { id, result: "asked" } });
    } catch (error) {
      this.update({ outcome: { id, result: refusalOf(error) } });
    }
    this.again();
  }

  private async look(signal: AbortSignal): Promise<Verdict> {
    try {
      const [stats, sessions] = await Promise.all([this.operator.stats(signal), this.list(signal)]);
      signal.throwIfAborted();
      const at = this.world.now();
      this.update({ stats, history: remember(this.current.history, { at, stats }), sessions, trouble: undefined, at });
      return { next: "go" };
    } catch (error) {
      if (signal.aborted) return { next: "stop" };
      return this.failed(error);
    }
  }

  /** The list, or undefined where only the figures are open to us. */
  private async list(signal: AbortSignal): Promise<readonly Session[] | undefined> {
    if (this.listRefused) return undefined;
    try {
      const sessions = await this.operator.sessions(signal);
      this.update({ listTrouble: undefined });
      return sessions;
    } catch (error) {
      const refusal = refusalOf(error);
      if (signal.aborted || (refusal !== "keyWanted" && refusal !== "closed")) throw error;
      this.listRefused = true;
      this.update({ listTrouble: refusal });
      return undefined;
    }
  }

  private failed(error: unknown): Verdict {
    const trouble = refusalOf(error);
    this.update({ trouble });
    if (trouble === "keyWanted" || trouble === "closed") {
      // What was seen with a key is not for whoever has none.
      this.update({ stats: undefined, sessions: undefined, history: noHistory, listTrouble: undefined });
      this.listRefused = false;
      return { next: "stop" };
    }
    return { next: "wait", retryAfter: error instanceof OpsError ? error.retryAfter : 0 };
  }

  private update(change: Partial<OpsSnapshot>): void {
    this.current = { ...this.current, ...change };
    this.listeners.forEach((listener) => listener());
  }
}

function refusalOf(error: unknown): Refusal {
  return error instanceof OpsError ? error.refusal : "strange";
}
