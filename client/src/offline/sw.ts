// The page's service worker: where the server cannot be reached, people see a page of ours that says so, and not the
// browser's. It keeps that page and what it needs, and nothing else, so that nobody is held on an old version: every
// other page, and everything below /api, comes from the server as if there were no worker. WebSockets never pass here.
/** Written in by scripts/finish-export.mjs: the page, the files that it names (their names carry hashes), and a hash of all of it. */
declare const OFFLINE: { readonly page: string; readonly files: readonly string[]; readonly version: string };

// TypeScript takes it for any kind of worker.
const worker = self as unknown as ServiceWorkerGlobalScope;

const prefix = "stonepot-offline-";
const cacheName = prefix + OFFLINE.version;

/** Paths on which a person sees what the server itself has to say, a refused connection too. */
const serverPaths = /^\/(api|health|ready|metrics)(\/|$)/;

worker.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(cacheName)
      // Past the browser's own cache: the page may have changed there and not here.
      .then((cache) => cache.addAll([OFFLINE.page, ...OFFLINE.files].map((url) => new Request(url, { cache: "reload" })))),
  );
  // No page depends on what the worker before has kept, so none has to be closed first.
  void worker.skipWaiting();
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(
    Promise.all([
      caches.keys().then((names) => Promise.all(names.filter((x) => x.startsWith(prefix) && x !== cacheName).map((x) => caches.delete(x)))),
      // The page is asked for while the worker starts, and not after it.
      worker.registration.navigationPreload?.enable(),
      worker.clients.claim(),
    ]),
  );
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== worker.location.origin) return;
  if (request.mode === "navigate") {
    event.respondWith(fromServer(event, serverPaths.test(pathname) ? undefined : OFFLINE.page));
  } else if (OFFLINE.files.includes(pathname)) {
    event.respondWith(kept(pathname).then((answer) => answer ?? fetch(request)));
  }
});

/** The page from the server; if that cannot be reached, `instead`, the page that says so. A refusal is an answer. */
async function fromServer(event: FetchEvent, instead: string | undefined): Promise<Response> {
  try {
    return ((await event.preloadResponse) as Response | undefined) ?? (await fetch(event.request));
  } catch (error) {
    const page = instead && (await kept(instead));
    if (!page) throw error;
    return page;
  }
}

async function kept(path: string): Promise<Response | undefined> {
  return (await caches.open(cacheName)).match(path);
}
