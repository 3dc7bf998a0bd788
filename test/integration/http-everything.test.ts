/** The reference server of the protocol over HTTP and SSE: found out by `auto`, and healed when it is started anew. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { never, rig } from '../fixtures/http-rig.js';
import { waitFor } from '../support/wait-for.js';

const require = createRequire(import.meta.url);
const program = join(dirname(require.resolve('@modelcontextprotocol/server-everything/package.json')), 'dist/index.js');
const children: ChildProcess[] = [];

const end = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
};
afterEach(async () => {
  await Promise.all(children.splice(0).map(end));
});

/** It takes no port 0, so a free one is asked for just before. */
const freePort = async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
};

async function start(kind: 'streamableHttp' | 'sse', port: number) {
  const child = spawn(process.execPath, [program, kind], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await waitFor(() => /on port/.test(stderr), { timeoutMs: 15_000, what: () => `the server, which said: ${stderr}` });
  return child;
}

it.each([
  { kind: 'streamableHttp', path: '/mcp', transport: 'http' },
  { kind: 'sse', path: '/sse', transport: 'sse' },
] as const)(
  '$kind: found by auto, listed, called, and called again after a restart that forgot the session',
  async ({ kind, path, transport }) => {
    const port = await freePort();
    const first = await start(kind, port);
    await using it = await rig({ url: `http://127.0.0.1:${port}${path}` }, { longLived: true });
    expect(await it.call('echo', { message: 'one' })).toBe('Echo: one');
    expect(it.status()).toMatchObject({ transport, protocol: { era: 'legacy' } });
    expect((await it.manager.listTools('it', never)).tools.length).toBeGreaterThan(10);
    await end(first);
    await start(kind, port);
    await waitFor(async () => (await it.call('echo', { message: 'two' })) === 'Echo: two', { what: 'the server to come back' });
    expect(it.status().status).toBe('connected');
  },
);
