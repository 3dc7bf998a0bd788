/** The id of a message of which only the ends are known. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEnvelope } from '../../../src/mcp/message-id.js';

describe('readEnvelope', () => {
  it.each<[string, string, object]>([
    ['{"jsonrpc":"2.0","id":5,"result":{"content":[{"text":"xxx', '', { id: 5, hasMethod: false }],
    ['{"jsonrpc": "2.0", "id": "a\\"b", "result": {', '', { id: 'a"b', hasMethod: false }],
    ['{"jsonrpc":"2.0","id":-3,"error":{"message":"xxx', '', { id: -3, hasMethod: false }],
    ['{"jsonrpc":"2.0","method":"sampling/createMessage","id":9,"params":{', '', { id: 9, hasMethod: true }],
    ['{"jsonrpc":"2.0","method":"notifications/message","params":{"id":4,', '', { hasMethod: true }],
    ['{"jsonrpc":"2.0","result":{"id":4,"x":"', '', { hasMethod: false }],
    ['{"jsonrpc":"2.0","result":{"text":"\\"id\\":4,', '', { hasMethod: false }],
    ['{"result":{"id":1}},"id":2', '', { hasMethod: false }], // the message ended before that
    ['{"jsonrpc":"2.0","id":null,"error":{', '', { hasMethod: false }],
    ['{"jsonrpc":"2.0","id":12', '', { hasMethod: false }], // cut off: may be 123
    ['{"result":{"a":"', 'xxx"},"id":6}', { id: 6, hasMethod: false }],
    ['{"result":{"a":"', 'xxx"}, "id": 6, "jsonrpc": "2.0"}\r', { id: 6, hasMethod: false }],
    ['{"result":{"a":"', 'xxx","id":6}}', { hasMethod: false }], // the id of something inside the result
    ['{"result":{"a":"', 'xxx","id":6},"jsonrpc":"2.0"}', { hasMethod: false }],
    ['{"result":{"a":"', 'xxx \\"id\\":6}"}', { hasMethod: false }],
    ['no message', 'at all', { hasMethod: false }],
    ['', '', { hasMethod: false }],
  ])('%s … %s → %o', (head, tail, expected) => {
    expect(readEnvelope(head, tail)).toEqual(expected);
  });

  it('agrees with JSON.parse for 1,000 random answers, whatever their key order, cut anywhere after the id', () => {
    fc.assert(
      fc.property(fc.integer(), fc.jsonValue(), fc.boolean(), fc.nat(), (id, value, idFirst, cutAt) => {
        const result = { value, id: id + 1, text: `"id":${id + 2},` };
        const text = JSON.stringify(idFirst ? { jsonrpc: '2.0', id, result } : { result, jsonrpc: '2.0', id });
        if (idFirst) {
          const afterId = text.indexOf(',"result"') + 1;
          expect(readEnvelope(text.slice(0, afterId + (cutAt % (text.length - afterId))))).toEqual({ id, hasMethod: false });
        } else {
          expect(readEnvelope(text.slice(0, Math.min(text.length - 20, 60)), text.slice(-20))).toEqual({ id, hasMethod: false });
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
