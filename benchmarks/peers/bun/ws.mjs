// A relay as one writes it with Bun and nothing else. PORT is where it listens, UPSTREAM (http:// or https://) where the Live API is.
import { audioOf, message, setup, url } from "../live.mjs";

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  fetch(request, server) {
    if (new URL(request.url).pathname !== "/live") return new Response("ok");
    if (!server.upgrade(request, { data: { upstream: null } })) return new Response("a WebSocket is expected here", { status: 426 });
  },
  websocket: {
    message(browser, data) {
      const { upstream } = browser.data;
      if (typeof data !== "string") upstream?.send(message(data));
      else if (!upstream) browser.data.upstream = open(browser);
    },
    close(browser) {
      browser.data.upstream?.close();
    },
  },
});

function open(browser) {
  const upstream = new WebSocket(url);
  upstream.binaryType = "nodebuffer";
  upstream.onopen = () => upstream.send(setup);
  upstream.onmessage = ({ data }) => {
    const m = JSON.parse(data.toString());
    if (m.setupComplete) browser.send('{"type":"session_ready"}');
    for (const pcm of audioOf(m)) browser.send(pcm);
  };
  upstream.onclose = () => browser.close();
  return upstream;
}
