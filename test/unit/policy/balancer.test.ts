/** Every way to choose an endpoint, and what holds for all of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Balance } from '../../../src/config/schema.js';
import { Balancer, type Candidate } from '../../../src/policy/balancer.js';
import { EndpointHealth } from '../../../src/policy/endpoint-health.js';
import { FakeClock } from '../../support/fake-clock.js';

const balances: readonly Balance[] = [
  'round-robin',
  'least-connections',
  'weighted',
  'health',
  'response-time',
  'random',
  'priority',
];

const endpoint = (id: string, more: Partial<Candidate> = {}): Candidate => ({
  id,
  weight: 1,
  inFlight: 0,
  score: 1,
  latencyMs: null,
  isEjected: false,
  isClosed: false,
  ...more,
});

/** The same series of numbers every time, evenly spread. */
function evenly(): () => number {
  let n = 0;
  return () => (n = (n + 0.381_966) % 1);
}

function picks(balance: Balance, candidates: readonly Candidate[], count: number): string {
  const balancer = new Balancer(balance, evenly());
  return Array.from({ length: count }, () => balancer.pick(candidates)?.id ?? '-').join('');
}

const shareOf = (id: string, text: string) => [...text].filter((letter) => letter === id).length / text.length;

describe('the choice', () => {
  it('round-robin takes each in turn', () =>
    expect(picks('round-robin', [endpoint('a'), endpoint('b'), endpoint('c')], 7)).toBe('abcabca'));

  it('weighted gives 3 of 4 calls to the one with three times the weight, spread out', () =>
    expect(picks('weighted', [endpoint('a', { weight: 3 }), endpoint('b')], 8)).toBe('aabaaaba'));

  it('least-connections takes the one with the fewest calls, a heavier one with twice as many', () => {
    expect(picks('least-connections', [endpoint('a', { inFlight: 2 }), endpoint('b', { inFlight: 1 })], 3)).toBe('bbb');
    expect(picks('least-connections', [endpoint('a', { inFlight: 4, weight: 4 }), endpoint('b', { inFlight: 1 })], 1)).toBe('a');
  });

  it('response-time takes the fastest for what it has to do, and one that nobody knows first', () => {
    const fast = endpoint('a', { latencyMs: 10 });
    const slow = endpoint('b', { latencyMs: 50 });
    expect(picks('response-time', [slow, fast], 2)).toBe('aa');
    expect(picks('response-time', [slow, { ...fast, inFlight: 9 }], 2)).toBe('bb');
    expect(picks('response-time', [slow, fast, endpoint('c')], 1)).toBe('c');
  });

  it('health asks one at 0.5 a quarter as often as one at 1', () => {
    const text = picks('health', [endpoint('a'), endpoint('b', { score: 0.5 })], 1000);
    expect(shareOf('b', text)).toBeCloseTo(0.2, 1);
  });

  it('random asks each about as often as the others', () => {
    const text = picks('random', [endpoint('a'), endpoint('b'), endpoint('c'), endpoint('d')], 1000);
    for (const id of 'abcd') expect(shareOf(id, text)).toBeCloseTo(0.25, 1);
  });

  it('priority asks the first that can be asked', () => {
    expect(picks('priority', [endpoint('a', { isClosed: true }), endpoint('b'), endpoint('c')], 3)).toBe('bbb');
  });

  it('equal ones take turns, whatever the rule', () => {
    const all = [endpoint('a', { latencyMs: 5 }), endpoint('b', { latencyMs: 5 })];
    for (const balance of ['least-connections', 'response-time'] as const) expect(picks(balance, all, 4)).toBe('abab');
  });
});

describe.each(balances)('%s', (balance) => {
  it('never asks one that is closed, or was asked for this call', () => {
    const balancer = new Balancer(balance, evenly());
    const all = [endpoint('a', { isClosed: true }), endpoint('b'), endpoint('c')];
    for (let i = 0; i < 20; i++) expect(balancer.pick(all, new Set(['b']))?.id).toBe('c');
    expect(balancer.pick(all, new Set(['b', 'c']))).toBeUndefined();
    expect(balancer.pick([])).toBeUndefined();
  });

  it('leaves out one that fails too often, and asks it when it is the last', () => {
    const balancer = new Balancer(balance, evenly());
    const bad = endpoint('a', { isEjected: true, score: 0.2 });
    const worse = endpoint('b', { isEjected: true, score: 0.1 });
    for (let i = 0; i < 20; i++) expect(balancer.pick([bad, endpoint('c')])?.id).toBe('c');
    expect(balancer.pick([bad, { ...endpoint('c'), isClosed: true }])?.id).toBe('a');
    // Of several that are left out the best one.
    expect(balancer.pick([worse, bad])?.id).toBe('a');
  });

  it('asks one of weight 0 only when no other is left', () => {
    const balancer = new Balancer(balance, evenly());
    const spare = endpoint('z', { weight: 0 });
    for (let i = 0; i < 20; i++) expect(balancer.pick([spare, endpoint('a')])?.id).toBe('a');
    expect(balancer.pick([spare, endpoint('a', { isClosed: true })])?.id).toBe('z');
  });

  it('picks one of those that may be asked, in 500 random situations', () => {
    const candidate = fc.record({
      weight: fc.integer({ min: 0, max: 5 }),
      inFlight: fc.integer({ min: 0, max: 9 }),
      score: fc.double({ min: 0, max: 1, noNaN: true }),
      latencyMs: fc.option(fc.integer({ min: 0, max: 500 })),
      isEjected: fc.boolean(),
      isClosed: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(candidate, { maxLength: 6 }),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (list, chance) => {
          const all = list.map((fields, index) => endpoint(String(index), fields));
          const balancer = new Balancer(balance, () => chance.next().value as number);
          const open = all.filter(({ isClosed }) => !isClosed);
          const picked = balancer.pick(all);
          if (open.length === 0) expect(picked).toBeUndefined();
          else expect(open).toContain(picked);
        },
      ),
      { numRuns: 500 },
    );
  });
});

it('weighted is fair: after any number of calls nobody is further from its share than there are endpoints, for 300 sets of weights', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 }),
      fc.integer({ min: 1, max: 200 }),
      (weights, calls) => {
        const balancer = new Balancer('weighted', () => 0);
        const all = weights.map((weight, index) => endpoint(String(index), { weight }));
        const given = weights.map(() => 0);
        for (let i = 0; i < calls; i++) given[Number(balancer.pick(all)!.id)]!++;
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const [index, weight] of weights.entries())
          expect(Math.abs(given[index]! - (calls * weight) / total)).toBeLessThan(weights.length);
      },
    ),
    { numRuns: 300 },
  );
});

describe('an endpoint that had a bad time', () => {
  it('is left out after 3 failures in a row for 8 s, after 5 for 28 s', async () => {
    for (const [failures, outMs] of [
      [3, 8000],
      [5, 28_000],
    ] as const) {
      const clock = new FakeClock();
      const health = new EndpointHealth(clock);
      for (let i = 0; i < failures; i++) {
        expect(health.isEjected).toBe(i >= 3);
        health.failed(clock.now());
      }
      expect(health.isEjected).toBe(true);
      await clock.advance(outMs - 1000);
      expect(health.isEjected).toBe(true);
      await clock.advance(2000);
      expect(health.isEjected).toBe(false);
    }
  });

  it('counts 10 calls that one end took along as 1 failure, and the next call that fails as another', async () => {
    const clock = new FakeClock();
    const health = new EndpointHealth(clock);
    const startedAt = clock.now();
    await clock.advance(5);
    for (let i = 0; i < 10; i++) health.failed(startedAt + (i % 5));
    expect(health.score).toBeCloseTo(0.7);
    health.failed(clock.now());
    expect(health.score).toBeCloseTo(0.49);
  });

  it('gets back its part bit by bit: a success gives back a fifth of what is missing', () => {
    const health = new EndpointHealth(new FakeClock());
    for (let i = 0; i < 10; i++) health.failed(0);
    for (let i = 0; i < 20; i++) health.succeeded(10);
    expect(health.score).toBeGreaterThan(0.98);
    const all = [endpoint('a'), endpoint('b', { score: 0.6 })];
    const text = picks('round-robin', all, 1000);
    // Half of the calls of a full member, in 60 % of the cases.
    expect(shareOf('b', text)).toBeGreaterThan(0.2);
    expect(shareOf('b', text)).toBeLessThan(0.45);
  });

  it('knows its time as a mean in which the last call weighs a fifth', () => {
    const health = new EndpointHealth(new FakeClock());
    expect(health.latencyMs).toBeNull();
    health.succeeded(100);
    health.succeeded(50);
    expect(health.latencyMs).toBe(90);
  });
});
