/** Chance that can be repeated: the same seed gives the same numbers in the same order. */
import type { Random } from '../../src/core/clock.js';

export interface Chance {
  readonly next: Random;
  /** A whole number from `min` to `max`, both possible. */
  between(min: number, max: number): number;
  pick<T>(from: readonly T[]): T;
  /** True in `share` of all cases. */
  happens(share: number): boolean;
}

/** @param seed a whole number of 32 bits */
export function seededChance(seed: number): Chance {
  const next = seededRandom(seed);
  const between = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return { next, between, pick: (from) => from[between(0, from.length - 1)]!, happens: (share) => next() < share };
}

/** The generator mulberry32 (public domain): 32 bits of state, good enough to choose faults. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
