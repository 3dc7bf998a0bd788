/** What servers print on stdout besides messages, and messages that are wrong: no call may hang or get another one's answer. */
import { describe, expect, it } from 'vitest';
import { failure, session, timed } from '../fixtures/stdio-rig.js';

describe('text on stdout', () => {
  it('10,000 junk lines, JSON logs with the id of the call among them, fail no call and warn once', async () => {
    await using server = await session();
    const [junk, echo] = await Promise.all([server.call('junk', { lines: 10_000 }), server.call('echo', { text: 'beside' })]);
    expect([junk, echo]).toEqual(['ok', 'beside']);
    expect(server.transport.counters.junkLines).toBe(6_666); // the other 3,334 lines were blank
    expect(server.warnings).toHaveLength(1);
    expect(server.warnings[0]).toContain('First: [info] line 1');
  });

  it('a banner before the first message', async () => {
    await using server = await session({ faults: 'banner' });
    expect(await server.call('echo', { text: 'hi' })).toBe('hi');
    expect(server.transport.counters.junkLines).toBe(2);
  });

  it('text glued before a message is cut off', async () => {
    await using server = await session();
    expect(await server.call('glued')).toBe('glued');
  });

  it('two messages and a word on one line are two messages', async () => {
    await using server = await session();
    expect(await server.call('glued-twice')).toBe('second of two');
  });

  it('a garbled answer fails its call within 1 s and no other', async () => {
    await using server = await session();
    const [{ value, ms }, other] = await Promise.all([timed(failure(server.call('broken'))), server.call('sleep', { ms: 700 })]);
    expect(value).toMatchObject({ code: 'PROTOCOL', server: 'fault', delivered: 'maybe' });
    expect(value.message).toContain('garbled answer');
    expect(ms).toBeLessThan(1_000);
    expect(other).toBe('ok');
    expect(server.warnings).toHaveLength(1);
  });

  it('a garbled debug print of an answer does not fail the call when the real answer follows', async () => {
    await using server = await session();
    expect(await server.call('broken-then-real')).toBe('the real one');
    expect(server.transport.counters.brokenLines).toBe(1);
  });

  it('a byte order mark and CR on every line, and invalid UTF-8 as replacement characters', async () => {
    await using server = await session({ faults: 'bom,crlf' });
    expect(await server.call('echo', { text: 'ä' })).toBe('ä');
    expect(await server.call('invalid-utf8')).toBe('a\ufffd\ufffd(b');
    expect(server.transport.counters).toMatchObject({ junkLines: 0, brokenLines: 0 });
  });

  it('an answer written byte by byte', async () => {
    await using server = await session();
    const text = 'é€😀'.repeat(50);
    expect(await server.call('one-byte-writes', { text })).toBe(text);
  });
});

describe('wrong messages', () => {
  it('answers to unknown ids are counted and reach nobody', async () => {
    await using server = await session();
    expect(await server.call('unknown-id')).toBe('ok');
    expect(server.transport.counters.unknownIds).toBe(2);
  });

  it('the second of two answers is counted and dropped', async () => {
    await using server = await session();
    expect(await server.call('duplicate')).toBe('first');
    expect(await server.call('echo', { text: 'next' })).toBe('next');
    expect(server.transport.counters.unknownIds).toBe(1);
  });

  it('an answer later than the patience of the caller is counted and dropped', async () => {
    await using server = await session();
    await expect(server.call('sleep', { ms: 150 }, 50)).rejects.toThrow('timed out');
    await server.call('sleep', { ms: 200 });
    expect(server.transport.counters.unknownIds).toBe(1);
  });

  it('a batch is counted and ignored', async () => {
    await using server = await session();
    expect(await server.call('batch')).toBe('ok');
    expect(server.transport.counters.batches).toBe(1);
    expect(server.warnings[0]).toContain('batches');
  });

  it.each([
    ['string-id', 'string id'],
    ['error-null', 'error is null'],
    ['extra-key', 'extra key'],
  ])('%s: an answer whose meaning is plain is taken', async (tool, text) => {
    await using server = await session();
    expect(await server.call(tool, {}, 1_000)).toBe(text);
  });

  it('an answer with neither result nor error fails its call at once', async () => {
    await using server = await session();
    expect(await failure(server.call('no-result'))).toMatchObject({ code: 'PROTOCOL' });
  });

  it('an error that is only a text fails its call with that text', async () => {
    await using server = await session();
    await expect(server.call('error-text', {}, 1_000)).rejects.toThrow('plain text');
  });

  it('an error without an id fails the only call in flight', async () => {
    await using server = await session();
    await expect(server.call('error-without-id', {}, 1_000)).rejects.toThrow('parse error');
  });

  it('999 levels are accepted; 1,100 levels fail the call and nothing else', async () => {
    await using server = await session();
    const { result } = await new Promise<{ result: unknown }>((resolve) => {
      const own = server.transport.onmessage;
      server.transport.onmessage = (message, extra) => {
        if ('result' in message) resolve(message as { result: unknown });
        own?.(message, extra);
      };
      server.call('deep', { levels: 997 }).catch(() => {}); // not a CallToolResult, which is the SDK's to say
    });
    expect(result).toHaveProperty('x');
    const error = await failure(server.call('deep', { levels: 1_100 }));
    expect(error).toMatchObject({ code: 'PROTOCOL', delivered: 'maybe' });
    expect(error.message).toContain('nested deeper than 1000 levels');
    expect(await server.call('echo', { text: 'alive' })).toBe('alive');
    expect(server.transport.counters.tooDeep).toBe(1);
  });
});
