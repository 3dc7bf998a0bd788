/** The forms of Retry-After, sensible and not. */
import { describe, expect, it } from 'vitest';
import { retryAfterMs } from '../../../src/io/retry-after.js';

const now = new Date('2026-01-01T00:00:00Z');
const year = 365 * 24 * 3_600_000;

describe('retryAfterMs', () => {
  it.each([
    ['2', 2000],
    ['0', 0],
    [' 30 ', 30_000],
    ['99999999999999999999999999', year],
    ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
    ['Thursday, 01-Jan-26 00:00:10 GMT', 10_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['Thu, 01 Jan 2126 00:00:00 GMT', year],
    ['-5', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['soon', undefined],
    ['2 weeks', undefined],
    ['Thu, 99 Foo 2026', undefined],
    ['2026-01-01T00:00:10Z', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %j ms', (value, expected) => {
    expect(retryAfterMs(new Headers(value === undefined ? {} : { 'retry-after': value }), now)).toBe(expected);
  });

  it('a date counts from the clock of the server, which may be an hour ahead of ours', () => {
    const headers = new Headers({ 'retry-after': 'Thu, 01 Jan 2026 01:00:05 GMT', date: 'Thu, 01 Jan 2026 01:00:00 GMT' });
    expect(retryAfterMs(headers, now)).toBe(5000);
  });
});
