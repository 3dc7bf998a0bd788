/** Streams and connections that break in the middle of a call, and answers that are none. */
import { describe, expect, it } from 'vitest';
import { count, failure, logged, rig, startFixture, timed } from '../fixtures/http-rig.js';

describe('a broken answer', () => {
  it.each(['end-stream', 'reset-stream', 'cut-json'])(
    '%s fails its call within 300 ms as perhaps delivered, runs once, and leaves a call beside it alone',
    async (tool) => {
      await using server = await startFixture('http-fault');
      await using it = await rig({ url: server.url, type: 'http' }, { longLived: true });
      await it.call('echo', { message: 'warm' });
      const beside = it.call('sleep', { ms: 400 });
      const { value: error, ms } = await timed(failure(it.call(tool)));
      expect(error).toMatchObject({
        code: 'OUTCOME_UNKNOWN',
        server: 'it',
        delivered: 'maybe',
        details: { cause: 'UNAVAILABLE' },
      });
      expect(error.message).toContain(`it/${tool} may or may not have run: Server "it" is unavailable: `);
      expect(ms).toBeLessThan(300);
      expect(await beside).toBe('slept');
      expect(await server.executions(tool)).toBe(1);
      expect(count(await server.requests(), 'initialize')).toBe(1);
      expect(it.status().status).toBe('connected');
    },
  );

  it('a server that dies in the middle fails its calls within 300 ms, each sent once', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    await it.call('echo', { message: 'warm' });
    const waiting = failure(it.call('sleep', { ms: 5000 }));
    await logged(server, ({ tool }) => tool === 'sleep', 'the first call');
    const { value, ms } = await timed(Promise.all([failure(it.call('die')), waiting]));
    expect(value).toMatchObject([
      { code: 'OUTCOME_UNKNOWN', server: 'it', delivered: 'maybe' },
      { code: 'OUTCOME_UNKNOWN', server: 'it', delivered: 'maybe' },
    ]);
    expect(ms).toBeLessThan(300);
  });

  it('a call after the death of the server fails within 300 ms, on a kept socket as perhaps delivered', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    await it.call('echo', { message: 'warm' });
    await server.stop();
    const { value: error, ms } = await timed(failure(it.call('echo')));
    // Whether the end of the socket was noticed before the request was written is a matter of chance.
    const expected = error.delivered === 'no' ? 'UNAVAILABLE' : 'OUTCOME_UNKNOWN';
    expect(error).toMatchObject({ code: expected, server: 'it' });
    expect(ms).toBeLessThan(300);
  });
});

describe('a resumable stream', () => {
  it.each([1, 3])('that breaks %i times is resumed until the answer comes; the call runs once', async (breaks) => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    expect(await it.call('resumable', { breaks })).toBe('resumed');
    const resumes = (await server.log()).filter(({ http, headers }) => http === 'GET' && headers['last-event-id'] === 'e1');
    expect(resumes).toHaveLength(breaks);
    expect(resumes[0]?.headers['mcp-session-id']).toBe('the-session');
    expect(await server.executions('resumable')).toBe(1);
  });
});

describe('an answer that is none', () => {
  it.each([
    ['empty', 'content type'],
    ['accepted', 'without answering'],
    ['html', 'content type'],
    ['not-json', 'not a valid MCP message'],
    ['not-rpc', 'not a valid MCP message'],
    ['other-id', 'without answering'],
  ])('%s fails its call within 300 ms with PROTOCOL', async (tool, words) => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    await it.call('echo', { message: 'warm' });
    const { value: error, ms } = await timed(failure(it.call(tool)));
    expect(error).toMatchObject({ code: 'PROTOCOL', server: 'it', delivered: 'maybe' });
    expect(error.message).toContain('"it"');
    expect(error.message.toLowerCase()).toContain(words.toLowerCase());
    expect(error.message).not.toContain('\u001b');
    expect(ms).toBeLessThan(300);
    expect(await server.executions(tool)).toBe(1);
    expect(await it.call('echo', { message: 'still there' })).toBe('still there');
  });
});

describe('an answer that is too large', () => {
  const mib = 1024 ** 2;

  it.each(['big', 'big-chunked'])('%s: 17 MiB over a limit of 16 MiB fails only that call', async (tool) => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    await it.call('echo', { message: 'warm' });
    const beside = it.call('sleep', { ms: 300 });
    const error = await failure(it.call(tool, { bytes: 17 * mib }));
    expect(error).toMatchObject({ code: 'TOO_LARGE', server: 'it', delivered: 'maybe' });
    expect(error.hint).toContain('maxMessageBytes');
    expect(await beside).toBe('slept');
    expect(await it.call('echo', { message: 'after' })).toBe('after');
    expect(count(await server.requests(), 'initialize')).toBe(1);
  });

  it('15 MiB are delivered', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' });
    expect((await it.call('big', { bytes: 15 * mib })).length).toBe(15 * mib);
  });

  it('an event without an end fails its call with TOO_LARGE at 1 MiB, is not resumed, and its stream is closed', async () => {
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http', maxMessageBytes: mib });
    expect(await failure(it.call('endless-event'))).toMatchObject({ code: 'TOO_LARGE', server: 'it', delivered: 'maybe' });
    await logged(server, ({ tool, aborted }) => tool === 'endless-event' && aborted, 'the stream being closed');
    expect(await it.call('echo', { message: 'after' })).toBe('after');
    expect((await server.log()).some(({ headers }) => 'last-event-id' in headers)).toBe(false);
  });
});
