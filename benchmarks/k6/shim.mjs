// What stonepot.js needs of k6, in Node, so that a test can run the script where there is no k6. One person is one call of
// the script's default function. At the end, what was counted goes to standard output as JSON.
//
//   node --experimental-websocket shim.mjs '{"URL": "ws://127.0.0.1:8080", "SESSIONS": "2"}'

import { execFileSync } from 'node:child_process';
import { register } from 'node:module';

const metrics = {};
const checks = {};
const note = (name, value) => (metrics[name] ??= []).push(Number(value));
class Metric {
  constructor(name) {
    this.name = name;
    metrics[name] ??= [];
  }
  add(value) {
    note(this.name, value);
  }
}

globalThis.__ENV = JSON.parse(process.argv[2]);
globalThis.shim = {
  k6: {
    check(value, all) {
      for (const [name, holds] of Object.entries(all)) {
        const held = Boolean(holds(value));
        ((checks[name] ??= { passes: 0, fails: 0 })[held ? 'passes' : 'fails']) += 1;
        if (!held) return false;
      }
      return true;
    },
  },
  'k6/execution': { default: { vu: { idInTest: 0 } } },
  'k6/http': {
    default: {
      // k6 asks synchronously.
      post(url, body, params) {
        const ask = `fetch(process.argv[1], { method: 'POST', body: process.argv[2], headers: JSON.parse(process.argv[3]) })
          .then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })))`;
        const answer = JSON.parse(execFileSync(process.execPath, ['-e', ask, url, body, JSON.stringify(params.headers)]));
        return { status: answer.status, json: () => JSON.parse(answer.body) };
      },
    },
  },
  'k6/metrics': { Counter: Metric, Rate: Metric, Trend: Metric },
  'k6/websockets': { WebSocket },
};

register(
  'data:text/javascript,' +
    encodeURIComponent(`
      export const resolve = (name, context, next) =>
        name === 'k6' || name.startsWith('k6/') ? { url: 'k6:' + name, shortCircuit: true } : next(name, context);
      const names = { k6: ['check'], 'k6/metrics': ['Counter', 'Rate', 'Trend'], 'k6/websockets': ['WebSocket'] };
      export const load = (url, context, next) => {
        if (!url.startsWith('k6:')) return next(url, { ...context, format: url.endsWith('stonepot.js') ? 'module' : context.format });
        const name = url.slice(3);
        const source = (names[name] ?? []).map((n) => 'export const ' + n + ' = shim["' + name + '"].' + n + ';');
        source.push('export default shim["' + name + '"].default;');
        return { format: 'module', shortCircuit: true, source: source.join('\\n') };
      };`),
);

const script = await import(new URL('stonepot.js', import.meta.url));
for (let n = 1; n <= script.options.scenarios.people.vus; n++) {
  globalThis.shim['k6/execution'].default.vu.idInTest = n;
  script.default();
}
process.on('exit', () => console.log(JSON.stringify({ options: script.options, metrics, checks })));
