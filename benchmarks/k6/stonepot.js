// Voice conversations with a Stonepot server, for teams that use k6 (https://grafana.com/docs/k6):
//
//   k6 run benchmarks/k6/stonepot.js
//   k6 run -e URL=wss://voice.example -e I_OWN_THIS_TARGET=yes -e SESSIONS=200 -e RAMP=30 -e DURATION=300 benchmarks/k6/stonepot.js
//
// Every virtual user is one person: it asks for a session, waits until it is ready, and speaks in frames at an even rate.
// The settings, with their defaults:
//
//   URL                ws://127.0.0.1:8080   the server; ws, wss, http or https
//   BACKEND            (the server's own)    gemini or vertex
//   SESSIONS           10                    people at once
//   RAMP               SESSIONS / 50         seconds over which they begin
//   DURATION           10                    seconds that each of them speaks
//   FRAME              640                   bytes of 16 kHz PCM in a frame: 20 ms
//   RATE               real time             frames a second
//   EXPECT             echo                  echo: the server's model sends each frame back (STONEPOT_SIMULATOR_ECHO=true);
//                                            answers: it listens and answers, as real models do
//   TALK, SILENCE      3, 5                  seconds that a person speaks and listens in turn, where answers are expected
//   RESUMABLE          no                    yes: sessions that can be resumed, with acks
//   LIMIT_P99          100                   milliseconds: the threshold of round trips (answers: 3000)
//   I_OWN_THIS_TARGET  no                    yes: load a server that is not this machine
//
// k6 counts in whole milliseconds, which is longer than a round trip through the server takes, and its own JavaScript is in
// each of them. To know what a server adds, or how many sessions a core carries, use benchmarks/load; this script is for
// finding out, in a pipeline that has k6 already, whether a deployment holds.

import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';

const text = (name, otherwise) => __ENV[name] || otherwise;
const yes = (name) => text(name, 'no') === 'yes';

/** A number within bounds, or an error that says which setting is wrong. */
function number(name, otherwise, least, most) {
  const value = Number(text(name, otherwise));
  if (!(value >= least && value <= most)) throw new Error(`${name} must be between ${least} and ${most}, got ${__ENV[name]}`);
  return value;
}

const settings = {
  base: text('URL', 'ws://127.0.0.1:8080').replace(/^ws/, 'http').replace(/\/+$/, ''),
  backend: text('BACKEND', ''),
  sessions: number('SESSIONS', 10, 1, 2000),
  durationMs: 1000 * number('DURATION', 10, 1, 3600),
  frame: 2 * Math.floor(number('FRAME', 640, 24, 262144) / 2),
  echo: text('EXPECT', 'echo') === 'echo',
  talkMs: 1000 * number('TALK', 3, 0.1, 3600),
  silenceMs: 1000 * number('SILENCE', 5, 0.1, 3600),
  resumable: yes('RESUMABLE'),
};
settings.rate = number('RATE', 32000 / settings.frame, 0.1, 1000);
settings.rampMs = 1000 * number('RAMP', settings.sessions / 50, 0, 3600);

if (!['echo', 'answers'].includes(text('EXPECT', 'echo'))) throw new Error('EXPECT must be echo or answers');
if (!/^https?:\/\/[^/?#]+$/.test(settings.base)) throw new Error(`URL must look like ws://127.0.0.1:8080, got ${__ENV.URL}`);
if (!/^https?:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i.test(settings.base) && !yes('I_OWN_THIS_TARGET')) {
  throw new Error(`${settings.base} is not this machine: a load test of somebody else's server is an attack, so add -e I_OWN_THIS_TARGET=yes if it is yours`);
}

// What is counted. A true as second argument makes k6 show the numbers as times.
const ready = new Trend('stonepot_ready', true); // from asking for a session to session_ready
const roundTrip = new Trend('stonepot_round_trip', true); // of a frame that is echoed
const answer = new Trend('stonepot_answer', true); // from the last frame of speech to the first audio of the answer
const lag = new Trend('stonepot_generator_lag', true); // how late k6 itself was with a frame: its own fault, in no other figure
const sent = new Counter('stonepot_frames_sent');
const received = new Counter('stonepot_frames_received'); // each once
const lost = new Counter('stonepot_frames_lost');
const doubled = new Counter('stonepot_frames_doubled');
const failed = new Rate('stonepot_session_failed'); // of those that were asked for
const warnings = new Counter('stonepot_warnings');

const limit = number('LIMIT_P99', settings.echo ? 100 : 3000, 1, 60000);

export const options = {
  scenarios: {
    people: {
      executor: 'per-vu-iterations',
      vus: settings.sessions,
      iterations: 1,
      maxDuration: `${Math.ceil((settings.rampMs + settings.durationMs) / 1000) + 60}s`,
    },
  },
  thresholds: {
    stonepot_session_failed: ['rate==0'],
    [settings.echo ? 'stonepot_round_trip' : 'stonepot_answer']: [`p(99)<${limit}`],
    stonepot_frames_lost: ['count==0'],
    stonepot_frames_doubled: ['count==0'],
    // Beyond this the load is not what was asked for: give k6 more of a machine, or fewer sessions.
    stonepot_generator_lag: [`p(99)<${Math.max(50, 2000 / settings.rate)}`],
  },
  summaryTrendStats: ['min', 'med', 'p(90)', 'p(99)', 'p(99.9)', 'max', 'count'],
};

export default function () {
  const n = exec.vu.idInTest;
  setTimeout(() => converse(n), (settings.rampMs * (n - 1)) / settings.sessions);
}

/** Asks for a session, as pages do, and returns where to open its WebSocket; undefined when it was refused. */
function admission() {
  const body = settings.backend ? { backend: settings.backend } : {};
  const response = http.post(`${settings.base}/api/session/create`, JSON.stringify(body), {
    headers: { 'Content-Type': 'application/json' },
    tags: { name: 'create' },
  });
  if (!check(response, { 'a session may be opened': (r) => r.status === 200 })) return undefined;
  const said = response.json();
  const protocols = [said.protocol || 'stonepot.v1'];
  if (said.ticket) protocols.push(`stonepot.ticket.${said.ticket}`);
  // The server may know itself by another name: the path is its word, the host is ours.
  const path = said.path || said.url.replace(/^[a-z]+:\/\/[^/]+/, '');
  return { url: settings.base.replace(/^http/, 'ws') + path, protocols };
}

/** One session, from asking for it to its goodbye. */
function converse(n) {
  const began = Date.now();
  const may = admission();
  if (!may) {
    failed.add(true);
    return;
  }
  const person = new Person(n, began, new WebSocket(may.url, may.protocols));
  person.listen();
}

/** What each frame begins with where it is echoed: a magic number, the person's number, the frame's, and when it was sent. */
const markBytes = 24;
const magic = 0x53744b36;

class Person {
  constructor(n, began, socket) {
    this.n = n;
    this.began = began;
    this.socket = socket;
    this.socket.binaryType = 'arraybuffer';
    this.k = 0; // the next frame
    this.seen = new Set(); // frames that came back
    this.rest = new Uint8Array(0); // of a frame whose end has not come
    this.spoke = 0; // when speech ended that no answer has begun to
    this.talking = false; // the model
    this.counted = 0; // messages received, for acks
    this.acked = 0;
    this.bytes = 0; // since the last ack
    this.ended = false; // session_ended has come
    this.closed = false;
  }

  listen() {
    this.socket.onopen = () => this.tell({ type: 'start_session', config: settings.resumable ? { resumable: true } : {} });
    this.socket.onmessage = (event) => (typeof event.data === 'string' ? this.read(JSON.parse(event.data)) : this.hear(event.data));
    this.socket.onerror = () => this.over();
    this.socket.onclose = () => this.over();
    this.until = Date.now() + settings.durationMs + 40000;
    this.wait();
  }

  /** Whatever happens, a person does not stay for ever. The clock decides: k6's timers fire early when another one was cleared. */
  wait() {
    if (this.closed) return;
    if (Date.now() >= this.until) this.socket.close();
    else this.patience = setTimeout(() => this.wait(), 1000);
  }

  tell(message) {
    this.socket.send(JSON.stringify(message));
  }

  read(message) {
    switch (message.type) {
      // These are about the connection itself, and not counted.
      case 'session_started':
      case 'ack':
      case 'pong':
      case 'resume_ticket':
        return;
      case 'error':
        console.error(`session ${this.n}: ${message.code}: ${message.error}`);
        return;
      case 'session_ended':
        this.ended = true;
        return;
      case 'skipped':
        this.counted += message.messages;
        return;
    }
    this.counted++;
    switch (message.type) {
      case 'session_ready':
        ready.add(Date.now() - this.began);
        this.start = Date.now();
        this.speak();
        break;
      case 'warning':
        warnings.add(1, { code: message.code });
        break;
      case 'interrupted':
      case 'turn_complete':
        this.talking = false;
        break;
    }
  }

  /** Sends the frames that are due, and comes back when the next one is. The schedule never waits for the server. */
  speak() {
    if (this.closed) return;
    const now = Date.now();
    for (; this.due(this.k) <= now; this.k++) {
      if (this.k / settings.rate >= settings.durationMs / 1000) {
        // What is under way is given two seconds.
        setTimeout(() => this.leave(), settings.echo ? 2000 : 0);
        return;
      }
      lag.add(now - this.due(this.k));
      this.socket.send(this.frame(this.k));
      sent.add(1);
    }
    this.acknowledge();
    setTimeout(() => this.speak(), Math.max(1, this.due(this.k) - Date.now()));
  }

  due(k) {
    return this.start + (1000 * k) / settings.rate;
  }

  /** Frame k as it goes out: a tone while the person speaks, with a mark where it will come back. */
  frame(k) {
    const buffer = new ArrayBuffer(settings.frame);
    const view = new DataView(buffer);
    const at = (1000 * k) / settings.rate;
    const speech = settings.echo || at % (settings.talkMs + settings.silenceMs) < settings.talkMs;
    if (speech) {
      new Uint8Array(buffer).set(tone);
      this.speaking = true;
    } else if (this.speaking) {
      this.speaking = false;
      this.spoke = this.due(k - 1);
    }
    if (settings.echo) {
      view.setUint32(0, magic);
      view.setUint32(4, this.n);
      view.setUint32(8, k);
      view.setFloat64(16, Date.now());
    }
    return buffer;
  }

  hear(data) {
    this.counted++;
    this.bytes += data.byteLength;
    if (settings.echo) this.echoed(new Uint8Array(data));
    else this.answered();
    this.acknowledge();
  }

  /** Takes echoed bytes apart into the frames that they were sent in: a server may join frames, or cut them. */
  echoed(bytes) {
    let all = bytes;
    if (this.rest.length > 0) {
      all = new Uint8Array(this.rest.length + bytes.length);
      all.set(this.rest);
      all.set(bytes, this.rest.length);
    }
    let at = 0;
    for (; at + settings.frame <= all.length; at += settings.frame) this.came(new DataView(all.buffer, all.byteOffset + at, markBytes));
    this.rest = all.slice(at);
  }

  came(mark) {
    const k = mark.getUint32(8);
    if (mark.getUint32(0) !== magic || mark.getUint32(4) !== this.n || k > this.k) {
      check(null, { 'what comes back was sent': () => false });
      return;
    }
    if (this.seen.has(k)) {
      doubled.add(1);
      return;
    }
    this.seen.add(k);
    received.add(1);
    roundTrip.add(Date.now() - mark.getFloat64(16));
  }

  answered() {
    received.add(1);
    if (!this.talking && this.spoke > 0) answer.add(Date.now() - this.spoke);
    if (!this.talking) this.spoke = 0;
    this.talking = true;
  }

  /** Sends an ack every 250 ms, or each 8 KB, where the session is resumable. */
  acknowledge() {
    if (!settings.resumable || this.closed || this.counted === this.acked) return;
    const now = Date.now();
    if (this.bytes < 8192 && now - (this.ackedAt || 0) < 250) return;
    this.tell({ type: 'ack', received: this.counted });
    this.acked = this.counted;
    this.ackedAt = now;
    this.bytes = 0;
  }

  leave() {
    if (this.closed) return;
    this.leaving = true;
    this.tell({ type: 'end_session' });
    this.until = Date.now() + 10000; // a server may take its time to say goodbye, but not longer
  }

  /** The connection is over: once, whichever way it was told. */
  over() {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.patience);
    const well = check(this, { 'the session ended in order': (p) => p.leaving === true && p.ended });
    failed.add(!well);
    lost.add(settings.echo ? this.k - this.seen.size : 0);
    doubled.add(0); // so that its threshold has something to look at
  }
}

/** A tone that every detector of speech takes for speech: a rich 150 Hz, as long as a frame. */
const tone = new Uint8Array(settings.frame);
{
  const view = new DataView(tone.buffer);
  for (let i = 0; i < settings.frame / 2; i++) {
    let v = 0;
    for (let h = 1; h <= 10; h++) v += Math.sin((2 * Math.PI * 150 * h * i) / 16000) / h;
    view.setInt16(2 * i, 6000 * v, true);
  }
}
