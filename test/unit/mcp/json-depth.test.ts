/** Messages nested too deeply fail their call, on every transport, and nothing else. */
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { isShallow, withinDepth } from '../../../src/mcp/json-depth.js';

const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as object;

describe('isShallow', () => {
  it('takes 1000 levels and refuses 1001, and does not overflow at 1,000,000', () => {
    expect(isShallow(nested(1000))).toBe(true);
    expect(isShallow(nested(1001))).toBe(false);
    expect(isShallow(nested(1_000_000))).toBe(false);
  });
});

describe('withinDepth', () => {
  it('passes a message of ordinary depth on as the very same object', () => {
    const message = { jsonrpc: '2.0', id: 1, result: { a: nested(900) } } as const;
    expect(withinDepth(message, 'x')).toBe(message);
  });

  it('turns an answer that is too deep into the failure of its call: PROTOCOL, may have run', () => {
    const failure = withinDepth({ jsonrpc: '2.0', id: 7, result: { a: nested(2000) } }, 'x') as {
      id: number;
      error: { data: unknown };
    };
    expect(failure.id).toBe(7);
    expect(failure.error.data).toBeInstanceOf(McpctlError);
    expect(failure.error.data).toMatchObject({ code: 'PROTOCOL', server: 'x', delivered: 'maybe' });
  });

  it('drops a notification that is too deep', () => {
    expect(withinDepth({ jsonrpc: '2.0', method: 'notifications/message', params: { a: nested(2000) } }, 'x')).toBeUndefined();
  });
});
