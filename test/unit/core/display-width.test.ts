/** Columns of text on a terminal, checked against the package string-width, which is too slow to load at every start. */
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../../src/core/display-width.js';

describe('displayWidth', () => {
  it('agrees with string-width on every assigned character of the first three planes', () => {
    const different: string[] = [];
    for (let point = 0x20; point < 0x30000; point++) {
      const character = String.fromCodePoint(point);
      // Unassigned, private, and halves of pairs: nothing a terminal agrees on.
      if (/[\p{Cn}\p{Co}\p{Cs}]/u.test(character)) continue;
      const [own, theirs] = [displayWidth(character), stringWidth(character)];
      if (own !== theirs) different.push(`U+${point.toString(16)}: ${own}, not ${theirs}`);
    }
    expect(different).toEqual([]);
  });

  it.each([
    ['family of three joined by ZWJ', '👩‍👩‍👧', 2],
    ['flag of two letters', '🇩🇪', 2],
    ['skin tone', '👍🏽', 2],
    ['keycap', '1️⃣', 2],
    ['text symbol', '⚠', 1],
    ['the same as emoji', '⚠️', 2],
    ['e with a combining accent', 'e\u0301', 1],
    ['three ideographs', '日本語', 6],
    ['halfwidth kana with its mark', 'ｶﾞ', 2],
    ['Devanagari with a spacing mark', 'नि', 2],
    ['zero-width space between letters', 'a\u200bb', 2],
    ['colour codes', '\x1b[31mred\x1b[0m', 3],
    ['coloured ideographs', '\x1b[1m日本\x1b[0m', 4],
    ['nothing', '', 0],
  ])('counts %s', (_, text, width) => {
    expect(displayWidth(text)).toBe(width);
    expect(stringWidth(text)).toBe(width);
  });
});
