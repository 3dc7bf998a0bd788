/** What a server's text may not do to a terminal, and what JSON must not lose. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sanitizeData, sanitizeLine, sanitizeText, toSafeJson } from '../../../src/core/sanitize.js';

const cases: readonly (readonly [string, string, string])[] = [
  ['clear screen', 'a\x1b[2Jb', 'ab'],
  ['cursor home', 'a\x1b[H\x1b[1;1Hb', 'ab'],
  ['colour', '\x1b[31mred\x1b[0m', 'red'],
  ['private mode', '\x1b[?1049hx\x1b[?25l', 'x'],
  ['8-bit CSI', 'a\x9b2Jb', 'ab'],
  ['clipboard (OSC 52, BEL)', 'a\x1b]52;c;ZXZpbA==\x07b', 'ab'],
  ['clipboard (OSC 52, ST)', 'a\x1b]52;c;ZXZpbA==\x1b\\b', 'ab'],
  ['hyperlink (OSC 8)', '\x1b]8;;http://evil/\x07text\x1b]8;;\x07', 'text'],
  ['title (8-bit OSC)', 'a\x9d0;title\x9cb', 'ab'],
  ['unterminated OSC swallows its own line only', 'a\x1b]0;never ends\nnext', 'a\nnext'],
  ['DCS', 'a\x1bP1;2|data\x1b\\b', 'ab'],
  ['APC and PM', '\x1b_secret\x1b\\x\x1b^pm\x1b\\y', 'xy'],
  ['two-character escapes', 'a\x1bcb\x1b7c\x1b=d', 'abcd'],
  ['charset selection', 'a\x1b(0b', 'ab'],
  ['lone escape at the end', 'a\x1b', 'a'],
  ['carriage return overwrite', 'good\rEVIL', 'goodEVIL'],
  ['CRLF is a newline', 'a\r\nb', 'a\nb'],
  ['backspace and bell', 'a\b\x07b', 'ab'],
  ['NUL and DEL', 'a\0b\x7fc', 'abc'],
  ['tab and newline stay', 'a\tb\nc', 'a\tb\nc'],
  ['bidi override', 'a\u202eb', 'a<U+202E>b'],
  ['isolates', '\u2066x\u2069', '<U+2066>x<U+2069>'],
  ['zero width', 'pay\u200bpal', 'pay<U+200B>pal'],
  ['byte order mark', '\ufeffx', '<U+FEFF>x'],
  ['tags block', 'x\u{e0041}y', 'x<U+E0041>y'],
  ['soft hyphen', 'a\u00adb', 'a<U+00AD>b'],
  ['line separator', 'a\u2028b', 'a<U+2028>b'],
  ['ordinary text of many scripts', 'Grüße 日本語 עברית 🙂', 'Grüße 日本語 עברית 🙂'],
];

describe('sanitizeText', () => {
  it.each(cases)('%s', (_, raw, safe) => expect(sanitizeText(raw)).toBe(safe));

  it('leaves no escape, control or hidden character in 2000 random texts', () => {
    const nasty = fc.array(
      fc.oneof(
        fc.constantFrom('\x1b', '\x9b', '\x9d', ']', '[', '\x07', ';', '\r', '\n', '\u202e', '\u{e0041}', 'a', '0'),
        fc.string({ unit: 'binary' }),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(nasty, (parts) => {
        const safe = sanitizeText(parts.join(''));
        return (
          !/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(safe) &&
          !/[\u{e0000}-\u{e007f}]/u.test(safe)
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('takes time linear in the length: 1 MB of unfinished sequences does not stall', () => {
    const hostile = '\x1b]'.repeat(500_000);
    expect(sanitizeText(hostile)).toBe('');
    expect(sanitizeText('\x1b['.repeat(500_000))).toBe('');
  });
});

describe('sanitizeLine', () => {
  it('is one line of at most 20 characters when asked for 20', () => {
    expect(sanitizeLine('a\nb\tc')).toBe('a b c');
    expect(sanitizeLine('x'.repeat(100), 20)).toHaveLength(20);
  });
});

describe('sanitizeData', () => {
  it('reaches every string and every key, and does not fall for __proto__', () => {
    const data = sanitizeData(JSON.parse('{"\\u001b[2Jkey":["\\u001b[31mx"],"__proto__":{"polluted":true},"n":1,"z":null}'));
    expect(JSON.stringify(data)).toBe('{"key":["x"],"__proto__":{"polluted":true},"n":1,"z":null}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('toSafeJson', () => {
  it('holds no unsafe character and gives every value back, for 1000 random values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.constantFrom(0, 2), (value, text, indent) => {
        const document = { value, text: `${text}\x9b\u202e\u{e0041}` };
        const json = toSafeJson(document, indent);
        if (/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]|\udb40/.test(json)) return false;
        return JSON.stringify(JSON.parse(json)) === JSON.stringify(document);
      }),
      { numRuns: 1000 },
    );
  });
});
