/** How well a conversation is carried, as far as this side can tell. */
export type Quality = "good" | "fair" | "poor";

/** What it is told by. */
export interface LineFacts {
  /** The way to the server and back, milliseconds; 0: not known yet. */
  readonly rttMs: number;
  /** Messages that the server has not acknowledged. While somebody speaks there are 50 a second, acknowledged four times a second. */
  readonly unacknowledged: number;
  /** Speech ran dry in the last moments. */
  readonly underran: boolean;
  /** The line is being taken up again. */
  readonly lost: boolean;
}

const fairRttMs = 250;
const poorRttMs = 600;

/** Beyond the 12 that wait for the next acknowledgement, this is half a second and two seconds of speech. */
const fairWaiting = 25 + 12;
const poorWaiting = 100 + 12;

/** How well the line serves the conversation. */
export function qualityOf({ rttMs, unacknowledged, underran, lost }: LineFacts): Quality {
  if (lost || rttMs >= poorRttMs || unacknowledged >= poorWaiting) return "poor";
  return underran || rttMs >= fairRttMs || unacknowledged >= fairWaiting ? "fair" : "good";
}
