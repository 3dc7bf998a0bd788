/** Bytes that go to a real server and come back, over sockets and over pipes, also when the connection is another one. */
import { describe, expect, it } from 'vitest';
import { never, rig, startFixture } from '../fixtures/http-rig.js';
import { noLeftovers } from '../support/no-leftovers.js';

noLeftovers();

describe('the bytes of a server over HTTP', () => {
  it('are at least those of the message, in both directions, and go on counting over a reconnect', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    const bytes = () => it.manager.figures()[0]!.traffic;
    expect(bytes()).toEqual({ sent: 0, received: 0 });
    await it.call('echo', { message: 'x'.repeat(100_000) });
    const first = bytes();
    expect(first.sent).toBeGreaterThan(100_000);
    expect(first.received).toBeGreaterThan(100_000);
    expect(first.sent).toBeLessThan(110_000);
    await it.manager.reconnect('it', never);
    await it.call('echo', { message: 'y'.repeat(50_000) });
    expect(bytes().sent).toBeGreaterThan(first.sent + 50_000);
    expect(bytes().received).toBeGreaterThan(first.received + 50_000);
  });
});
