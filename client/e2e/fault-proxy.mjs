// A TCP proxy whose lines break as real ones do: at any byte, half open, stalled, slow.
import { connect, createServer } from "node:net";

/** How often a slow line moves. */
const tickMs = 20;

/**
 * @typedef {object} FaultProxy
 * @property {number} port
 * @property {() => number} lines      how many there are now
 * @property {(port: number) => void} target      where new lines lead
 * @property {(wanted: boolean) => void} accept      whether new lines come about at all
 * @property {() => void} cut      breaks all lines now, for both sides
 * @property {(direction: "up" | "down", bytes: number) => void} cutAfter      breaks them after so many more bytes, wherever that is
 * @property {(told: boolean) => void} halfOpen      nothing arrives any more; the server is told that the line broke, or nobody is
 * @property {(wanted: boolean) => void} stall      nothing moves on any line, until it does again
 * @property {(bytesPerSecond: number) => void} slow      of every line, each way; Infinity: not at all
 * @property {() => Promise<void>} close
 */

/**
 * @param {number} targetPort      on the same machine
 * @returns {Promise<FaultProxy>}
 */
export async function startFaultProxy(targetPort) {
  /** @type {Set<Line>} */
  const lines = new Set();
  let port = targetPort;
  let accepting = true;
  let stalled = false;
  let rate = Infinity;

  const server = createServer((client) => {
    if (!accepting) return void client.destroy();
    const line = new Line(client, connect(port, "127.0.0.1"), () => lines.delete(line));
    line.rate = rate;
    line.stalled = stalled;
    lines.add(line);
  });
  const own = await new Promise((done, failed) => {
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => done(server.address()));
  });
  /** @param {(line: Line) => void} act */
  const each = (act) => [...lines].forEach(act);
  return {
    port: /** @type {import("node:net").AddressInfo} */ (own).port,
    lines: () => lines.size,
    target: (next) => void (port = next),
    accept: (wanted) => void (accepting = wanted),
    cut: () => each((line) => line.cut()),
    cutAfter: (direction, bytes) => each((line) => void (line.left[direction] = bytes)),
    halfOpen: (told) => each((line) => line.halfOpen(told)),
    stall(wanted) {
      stalled = wanted;
      each((line) => {
        line.stalled = wanted;
        line.move();
      });
    },
    slow(bytesPerSecond) {
      rate = bytesPerSecond;
      each((line) => void (line.rate = bytesPerSecond));
    },
    close() {
      each((line) => line.cut());
      return new Promise((done) => server.close(() => done()));
    },
  };
}

/** One line: two sockets, and what is between them. */
class Line {
  rate = Infinity;
  stalled = false;
  /** Bytes until it breaks. */
  left = { up: Infinity, down: Infinity };
  /** @type {{ up: Buffer[], down: Buffer[] }} */
  held = { up: [], down: [] };
  dead = false;

  /**
   * @param {import("node:net").Socket} client
   * @param {import("node:net").Socket} upstream
   * @param {() => void} over
   */
  constructor(client, upstream, over) {
    this.client = client;
    this.upstream = upstream;
    this.over = over;
    this.timer = setInterval(() => this.move(), tickMs);
    for (const [from, direction] of /** @type {const} */ ([[client, "up"], [upstream, "down"]])) {
      from.setNoDelay(true);
      from.on("data", (data) => {
        this.held[direction].push(data);
        this.move();
      });
      // One side that ends ends the other, once it has what was under way; a line that breaks breaks at once.
      from.on("end", () => {
        if (this.dead) return;
        if (direction === "up") this.upstream.end();
        else this.client.end();
      });
      from.on("error", () => this.cut());
      from.on("close", () => {
        if (!this.dead) this.cut();
      });
    }
  }

  /** Moves what may be moved. */
  move() {
    if (this.stalled || this.dead) return;
    for (const [to, direction] of /** @type {const} */ ([[this.upstream, "up"], [this.client, "down"]])) {
      let budget = this.rate === Infinity ? Infinity : Math.ceil((this.rate * tickMs) / 1000);
      const { held, left } = this;
      while (held[direction].length > 0 && budget > 0) {
        const whole = /** @type {Buffer} */ (held[direction].shift());
        const data = whole.subarray(0, Math.min(whole.length, budget, left[direction]));
        if (data.length > 0) to.write(data);
        budget -= data.length;
        left[direction] -= data.length;
        if (left[direction] === 0) {
          // What was written must leave before the line breaks, or the fault would be another one.
          this.dead = true;
          to.end(() => this.destroy());
          return;
        }
        if (data.length < whole.length) held[direction].unshift(whole.subarray(data.length));
      }
      // A slow line holds its sender back, as the network would.
      const from = direction === "up" ? this.client : this.upstream;
      const waiting = held[direction].reduce((sum, x) => sum + x.length, 0);
      if (waiting > 64_000) from.pause();
      else from.resume();
    }
  }

  /** @param {boolean} told      the server learns of it */
  halfOpen(told) {
    this.stalled = true;
    if (told) {
      this.dead = true;
      this.upstream.destroy();
      // The client's end stays open, and nobody answers on it; it ends when the client lets go.
      this.client.resume();
      this.client.on("close", () => this.destroy());
    }
  }

  cut() {
    this.dead = true;
    this.destroy();
  }

  destroy() {
    this.dead = true;
    clearInterval(this.timer);
    this.client.destroy();
    this.upstream.destroy();
    this.over();
  }
}
