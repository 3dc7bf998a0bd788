/** The names of calls: their form, and that they differ. */
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/core/clock.js';
import { isCallId, newCallId } from '../../../src/manager/call-id.js';
import { fakeRandom } from '../../support/fake-random.js';

describe('newCallId', () => {
  it('makes 12 letters of two numbers of chance, from the lowest to the highest', () => {
    expect(newCallId(fakeRandom(0))).toBe('aaaaaaaaaaaa');
    expect(newCallId(fakeRandom(1 - 2 ** -53))).toBe('777777777777');
    expect(newCallId(fakeRandom(0, 0.5))).toBe('aaaaaaaaaaaq');
  });

  it('makes 100 000 names without making one twice', () => {
    const names = new Set(Array.from({ length: 100_000 }, () => newCallId(systemRandom)));
    expect(names.size).toBe(100_000);
    expect([...names].every(isCallId)).toBe(true);
  });

  it.each(['', 'aaaaaaaaaaa', 'aaaaaaaaaaaaa', 'AAAAAAAAAAAA', 'aaaaaaaaaaa1', 'aaaaaa aaaaa'])('is not %j', (text) => {
    expect(isCallId(text)).toBe(false);
  });
});
