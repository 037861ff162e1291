/** Where the server is: the page's own origin, or in development the Go server beside Next's (NEXT_PUBLIC_STONEPOT_URL). */
export interface Server {
  readonly baseUrl: string;
  readonly fetch: typeof fetch;
  /** False when the device itself knows that it has no network. */
  readonly online: () => boolean;
}

/** The server that a page talks to; `baseUrl` empty means the page's own origin. */
export function serverAt(baseUrl: string): Server {
  return {
    get baseUrl() {
      return baseUrl || window.location.origin;
    },
    fetch: (input, init) => window.fetch(input, init),
    online: () => navigator.onLine,
  };
}
