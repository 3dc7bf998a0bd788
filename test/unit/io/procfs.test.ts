/** proc(5) stat lines, the odd ones too. */
import { describe, expect, it } from 'vitest';
import { parseStat } from '../../../src/io/procfs.js';

const rest = 'S 1 4242 4242 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 11 0 98765 1000 200';

describe('parseStat', () => {
  it.each(['node', 'a b', 'x) S 9 9 9 (y', '((', ''])('reads a process called "%s"', (name) => {
    expect(parseStat(`4242 (${name}) ${rest}\n`)).toEqual({
      pid: 4242,
      parentPid: 1,
      groupId: 4242,
      state: 'S',
      startTicks: 98765,
    });
  });

  it.each(['', 'nonsense', '12 (x', '12 (x) S 1', 'x (y) S 1 2 3'])('gives null for "%s"', (text) => {
    expect(parseStat(text)).toBeNull();
  });
});
