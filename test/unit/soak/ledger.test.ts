/** The soak's ledger sees what must not happen: each violation is told with its call, and what is allowed is not. */
import { describe, expect, it } from 'vitest';
import { Ledger } from '../../soak/ledger.js';

const ended = (outcome: string, more: { server?: string; delivered?: string } = {}) =>
  ({ type: 'end', id: 1, key: 'c1', server: 'a', tool: 'record', ms: 5, outcome, ...more }) as const;

describe('Ledger', () => {
  it('allows 1 execution of a call, and 3 of one of a trusted server', () => {
    const ledger = new Ledger(new Set(['trusted']));
    ledger.executed(['a c1', 'trusted c2', 'trusted c2', 'trusted c2']);
    ledger.hear(ended('ok'));
    ledger.executed([]);
    expect(ledger.violations).toEqual([]);
    expect(ledger.executions).toBe(2);
  });

  it('tells of a second execution, and of a fourth of a trusted server', () => {
    const ledger = new Ledger(new Set(['trusted']));
    ledger.executed(['a c1', 'a c1', ...Array<string>(4).fill('trusted c2')]);
    expect(ledger.violations).toEqual(['I3: a ran c1 2 times', 'I3: trusted ran c2 4 times']);
  });

  it.each([
    ['before', true],
    ['after', false],
  ])('tells of a call that ran though its caller was told that it did not, the execution known %s the error', (_, isKnown) => {
    const ledger = new Ledger(new Set());
    if (isKnown) ledger.executed(['a c1']);
    ledger.hear(ended('UNAVAILABLE', { delivered: 'no' }));
    if (!isKnown) ledger.executed(['a c1']);
    expect(ledger.violations).toEqual([expect.stringMatching(/^I3: a.* ran.* and the caller is told that it did not$/)]);
  });

  it('tells of an answer to a call that never ran', () => {
    const ledger = new Ledger(new Set());
    ledger.hear(ended('ok'));
    ledger.executed([]);
    expect(ledger.violations).toEqual(['I3: a/record c1 was answered and never ran']);
  });

  it('measures growth of the heap between the medians of the first and last third, so that one peak counts for nothing', () => {
    const ledger = new Ledger(new Set());
    for (const heapBytes of [10, 11, 99, 12, 12, 12, 14, 15, 99]) ledger.hear({ type: 'memory', heapBytes, rssBytes: 0 });
    expect(ledger.heapGrowth()).toBe(15 - 11);
  });

  it('keeps the last 400 lines up to a violation for the one who reads them', () => {
    const ledger = new Ledger(new Set());
    for (let i = 0; i < 1_000; i++) ledger.note(`line ${i}`);
    ledger.violate('I2', 'a mix-up');
    const lines = ledger.history().split('\n');
    expect(lines).toHaveLength(400);
    expect(lines.at(-1)).toMatch(/ {2}!!! I2: a mix-up$/);
  });
});
