import type { Event } from "./state";

/** The times of a call after which something happens by itself, in milliseconds. */
const times = {
  /** How long "interrupted" is shown. */
  settled: 900,
  /** How long "thinking" is shown to somebody whom the model does not answer: not everything that is loud is speech. */
  patienceOver: 12_000,
  /** How long the server has to say goodbye. */
  ended: 2500,
} as const satisfies Partial<Record<Event, number>>;

type Timed = keyof typeof times;

/** Timers tells each event when its time has come, unless it was stopped before. */
export class Timers {
  private readonly running: Partial<Record<Timed, ReturnType<typeof setTimeout>>> = {};

  constructor(private readonly due: (event: Timed) => void) {}

  start(event: Timed): void {
    this.stop(event);
    this.running[event] = setTimeout(() => this.due(event), times[event]);
  }

  stop(event: Timed): void {
    clearTimeout(this.running[event]);
  }
}
