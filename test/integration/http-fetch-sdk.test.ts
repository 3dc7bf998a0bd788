/** The SDK's own transports over our fetch, against a real server of theirs: Streamable HTTP and the old HTTP+SSE. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { privateAddressGuard } from '../../src/io/address-guard.js';
import { createHttpFetch } from '../../src/io/http-fetch.js';
import { waitFor } from '../support/wait-for.js';

const require = createRequire(import.meta.url);
const everything = join(dirname(require.resolve('@modelcontextprotocol/server-everything/package.json')), 'dist/index.js');
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }
});

/** The server takes no port 0, so a free one is asked for just before. */
const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

const startEverything = async (transport: 'streamableHttp' | 'sse') => {
  const port = await freePort();
  const child = spawn(process.execPath, [everything, transport], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await waitFor(() => /running on port|listening on port/.test(stderr), {
    timeoutMs: 15_000,
    what: () => `the server, which said: ${stderr}`,
  });
  return port;
};

describe('SDK transports', () => {
  it.each(['streamableHttp', 'sse'] as const)(
    'connect, list and call 20 times in parallel over %s, and report progress',
    async (kind) => {
      const port = await startEverything(kind);
      await using ours = createHttpFetch({
        maxBodyBytes: 16 * 2 ** 20,
        connectTimeoutMs: 5_000,
        clock: systemClock,
        addressGuard: privateAddressGuard({ allowPrivate: true }),
      });
      const options = { fetch: ours.fetch };
      const transport =
        kind === 'sse'
          ? new SSEClientTransport(new URL(`http://127.0.0.1:${port}/sse`), { ...options, eventSourceInit: options })
          : new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`), options);
      const client = new Client({ name: 'test', version: '1' });
      await client.connect(transport as Parameters<typeof client.connect>[0]);
      expect((await client.listTools()).tools.length).toBeGreaterThan(5);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => client.callTool({ name: 'echo', arguments: { message: `hi ${i}` } })),
      );
      expect(answers.map(({ content }) => (content as { text: string }[])[0]?.text)).toEqual(
        answers.map((_, i) => `Echo: hi ${i}`),
      );
      const progress: number[] = [];
      await client.callTool(
        { name: 'trigger-long-running-operation', arguments: { duration: 0.5, steps: 3 } },
        { onprogress: (update) => void progress.push(update.progress) },
      );
      expect(progress).toEqual([1, 2, 3]);
      if (transport instanceof StreamableHTTPClientTransport) await transport.terminateSession();
      await client.close();
    },
  );
});
