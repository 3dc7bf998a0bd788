/** Our fetch against the built-in one: JSON POSTs on keep-alive connections, 32 in flight and 1, in turns; prints ratios of this run. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

if (process.argv[2] === '--server') {
  const { createServer } = await import('node:http');
  const answer = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'x'.repeat(200) }] } });
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'bench' });
      response.end(answer);
    });
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
} else {
  const rounds = 5;
  const calls = Number(process.argv[2] ?? 4000);
  const self = fileURLToPath(import.meta.url);
  const root = fileURLToPath(new URL('..', import.meta.url));
  const bundled = await build({
    stdin: {
      contents: "export { createHttpFetch } from './src/io/http-fetch.ts'; export { systemClock } from './src/core/clock.ts';",
      resolveDir: root,
      loader: 'ts',
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
  });
  const code = Buffer.from(bundled.outputFiles[0].contents).toString('base64');
  const { createHttpFetch, systemClock } = await import(`data:text/javascript;base64,${code}`);

  const server = spawn(process.execPath, [self, '--server'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve) => server.stdout.once('data', (chunk) => resolve(Number(chunk))));
  const url = new URL(`http://127.0.0.1:${port}/mcp`);
  const ours = createHttpFetch({ maxBodyBytes: 2 ** 24, connectTimeoutMs: 10_000, clock: systemClock });
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'echo', arguments: { message: 'hi' } },
  });

  // As the SDK's transport does it: fresh Headers and one signal for all calls.
  const { signal } = new AbortController();
  const call = async (fetch) => {
    const headers = new Headers();
    headers.set('mcp-session-id', 'bench');
    headers.set('content-type', 'application/json');
    headers.set('accept', 'application/json, text/event-stream');
    const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' });
    if (response.headers.get('content-type') !== 'application/json') throw new Error('wrong type');
    return response.json();
  };
  const run = async (fetch, inFlight, total) => {
    let left = total;
    const start = performance.now();
    const worker = async () => {
      while (left-- > 0) await call(fetch);
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    return (total * 1000) / (performance.now() - start);
  };
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

  process.removeAllListeners('warning'); // the built-in fetch warns about its listeners on Node 20
  for (const inFlight of [32, 1]) {
    const rates = { ours: [], builtin: [] };
    await run(ours.fetch, inFlight, 500);
    await run(globalThis.fetch, inFlight, 500);
    for (let round = 0; round < rounds; round++) {
      rates.ours.push(await run(ours.fetch, inFlight, calls));
      rates.builtin.push(await run(globalThis.fetch, inFlight, calls));
    }
    const ratio = median(rates.ours.map((rate, i) => rate / rates.builtin[i]));
    const figures = `${median(rates.ours).toFixed(0)} against ${median(rates.builtin).toFixed(0)} calls/s`;
    console.log(`${inFlight} in flight: ours ${figures}, ratio ${ratio.toFixed(2)}`);
  }
  await ours[Symbol.asyncDispose]();
  server.kill();
}
