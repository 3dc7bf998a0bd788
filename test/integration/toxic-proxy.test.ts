/** The proxy that spoils connections does each of its eight things, and nothing when it is told nothing. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startTcpServer, type TestServer } from '../support/http-server.js';
import { startToxicProxy, type ToxicProxy } from '../support/toxic-proxy.js';
import { waitFor } from '../support/wait-for.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

/** A client, the proxy, and a server that echoes. */
async function echo(): Promise<{ proxy: ToxicProxy; server: TestServer; dial: () => Promise<Client> }> {
  const server = await startTcpServer((socket) => socket.pipe(socket));
  open.push(server);
  const proxy = await startToxicProxy(server.port);
  open.push(proxy);
  return {
    proxy,
    server,
    dial: async () => {
      const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return client(socket);
    },
  };
}

interface Client {
  readonly socket: Socket;
  readonly pieces: Buffer[];
  text(): string;
  /** `end`, or the code of the error. */
  readonly over: Promise<string>;
}

function client(socket: Socket): Client {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  const over = new Promise<string>((resolve) => {
    socket.once('end', () => resolve('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
  return { socket, pieces, text: () => Buffer.concat(pieces).toString(), over };
}

const timeOf = async (work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
};

describe('the toxic proxy', () => {
  it('passes 5 MB there and back unchanged, and the end too', async () => {
    const { proxy, dial } = await echo();
    const { socket, pieces, over } = await dial();
    const sent = Buffer.alloc(5_000_000, 'abcdefg');
    socket.end(sent);
    expect(await over).toBe('end');
    expect(Buffer.concat(pieces).equals(sent)).toBe(true);
    await waitFor(() => proxy.open === 0, { what: 'the pair to be closed' });
    expect(proxy.connections).toBe(1);
  });

  it('latency: 100 ms each way, for two pieces at once as for one', async () => {
    const { proxy, dial } = await echo();
    proxy.upstream.latencyMs = 100;
    proxy.downstream.latencyMs = 100;
    const { socket, text } = await dial();
    const ms = await timeOf(async () => {
      socket.write('a');
      setImmediate(() => socket.write('b'));
      await waitFor(() => text() === 'ab');
    });
    expect(ms).toBeGreaterThanOrEqual(195);
    proxy.clear();
    socket.write('c');
    await waitFor(() => text() === 'abc');
  });

  it('bandwidth: 2 000 bytes at 10 000 a second take 200 ms', async () => {
    const { proxy, dial } = await echo();
    proxy.downstream.bytesPerSecond = 10_000;
    const { socket, text } = await dial();
    const ms = await timeOf(async () => {
      socket.write('x'.repeat(2_000));
      await waitFor(() => text().length === 2_000);
    });
    expect(ms).toBeGreaterThanOrEqual(195);
  });

  it('slicer: 10 bytes arrive as 4, 4 and 2', async () => {
    const { proxy, dial } = await echo();
    Object.assign(proxy.downstream, { sliceBytes: 4, sliceDelayMs: 20 });
    const { socket, pieces, text } = await dial();
    socket.write('0123456789');
    await waitFor(() => text() === '0123456789');
    expect(pieces.map(String)).toEqual(['0123', '4567', '89']);
  });

  it('limit: the connection ends after 7 bytes', async () => {
    const { proxy, dial } = await echo();
    proxy.downstream.limitBytes = 7;
    const { socket, text, over } = await dial();
    socket.write('0123456789');
    expect(await over).toBe('end');
    expect(text()).toBe('0123456');
  });

  it('slow close: the end comes 150 ms after the last byte', async () => {
    const { proxy, dial } = await echo();
    proxy.downstream.slowCloseMs = 150;
    const { socket, text, over } = await dial();
    socket.end('bye');
    await waitFor(() => text() === 'bye');
    expect(await timeOf(() => over)).toBeGreaterThanOrEqual(100);
  });

  it('timeout: nothing gets through while it is silent, and what was sent meanwhile is lost', async () => {
    const { proxy, dial } = await echo();
    const { socket, text } = await dial();
    proxy.upstream.isSilent = true;
    socket.write('lost');
    // Through another connection, in order behind it: the proxy has seen the first one.
    await waitFor(() => socket.bytesWritten === 4);
    await new Promise((resolve) => setTimeout(resolve, 50));
    proxy.clear();
    socket.write('kept');
    await waitFor(() => text().length >= 4);
    expect(text()).toBe('kept');
  });

  it('reset: every open connection ends with ECONNRESET, on the side of the server too; the next one works', async () => {
    const { proxy, server, dial } = await echo();
    const [one, two] = [await dial(), await dial()];
    one.socket.write('a');
    two.socket.write('a');
    await waitFor(() => one.text() + two.text() === 'aa');
    proxy.reset();
    expect(await Promise.all([one.over, two.over])).toEqual(['ECONNRESET', 'ECONNRESET']);
    await waitFor(() => server.sockets.size === 0);
    const next = await dial();
    next.socket.write('b');
    await waitFor(() => next.text() === 'b');
  });

  it('vanish: open connections stay open and silent, later ones work', async () => {
    const { proxy, server, dial } = await echo();
    const dead = await dial();
    dead.socket.write('a');
    await waitFor(() => dead.text() === 'a');
    proxy.vanish();
    dead.socket.end('b');
    const next = await dial();
    next.socket.write('c');
    await waitFor(() => next.text() === 'c');
    expect(dead.text()).toBe('a');
    expect(server.sockets.size).toBe(2);
  });

  it('down: refuses connections until it is up again, on the same port', async () => {
    const { proxy, dial } = await echo();
    const before = await dial();
    before.socket.write('a');
    await waitFor(() => before.text() === 'a');
    await proxy.down();
    expect(await before.over).toBe('ECONNRESET');
    await expect(dial()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.up();
    const after = await dial();
    after.socket.write('b');
    await waitFor(() => after.text() === 'b');
  });
});
