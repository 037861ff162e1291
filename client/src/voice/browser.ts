// A call in a real browser: the world that tests replace.
import { createSession, type Server } from "./api";
import { openAudio } from "./audio";
import { Call } from "./call";
import { keepIn } from "./saved";

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

/** Makes a call; nothing is opened before it is started, so this may run where there is no browser yet. */
export function createCall(server: Server): Call {
  return new Call({
    openAudio,
    createSession: (signal) => createSession(server, signal),
    openSocket: ({ url, protocols }) => new WebSocket(url, [...protocols]),
    keep: keepIn(() => window.sessionStorage, Date.now, () => performance.now()),
    now: () => performance.now(),
    wall: Date.now,
  });
}
