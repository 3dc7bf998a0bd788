/** Calls that are given up: the server hears of it in the way of its era, and deadlines hold whatever the server does. */
import { describe, expect, it } from 'vitest';
import { cancelled } from '../../src/core/errors.js';
import { count, failure, logged, never, rig, startFixture, timed } from '../fixtures/http-rig.js';

describe.each(['legacy', 'modern'] as const)('a %s server', (era) => {
  it.each(['json', 'sse'])('sees the exchange of a cancelled call close within 200 ms (answers as %s)', async (answers) => {
    await using server = await startFixture('http-sdk', { ERA: era, ANSWERS: answers });
    await using it = await rig({ url: server.url }, { longLived: true });
    await it.call('echo', { message: 'warm' });
    const stop = new AbortController();
    const beside = it.call('sleep', { ms: 300 });
    const hanging = failure(it.call('hang', {}, { signal: stop.signal }));
    const call = await logged(server, ({ tool }) => tool === 'hang', 'the call');
    const abortedAt = Date.now();
    stop.abort(cancelled());
    expect(await hanging).toMatchObject({ code: 'CANCELLED' });
    const closed = await logged(server, ({ tool, closedAt }) => tool === 'hang' && closedAt !== null, 'the end of the exchange');
    expect(closed.closedAt! - abortedAt).toBeLessThan(200);
    expect(closed.aborted).toBe(true);
    const notices = (await server.log()).filter(({ rpc }) => rpc === 'notifications/cancelled');
    expect(notices.map(({ cancels }) => cancels)).toEqual(era === 'legacy' ? [call.id] : []);
    expect(await beside).toBe('slept');
    expect(await it.call('echo', { message: 'after' })).toBe('after');
    expect(await server.executions('hang')).toBe(1);
  });

  it('that says nothing is left after 600 ms ± 250 ms, and the call is not repeated', async () => {
    await using server = await startFixture('http-sdk', { ERA: era });
    await using it = await rig({ url: server.url });
    await it.call('echo', { message: 'warm' });
    const { value: error, ms } = await timed(failure(it.call('hang', {}, { timeoutMs: 600 })));
    expect(error).toMatchObject({ code: 'TIMEOUT', server: 'it', delivered: 'maybe' });
    expect(Math.abs(ms - 600)).toBeLessThan(250);
    await logged(server, ({ tool, aborted }) => tool === 'hang' && aborted, 'the end of the exchange');
    expect(await server.executions('hang')).toBe(1);
  });

  it('that reports progress every 150 ms may be silent for 400 ms only, but work for 900 ms', async () => {
    await using server = await startFixture('http-sdk', { ERA: era, ANSWERS: 'sse' });
    await using it = await rig({ url: server.url, timeouts: { call: '400ms' } });
    const { value, ms } = await timed(it.call('drip', { everyMs: 150, times: 6 }));
    expect(value).toBe('dripped');
    expect(ms).toBeGreaterThan(850);
    expect(it.events.filter(({ type }) => type === 'call-progress')).toHaveLength(6);
  });

  it('that drips progress for ever ends at the hard limit of 800 ms ± 250 ms', async () => {
    await using server = await startFixture('http-sdk', { ERA: era, ANSWERS: 'sse' });
    await using it = await rig({ url: server.url });
    await it.call('echo', { message: 'warm' });
    // `--timeout` is both limits: silence and the whole call.
    const { value: error, ms } = await timed(failure(it.call('drip', { everyMs: 50, times: 1e6 }, { timeoutMs: 800 })));
    expect(error).toMatchObject({ code: 'TIMEOUT', details: { totalMs: 800 } });
    expect(Math.abs(ms - 800)).toBeLessThan(250);
    await logged(server, ({ tool, aborted }) => tool === 'drip' && aborted, 'the end of the exchange');
  });
});

it('a server that never answers the notice of a cancellation still sees the exchange close within 200 ms', async () => {
  await using server = await startFixture('http-fault', { DEAF_TO: 'notifications/cancelled' });
  await using it = await rig({ url: server.url, type: 'http' });
  await it.call('echo', { message: 'warm' });
  const stop = new AbortController();
  const hanging = failure(it.call('sleep', { ms: 5000 }, { signal: stop.signal }));
  await logged(server, ({ tool }) => tool === 'sleep', 'the call');
  const abortedAt = Date.now();
  stop.abort(cancelled());
  await hanging;
  const { closedAt } = await logged(server, ({ tool, aborted }) => tool === 'sleep' && aborted, 'the end of the exchange');
  expect(closedAt! - abortedAt).toBeLessThan(200);
  expect(count(await server.requests(), 'notifications/cancelled')).toBe(1);
});

it('closing the manager ends a call that hangs, within 1.5 s, and the session after it', async () => {
  await using server = await startFixture('http-sdk', { ERA: 'legacy' });
  const it = await rig({ url: server.url }, { longLived: true });
  await it.call('echo', { message: 'warm' });
  const hanging = failure(it.call('hang'));
  await logged(server, ({ tool }) => tool === 'hang', 'the call');
  const { ms } = await timed(Promise.resolve(it[Symbol.asyncDispose]()));
  expect(await hanging).toMatchObject({ code: 'CANCELLED', delivered: 'maybe' });
  expect(ms).toBeLessThan(1500);
  const requests = await server.requests();
  expect(count(requests, 'notifications/cancelled')).toBe(1);
  expect(count(requests, 'DELETE')).toBe(1);
});

it('100 calls in parallel that are all cancelled leave no exchange open', async () => {
  await using server = await startFixture('http-sdk', { ERA: 'modern' });
  await using it = await rig({ url: server.url, concurrency: { inFlight: 100 } }, { longLived: true });
  await it.manager.ping('it', never);
  const stop = new AbortController();
  const calls = Array.from({ length: 100 }, () => failure(it.call('hang', {}, { signal: stop.signal })));
  await logged(server, () => true, 'the calls');
  const arrived = async () => (await server.log()).filter(({ tool }) => tool === 'hang');
  while ((await arrived()).length < 100) await new Promise((resolve) => setTimeout(resolve, 20));
  stop.abort(cancelled());
  for (const error of await Promise.all(calls)) expect(error.code).toBe('CANCELLED');
  await logged(server, ({ rpc }) => rpc !== null, 'the log');
  await expect.poll(async () => (await arrived()).filter(({ closedAt }) => closedAt === null).length, { timeout: 2000 }).toBe(0);
});
