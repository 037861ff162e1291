// A relay as one writes it with Bun and @google/genai. PORT is where it listens, UPSTREAM (http:// or https://) where the Live API is.
import { connect, speak } from "../genai.mjs";

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  fetch(request, server) {
    if (new URL(request.url).pathname !== "/live") return new Response("ok");
    if (!server.upgrade(request, { data: { starting: false, session: null } })) return new Response("a WebSocket is expected here", { status: 426 });
  },
  websocket: {
    async message(browser, data) {
      if (typeof data !== "string") {
        if (browser.data.session) speak(browser.data.session, data);
        return;
      }
      if (browser.data.starting) return;
      browser.data.starting = true;
      browser.data.session = await connect({ send: (pcm) => browser.send(pcm), close: () => browser.close() });
      browser.send('{"type":"session_ready"}');
    },
    close(browser) {
      browser.data.session?.close();
    },
  },
});
