/** Words of a command line: quoting as in sh, no expansion, hostile lines included. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openWord, quoteWord, splitWords, tokenize } from '../../../src/cli/tokenize.js';
import { McpctlError } from '../../../src/core/errors.js';

function errorOf(line: string): McpctlError {
  try {
    tokenize(line);
  } catch (error) {
    if (error instanceof McpctlError) return error;
    throw error;
  }
  throw new Error(`no error for ${line}`);
}

describe('tokenize', () => {
  it.each([
    ['', []],
    ['   \t ', []],
    ['status', ['status']],
    ['  call   a/b\tx=1  ', ['call', 'a/b', 'x=1']],
    ['status\r', ['status']],
    ['title="Bug report"', ['title=Bug report']],
    [`labels:='["p1"]'`, ['labels:=["p1"]']],
    ['a"b"\'c\'d', ['abcd']],
    ['""', ['']],
    ["x ''", ['x', '']],
    ['a\\ b', ['a b']],
    ['\\# a\\#b c#d', ['#', 'a#b', 'c#d']],
    ['"\\"\\\\\\$\\`"', ['"\\$`']],
    ['"\\n\\x"', ['\\n\\x']],
    ["'\\n $HOME `id`'", ['\\n $HOME `id`']],
    ['$HOME *.txt ~ {a,b} $(id) `id` | > & ;', ['$HOME', '*.txt', '~', '{a,b}', '$(id)', '`id`', '|', '>', '&', ';']],
    ['# all of it', []],
    ['status # rest "is not read', ['status']],
    ['"#" \'#\'', ['#', '#']],
    ['日本 \u{1f600}="\u{1f469}\u200d\u{1f467}"', ['日本', '\u{1f600}=\u{1f469}\u200d\u{1f467}']],
    ['a\u00a0b', ['a\u00a0b']],
    ['a\0b', ['a\0b']],
    ['__proto__ constructor', ['__proto__', 'constructor']],
  ])('splits %j into %j', (line, words) => {
    expect(tokenize(line)).toEqual(words);
  });

  it.each([
    ['call a "b', '"', 8],
    ["it's", "'", 3],
    ['"a\\"', '"', 1],
    [`'a' "b' c`, '"', 5],
  ])('refuses %j: the quote %s in column %d is not closed', (line, quote, column) => {
    const error = errorOf(line);
    expect(error).toMatchObject({ code: 'USAGE', details: { column } });
    expect(error.message).toContain(`${quote} in column ${column}`);
    expect(error.hint).toBeTruthy();
  });

  it('refuses a backslash at the end of a line, naming its column', () => {
    expect(errorOf('call a\\')).toMatchObject({ code: 'USAGE', details: { column: 7 } });
  });

  it('says where each word stands, also of a line that is not finished', () => {
    const { words, unfinished } = splitWords(`call 'a b'/c "d`);
    expect(words.map(({ text, start, end, openedWith }) => [text, start, end, openedWith])).toEqual([
      ['call', 0, 4, undefined],
      ['a b/c', 5, 12, "'"],
      ['d', 13, 15, '"'],
    ]);
    expect(unfinished).toEqual({ by: '"', at: 13 });
  });

  it('reads back every word that it quoted itself, whatever the 500 words are', () => {
    const words = fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 });
    fc.assert(
      fc.property(words, fc.constantFrom(undefined, "'" as const, '"' as const), (wanted, quote) => {
        expect(tokenize(wanted.map((word) => quoteWord(word, quote)).join(' '))).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });

  it('opens a word so that closing its quote completes it', () => {
    expect(openWord('my server/')).toBe('"my server/');
    expect(tokenize(`${openWord('my "server"/')}"`)).toEqual(['my "server"/']);
    expect(tokenize(`${openWord("it's", "'")}'`)).toEqual(["it's"]);
    expect(openWord('plain/')).toBe('plain/');
  });

  it('needs time in proportion to the line: 4 MB of quotes, backslashes or letters in one pass each', () => {
    // A quadratic splitter would need hours for these.
    expect(tokenize('""'.repeat(2_000_000))).toEqual(['']);
    expect(tokenize('\\a'.repeat(2_000_000))[0]).toHaveLength(2_000_000);
    expect(tokenize(`"${'\\"'.repeat(2_000_000)}"`)[0]).toHaveLength(2_000_000);
    expect(tokenize('a '.repeat(1_000_000))).toHaveLength(1_000_000);
  });
});
