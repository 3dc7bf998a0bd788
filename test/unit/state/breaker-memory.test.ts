/** Which memory of a breaker counts when two processes wrote one, and what is not believed of a file. */
import { describe, expect, it } from 'vitest';
import { type BreakerMemory, isBreakerMemories, newerBreakers } from '../../../src/state/breaker-memory.js';

const now = 1_000_000;
const memory = (some: Partial<BreakerMemory> = {}): BreakerMemory => ({
  state: 'closed',
  since: 0,
  at: 0,
  until: null,
  cause: 'request',
  failures: 0,
  openings: 0,
  successes: 0,
  window: [],
  rejected: 0,
  lastFailureAt: null,
  lastSuccessAt: null,
  ...some,
});
const opening = memory({ state: 'open', since: 500, at: 500, until: 30_500 });

describe('newerBreakers', () => {
  const newer = (found: BreakerMemory, ours: BreakerMemory) => newerBreakers({ '': found }, { '': ours }, now)!['']!;

  it.each([
    ['an opening on disk, not later counts of one that never changed', opening, memory({ at: 900, failures: 1 }), 'found'],
    ['a closing after the opening', opening, memory({ since: 600 }), 'ours'],
    ['an opening after the closing', memory({ since: 600 }), { ...opening, since: 700 }, 'ours'],
    ['the opening, when both changed in the same millisecond', opening, memory({ since: 500, at: 900 }), 'found'],
    ['the later counts of the same state', memory({ at: 3, failures: 3 }), memory({ at: 2, failures: 1 }), 'found'],
    ['our counts, when they are as late', memory({ at: 2, failures: 3 }), memory({ at: 2, failures: 1 }), 'ours'],
    ['ours, when the one on disk comes from the future', memory({ since: now + 1 }), opening, 'ours'],
  ] as const)('keeps %s', (_, found, ours, expected) => {
    expect(newer(found, ours)).toBe(expected === 'found' ? found : ours);
  });

  it('keeps breakers that only one of the two knows, and either side when the other knows none', () => {
    expect(newerBreakers({ a: opening }, { b: memory() }, now)).toEqual({ a: opening, b: memory() });
    expect(newerBreakers(undefined, { a: opening }, now)).toEqual({ a: opening });
    expect(newerBreakers({ a: opening }, undefined, now)).toEqual({ a: opening });
    expect(newerBreakers(undefined, undefined, now)).toBeUndefined();
  });
});

describe('isBreakerMemories', () => {
  it('believes what was written', () => {
    expect(isBreakerMemories({ '': opening, search: memory({ window: [{ at: 1, ok: 2, failed: 3 }] }) })).toBe(true);
  });

  it.each([
    ['no object', []],
    ['a state that there is not', { '': { ...opening, state: 'ajar' } }],
    ['a time that no date can hold', { '': { ...opening, until: 1e300 } }],
    ['a negative count', { '': { ...opening, failures: -1 } }],
    ['a count that is text', { '': { ...opening, rejected: '3' } }],
    ['a window of 101 slices', { '': { ...opening, window: Array(101).fill({ at: 1, ok: 1, failed: 1 }) } }],
    ['a slice without counts', { '': { ...opening, window: [{ at: 1 }] } }],
    ['a missing field', { '': { ...opening, cause: undefined } }],
  ])('does not believe %s', (_, value) => {
    expect(isBreakerMemories(value)).toBe(false);
  });
});
