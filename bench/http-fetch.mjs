/** Our fetch against the built-in one: JSON POSTs on keep-alive connections, 32 in flight and 1. */
import { spawn } from 'node:child_process';
import { loadSource } from '../scripts/lib/load-source.mjs';
import { inPairs } from './lib/measure.mjs';
import { fixture, root } from './lib/workplace.mjs';

const pairs = 5;
const kinds = [
  { inFlight: 32, calls: 4000 },
  { inFlight: 1, calls: 1500 },
];
const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'echo', arguments: { message: 'hi' } },
});

export async function* run() {
  const { createHttpFetch, systemClock } = await loadSource(
    root,
    "export { createHttpFetch } from './src/io/http-fetch.ts'; export { systemClock } from './src/core/clock.ts';",
  );
  const server = spawn(process.execPath, [fixture('instant-http.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await new Promise((resolve) => server.stdout.once('data', (chunk) => resolve(Number(chunk))));
  const url = new URL(`http://127.0.0.1:${port}/mcp`);
  const ours = createHttpFetch({ maxBodyBytes: 2 ** 24, connectTimeoutMs: 10_000, clock: systemClock });
  // The built-in fetch warns on Node 20 about listeners on the one signal that all calls share.
  const warnings = process.listeners('warning');
  process.removeAllListeners('warning');
  try {
    for (const { inFlight, calls } of kinds) {
      const figures = await inPairs(
        pairs,
        () => callsPerSecond(ours.fetch, url, inFlight, calls),
        () => callsPerSecond(globalThis.fetch, url, inFlight, calls),
      );
      yield { what: `our fetch, ${inFlight} in flight`, against: 'built-in fetch', unit: 'calls/s', ...figures };
    }
  } finally {
    await ours[Symbol.asyncDispose]();
    server.kill();
    for (const warning of warnings) process.on('warning', warning);
  }
}

async function callsPerSecond(fetch, url, inFlight, calls) {
  // As the SDK's transport does it: fresh Headers and one signal for all calls.
  const { signal } = new AbortController();
  const call = async () => {
    const headers = new Headers();
    headers.set('mcp-session-id', 'bench');
    headers.set('content-type', 'application/json');
    headers.set('accept', 'application/json, text/event-stream');
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' });
    if (response.headers.get('content-type') !== 'application/json') throw new Error('wrong type');
    return response.json();
  };
  let left = calls;
  const startMs = performance.now();
  const worker = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (calls * 1000) / (performance.now() - startMs);
}
