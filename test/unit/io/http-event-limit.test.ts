/** The limit sees events exactly as an event-stream parser does, however the bytes are cut. */
import { describe, expect, it } from 'vitest';
import { EventLimit } from '../../../src/io/http-event-limit.js';

const accepts = (maxBytes: number, ...chunks: string[]) => {
  const limit = new EventLimit(maxBytes);
  return chunks.every((chunk) => limit.accept(Buffer.from(chunk)));
};

describe('event limit', () => {
  it('accepts an event of exactly 100 bytes and refuses one of 101', () => {
    expect(accepts(100, `data:${'x'.repeat(95)}\n\n`)).toBe(true);
    expect(accepts(100, `data:${'x'.repeat(96)}\n\n`)).toBe(false);
  });

  it.each([
    ['LF', '\n'],
    ['CR LF', '\r\n'],
    ['CR', '\r'],
  ])('lets 1,000 events of 90 bytes pass a limit of 100 with lines that end in %s, cut at every place', (_name, end) => {
    const event = `event: message${end}data: ${'x'.repeat(60)}${end}${end}`;
    for (const size of [1, 2, 7, 64, 1_000]) {
      const text = event.repeat(size === 1 ? 50 : 1_000);
      const limit = new EventLimit(100);
      let refusedAt = -1;
      for (let i = 0; i < text.length && refusedAt < 0; i += size)
        if (!limit.accept(Buffer.from(text.slice(i, i + size)))) refusedAt = i;
      expect(refusedAt).toBe(-1);
    }
  });

  it('counts the lines of one event together: 11 lines of 10 bytes exceed 100', () => {
    expect(accepts(100, ...Array<string>(9).fill('data: xxxx\n'))).toBe(true);
    expect(accepts(100, ...Array<string>(11).fill('data: xxxx\n'))).toBe(false);
  });

  it('counts a CR LF between two lines as one line end, also when a chunk ends in the middle of it', () => {
    expect(
      accepts(
        40,
        ...Array<string>(10)
          .fill('data: xxxx\r')
          .flatMap((line) => [line, '\n']),
      ),
    ).toBe(false);
    expect(accepts(40, 'data: xxxx\r', '\n', '\r', '\n', 'data: xxxx\r', '\n', `data: ${'x'.repeat(20)}`)).toBe(true);
  });

  it('refuses a line that never ends as soon as it passes the limit', () => {
    const limit = new EventLimit(100);
    expect(limit.accept(Buffer.from('x'.repeat(100)))).toBe(true);
    expect(limit.accept(Buffer.from('x'))).toBe(false);
  });

  it('lets keep-alive comments go on for ever, but not one comment without end', () => {
    expect(accepts(100, ...Array<string>(1_000).fill(': keep-alive\n'))).toBe(true);
    expect(accepts(100, `:${'x'.repeat(100)}`)).toBe(false);
  });
});
