// A relay as one writes it with Node, ws and @google/genai. PORT is where it listens, UPSTREAM (http:// or https://) where the Live API is.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { connect, speak } from "../genai.mjs";

const http = createServer((request, response) => response.end("ok"));
const browsers = new WebSocketServer({ server: http, path: "/live" });

browsers.on("connection", (browser) => {
  let starting = false;
  let session;
  browser.on("message", async (data, binary) => {
    if (binary) {
      if (session) speak(session, data);
      return;
    }
    if (starting) return;
    starting = true;
    session = await connect({ send: (pcm) => browser.send(pcm), close: () => browser.close() });
    browser.send('{"type":"session_ready"}');
  });
  browser.on("close", () => session?.close());
  browser.on("error", () => browser.terminate());
});

http.listen(Number(process.env.PORT), "127.0.0.1");
