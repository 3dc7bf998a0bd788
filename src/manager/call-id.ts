/** The short name of one call: by it, its lines are found again in outputs, errors and logs. */

import type { Random } from '../core/clock.js';

/** Base32 of RFC 4648, in lower case: no letter is taken for a digit. */
const letters = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * 12 letters, 60 bits of chance: among a million calls of all processes and restarts, the odds that two share a name are one in two
 * million. It is no secret, and could be guessed.
 */
export function newCallId(random: Random): string {
  return half(random) + half(random);
}

/** Half of the bits: a number of `Random` has 52 good ones. */
function half(random: Random): string {
  let bits = Math.floor(random() * 2 ** 30);
  let text = '';
  for (let i = 0; i < 6; i++) {
    text += letters[bits & 31];
    bits >>>= 5;
  }
  return text;
}

export function isCallId(text: string): boolean {
  return /^[a-z2-7]{12}$/.test(text);
}
