/** Chance made certain: a `Random` that gives the listed numbers and repeats the last. */
import type { Random } from '../../src/core/clock.js';

/** `fakeRandom(0, 0.5)` gives 0, 0.5, 0.5, … */
export function fakeRandom(...values: readonly [number, ...number[]]): Random {
  for (const value of values) if (!(value >= 0 && value < 1)) throw new RangeError(`fakeRandom: ${value} is not in [0, 1)`);
  let index = 0;
  return () => values[Math.min(index++, values.length - 1)]!;
}
