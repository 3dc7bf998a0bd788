/** The stages of a connection one by one: what may be connected to, and that waiting ends with the signal. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { privateAddressGuard } from '../../src/io/address-guard.js';
import { dial, readCertificate, resolveHost, tunnel, wayTo } from '../../src/io/reach.js';
import { startTcpServer } from '../support/http-server.js';

const { signal } = new AbortController();
const anyAddress = () => {};

describe('resolveHost', () => {
  it('gives back an address as it is, and the addresses of a name', async () => {
    expect(await resolveHost('127.0.0.1', anyAddress, signal)).toEqual(['127.0.0.1']);
    expect((await resolveHost('localhost', anyAddress, signal)).some((address) => /^127\.|^::1$/.test(address))).toBe(true);
  });

  it('refuses a name when the guard refuses every address of it', async () => {
    const guard = privateAddressGuard({ allowPrivate: false });
    await expect(resolveHost('localhost', guard, signal)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      details: { reason: 'blocked' },
    });
    await expect(resolveHost('169.254.169.254', guard, signal)).rejects.toMatchObject({ details: { reason: 'blocked' } });
  });
});

describe('dial, tunnel and readCertificate', () => {
  it('take the second address when nothing listens on the first', async () => {
    await using server = await startTcpServer(() => {});
    const socket = await dial(['127.0.0.2', '127.0.0.1'], 'x', server.port, signal);
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
  });

  it('end with the reason of the signal where the other end says nothing, and leave no socket open', async () => {
    await using server = await startTcpServer((socket) => void socket.resume());
    const { target } = wayTo(`https://127.0.0.1:${server.port}/`, {});
    const { proxy } = wayTo('https://mcp.test/', { HTTPS_PROXY: `http://127.0.0.1:${server.port}` });
    for (const stage of ['tls', 'tunnel', 'tls to the proxy'] as const) {
      const stop = new AbortController();
      const socket = connect(server.port, '127.0.0.1');
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await new Promise((resolve) => socket.once('connect', resolve));
      const way = stage === 'tunnel' ? proxy! : { ...proxy!, protocol: 'https:' as const };
      const waiting =
        stage === 'tls' ? readCertificate(socket, target, undefined, stop.signal) : tunnel(socket, way, target, stop.signal);
      stop.abort(new Error(`enough of ${stage}`));
      await expect(waiting).rejects.toThrow(`enough of ${stage}`);
      socket.destroy();
      await closed;
    }
  });
});
