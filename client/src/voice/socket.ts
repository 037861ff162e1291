/** What the client needs of a WebSocket; tests give their own. */
export type Socket = Pick<
  WebSocket,
  "binaryType" | "bufferedAmount" | "readyState" | "protocol" | "send" | "close" | "onopen" | "onmessage" | "onclose" | "onerror"
>;

/** The `readyState` of a socket that can be written to. */
export const socketOpen = 1;

export interface Closed {
  /** The close code; 1006 when the connection broke or was given up. */
  readonly code: number;
  /** Whether it had been open: a refused upgrade never was. */
  readonly opened: boolean;
}
