// A relay as one writes it with Node and ws. PORT is where it listens, UPSTREAM (http:// or https://) where the Live API is.
import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";
import { audioOf, message, setup, url } from "../live.mjs";

const http = createServer((request, response) => response.end("ok"));
const browsers = new WebSocketServer({ server: http, path: "/live" });

browsers.on("connection", (browser) => {
  let upstream;
  browser.on("message", (data, binary) => {
    if (binary) upstream?.send(message(data));
    else if (!upstream) upstream = open(browser);
  });
  browser.on("close", () => upstream?.close());
  browser.on("error", () => browser.terminate());
});

function open(browser) {
  const upstream = new WebSocket(url, { perMessageDeflate: false });
  upstream.on("open", () => upstream.send(setup));
  upstream.on("message", (data) => {
    const m = JSON.parse(data.toString());
    if (m.setupComplete) browser.send('{"type":"session_ready"}');
    for (const pcm of audioOf(m)) browser.send(pcm);
  });
  upstream.on("close", () => browser.close());
  upstream.on("error", () => browser.close(1011));
  return upstream;
}

http.listen(Number(process.env.PORT), "127.0.0.1");
