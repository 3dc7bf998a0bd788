/** Sessions that servers forget: one new session, every call executed once; and no call fails because another one did. */
import { describe, expect, it } from 'vitest';
import { count, failure, logged, rig, startFixture } from '../fixtures/http-rig.js';

const fifty = Array.from({ length: 50 }, (_, i) => `call ${i}`);

describe.each([
  { longLived: true, run: 'a long-lived manager' },
  { longLived: false, run: 'a one-shot' },
])('$run', ({ longLived }) => {
  it.each([404, 400])(
    'opens exactly 1 new session for 50 parallel calls on a forgotten one (HTTP %i), and each call runs exactly once',
    async (badSession) => {
      await using server = await startFixture('http-sdk', { ERA: 'legacy' });
      await server.do({ badSession });
      await using it = await rig({ url: server.url }, { longLived });
      expect(await it.call('echo', { message: 'first' })).toBe('first');
      await server.do({ forget: true });
      const answers = await Promise.all(fifty.map((message) => it.call('echo', { message })));
      expect(answers).toEqual(fifty);
      expect(count(await server.requests(), 'initialize')).toBe(2);
      expect(await server.executions('echo')).toBe(51);
    },
  );

  it('a call that runs while the session is forgotten is neither cut off nor repeated', async () => {
    await using server = await startFixture('http-sdk', { ERA: 'legacy' });
    await using it = await rig({ url: server.url }, { longLived });
    await it.call('echo', { message: 'first' });
    const slow = it.call('sleep', { ms: 400 });
    await logged(server, ({ tool }) => tool === 'sleep', 'the slow call');
    await server.do({ forget: true });
    expect(await it.call('echo', { message: 'second' })).toBe('second');
    expect(await slow).toBe('slept');
    expect(await server.executions('sleep')).toBe(1);
    expect(await server.executions('echo')).toBe(2);
    expect(count(await server.requests(), 'initialize')).toBe(2);
  });

  it('a server that forgets every session at once fails the call after 2 sessions, not in a loop', async () => {
    await using server = await startFixture('http-fault', {
      STATUS: '404',
      FAULT_AT: 'tools/call',
    });
    await using it = await rig({ url: server.url, type: 'http' }, { longLived });
    const error = await failure(it.call('echo'));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', server: 'it', delivered: 'no' });
    expect(error.message).toBe('Server "it" has forgotten the session');
    const requests = await server.requests();
    expect(count(requests, 'tools/call')).toBe(2);
    expect(count(requests, 'initialize')).toBeLessThanOrEqual(longLived ? 3 : 2);
  });
});

it('a long-lived manager finds a session that was lost while idle by its next call, without an error in between', async () => {
  await using server = await startFixture('http-sdk', { ERA: 'legacy' });
  await using it = await rig({ url: server.url }, { longLived: true });
  await it.connect();
  await server.do({ forget: true });
  expect(await it.call('echo', { message: 'hi' })).toBe('hi');
  const states = it.events.flatMap((event) => (event.type === 'server-state' ? [event.to] : []));
  expect(states).not.toContain('error');
  expect(it.status()).toMatchObject({ status: 'connected', attempt: 0 });
});

it('a session that the server lost is not ended with DELETE, the one that lives is: 2 sessions, 1 DELETE', async () => {
  await using server = await startFixture('http-sdk', { ERA: 'legacy' });
  {
    await using it = await rig({ url: server.url });
    await it.call('echo', { message: 'a' });
    await server.do({ forget: true });
    await it.call('echo', { message: 'b' });
  }
  expect(count(await server.requests(), 'DELETE')).toBe(1);
});
