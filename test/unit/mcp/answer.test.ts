/** Every repaired answer has the shape the SDK accepts. */
import { isJSONRPCErrorResponse, isJSONRPCResultResponse } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { type Answer, wellFormed } from '../../../src/mcp/answer.js';

const answer = (rest: object): Answer => ({ jsonrpc: '2.0', id: 1, ...rest });

describe('wellFormed', () => {
  it.each([
    { result: { a: 1 } },
    { result: { content: [], ttlMs: -1 } },
    { result: { ttlMs: 5, cacheScope: 'public' } },
    { error: { code: -32602, message: 'no' } },
    { error: { code: 1, message: '', data: [1] } },
  ])('hands on %o as it is, without a copy', (rest) => {
    const given = answer(rest);
    expect(wellFormed(given)).toBe(given);
  });

  it.each<[object, object]>([
    [{ result: { a: 1 }, error: null }, { result: { a: 1 } }],
    [{ result: { a: 1 }, took: 5 }, { result: { a: 1 } }],
    [{ result: { a: 1, _meta: null } }, { result: { a: 1 } }],
    [{ result: { tools: [], ttlMs: -1 } }, { result: { tools: [], ttlMs: 0 } }],
    [{ result: { tools: [], ttlMs: 'soon' } }, { result: { tools: [], ttlMs: 0 } }],
    [{ result: { tools: [], ttlMs: 1.5 } }, { result: { tools: [], ttlMs: 1 } }],
    [
      { result: { tools: [], ttlMs: 1e18, cacheScope: 'all' } },
      { result: { tools: [], ttlMs: 2 ** 53 - 1, cacheScope: 'private' } },
    ],
    [{ error: { code: 1, message: 'no' }, result: null }, { error: { code: 1, message: 'no' } }],
    [{ error: { code: '1', message: 'no', data: 7 } }, { error: { code: -32603, message: 'no', data: 7 } }],
    [{ error: { code: 1 } }, { error: { code: 1, message: '{"code":1}' } }],
    [{ error: 'plain' }, { error: { code: -32603, message: 'plain' } }],
  ])('repairs %o to %o', (given, expected) => {
    const repaired = wellFormed(answer(given));
    expect(repaired).toEqual(answer(expected));
    expect(isJSONRPCResultResponse(repaired) || isJSONRPCErrorResponse(repaired)).toBe(true);
  });

  it.each([{}, { result: 'text' }, { result: [1] }, { result: null }, { result: null, error: null }])(
    'has nothing to give for %o',
    (rest) => {
      expect(wellFormed(answer(rest))).toBeNull();
    },
  );
});
