/** Rows of counts, times from histograms, and the bounds of labels and of the history. */
import { describe, expect, it } from 'vitest';
import { History, slotMs } from '../../../src/observe/history.js';
import {
  addTally,
  column,
  difference,
  failedOf,
  newTally,
  observe,
  outcomeColumn,
  quantileMs,
} from '../../../src/observe/tally.js';
import { ToolLabels } from '../../../src/observe/tool-labels.js';

describe('times from a histogram', () => {
  it('are null without a call, and evenly spread between two bounds: of 4 calls of 15 ms half are below 15 ms', () => {
    const { row } = newTally();
    expect(quantileMs(row, 'call', 0.5)).toBeNull();
    for (let i = 0; i < 4; i++) observe(row, 'call', 15);
    expect(quantileMs(row, 'call', 0.5)).toBeCloseTo(15);
    expect(quantileMs(row, 'call', 1)).toBeCloseTo(20);
    expect(row[column.callMs]).toBe(60);
  });

  it('look for the bucket of the rank: of 98 calls of 1 ms and 2 of 4 s, p95 is 1 ms and p99 is between 2 and 5 s', () => {
    const { row } = newTally();
    for (let i = 0; i < 98; i++) observe(row, 'call', 1);
    for (let i = 0; i < 2; i++) observe(row, 'call', 4000);
    expect(quantileMs(row, 'call', 0.95)).toBeLessThanOrEqual(1);
    expect(quantileMs(row, 'call', 0.99)).toBeCloseTo(3500);
  });

  it('end at 300 s, whatever took longer', () => {
    const { row } = newTally();
    observe(row, 'call', 3_600_000);
    expect(quantileMs(row, 'call', 0.5)).toBe(300_000);
  });
});

describe('outcomes', () => {
  it.each([
    ['ok', 'success'],
    ['tool-error', 'tool'],
    ['TIMEOUT', 'timeout'],
    ['SERVER_EXITED', 'transport'],
    ['TOO_LARGE', 'protocol'],
    ['AUTH_REQUIRED', 'auth'],
    ['CIRCUIT_OPEN', 'circuit_open'],
    ['OVERLOADED', 'overloaded'],
    ['OUTCOME_UNKNOWN', 'outcome_unknown'],
    ['CANCELLED', 'cancelled'],
    ['SERVER_DISABLED', 'other'],
  ] as const)('%s counts as %s', (outcome, name) => {
    expect(outcomeColumn(outcome)).toBe(name);
  });
});

describe('two tallies', () => {
  it('add up, tools included, and their difference is the first one again', () => {
    const [one, two] = [newTally(), newTally()];
    one.row[column.success] = 3;
    one.tools.set('echo', [3, 0]);
    two.row[column.timeout] = 2;
    two.tools.set('echo', [0, 1]).set('add', [0, 1]);
    const sum = newTally();
    addTally(sum, one);
    addTally(sum, two);
    expect([sum.row[column.success], failedOf(sum.row)]).toEqual([3, 2]);
    expect(Object.fromEntries(sum.tools)).toEqual({ echo: [3, 1], add: [0, 1] });
    expect(difference(sum, two)).toEqual(one);
  });
});

describe('labels of tools', () => {
  it('are kept for 200 of 10 000 tools of a server and for 500 of three servers; a removed server makes room', () => {
    const labels = new ToolLabels();
    const of = (server: string) => new Set(Array.from({ length: 10_000 }, (_, i) => labels.labelOf(server, `tool-${i}`)));
    expect(of('a').size).toBe(201);
    expect(of('b').size).toBe(201);
    expect(of('c').size).toBe(101);
    expect(labels.labelOf('a', 'tool-7')).toBe('tool-7');
    expect(labels.labelOf('a', 'tool-7000')).toBe('other');
    labels.forget('a');
    expect(labels.labelOf('c', 'one more')).toBe('one more');
  });

  it('have no control character, and at most 128 characters', () => {
    const labels = new ToolLabels();
    expect(labels.labelOf('a', 'x\u001b[31m\u202e')).not.toMatch(/[\u001b\u202e]/);
    expect(labels.labelOf('a', 'y'.repeat(10_000)).length).toBeLessThanOrEqual(129);
  });

  it('have no secret, also where one would be cut in half, and names that differ in nothing else are one', () => {
    const secrets = ['s3cret-token', `${'long'.repeat(50)}`];
    const labels = new ToolLabels((text) => secrets.reduce((all, secret) => all.replaceAll(secret, '[redacted]'), text));
    expect([...secrets, `get ${secrets[0]}`].map((name) => labels.labelOf('a', name))).toEqual([
      '[redacted]',
      '[redacted]',
      'get [redacted]',
    ]);
  });
});

describe('the history', () => {
  const hour = 3_600_000;
  const start = 500_000 * hour;

  it('adds up what happened between two times, in steps of 30 s', () => {
    const history = new History();
    for (let i = 0; i < 10; i++) history.slot('a', start + i * slotMs)[column.success]! += 1;
    const calls = (from: number, to: number) => history.sum('a', from, to)[column.success];
    expect(calls(start, start + 10 * slotMs)).toBe(10);
    expect(calls(start + 5 * slotMs, start + 10 * slotMs)).toBe(5);
    expect(calls(start + 5 * slotMs + 1, start + 6 * slotMs)).toBe(2);
  });

  it('keeps 24 whole hours, and nothing of the future after the clock was set back', () => {
    const history = new History();
    const all = () => history.sum('a', 0, start * 2)[column.success];
    for (let i = 0; i < 100; i++) history.slot('a', start + i * hour)[column.success]! += 1;
    expect(all()).toBe(25);
    history.slot('a', start)[column.success]! += 1;
    expect(all()).toBe(1);
  });
});
