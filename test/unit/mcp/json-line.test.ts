/** One line → a message, several, or the reason why it is none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLine } from '../../../src/mcp/json-line.js';

const message = { jsonrpc: '2.0', id: 1, result: { text: 'a{"jsonrpc"b' } };
const json = JSON.stringify(message);

describe('decodeLine', () => {
  it.each([
    ['as it is', json],
    ['with CR', `${json}\r`],
    ['with blanks', ` \t${json} `],
    ['with a byte order mark', `\ufeff${json}`],
    ['with a byte order mark and a key order of its own', '\ufeff {"id":1,"jsonrpc":"2.0","result":{"text":"a{\\"jsonrpc\\"b"}}'],
    ['glued to a log text', `[info] ready${json}`],
    ['glued to a log text with a bracket', `{"level":1}${json}`],
    ['followed by a word', `${json} done`],
    ['between words', `a${json}b`],
  ])('reads a message %s', (_, line) => {
    expect(decodeLine(line)).toEqual(message);
  });

  it('reads 2 and 3 messages on one line in their order', () => {
    const other = { jsonrpc: '2.0', method: 'notifications/x' };
    expect(decodeLine(json + JSON.stringify(other))).toEqual([message, other]);
    expect(decodeLine(`x${JSON.stringify(other)} ${json}${JSON.stringify(other)}`)).toEqual([other, message, other]);
  });

  it.each([
    ['', 'blank'],
    [' \r', 'blank'],
    ['\ufeff', 'blank'],
    ['Server listening', 'junk'],
    ['{not json}', 'junk'],
    ['[info] x', 'junk'],
    ['42', 'junk'],
    ['"text"', 'junk'],
    ['null', 'junk'],
    ['{"level":30,"id":1,"msg":"x"}', 'invalid'],
    ['{"jsonrpc":"1.0","id":1,"result":{}}', 'invalid'],
    [`[${json}]`, 'batch'],
    ['[]', 'batch'],
    [json.slice(0, -1), 'broken'],
    [`log: ${json.slice(0, 20)}`, 'broken'],
  ])('says of %s that it is %s', (line, kind) => {
    expect(decodeLine(line)).toBe(kind);
  });

  it('accepts 1,000 levels and refuses 1,001, of arrays and of objects', () => {
    const arrays = (levels: number) => `{"jsonrpc":"2.0","id":1,"result":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const objects = (levels: number) => `{"jsonrpc":"2.0","id":1,"result":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`;
    for (const nested of [arrays, objects]) {
      expect(decodeLine(nested(999))).toBeTypeOf('object');
      expect(decodeLine(nested(1_000))).toBe('too-deep');
      expect(decodeLine(nested(200_000))).toBe('too-deep');
    }
  });

  it('never throws and never invents a message, for 2,000 random texts', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string().map((text) => text + json.slice(0, text.length)),
        ),
        (line) => {
          const found = decodeLine(line);
          if (typeof found === 'string') return;
          for (const each of Array.isArray(found) ? found : [found]) expect(each).toHaveProperty('jsonrpc', '2.0');
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
