/** Brings a server's answer into the strict shape the SDK accepts: it ignores any other, and the call would wait for its timeout. */
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/client';
import type { McpctlError } from '../core/errors.js';

/** A parsed line without `method`. */
export interface Answer {
  readonly jsonrpc: '2.0';
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

const internalError = -32603;

/**
 * The answer as it is when it is well formed (the usual case, no copy), repaired when its meaning is plain: `error: null`
 * beside a result, extra keys, `_meta: null`, an error that is only a text. `null` when it answers nothing.
 */
export function wellFormed(answer: Answer): JSONRPCMessage | null {
  const { id, result, error } = answer;
  if (isObject(error)) {
    if (result === undefined && Number.isInteger(error.code) && typeof error.message === 'string' && countKeys(answer) === 3) {
      return answer as JSONRPCMessage;
    }
    if (result === undefined || result === null)
      return failure(id, error.code, error.message ?? JSON.stringify(error), error.data);
  }
  if (isObject(result)) {
    if ('_meta' in result && !isObject(result._meta)) delete result._meta;
    // In what a tool says, these are the tool's own.
    if (!('content' in result)) repairCacheHints(result);
    return (countKeys(answer) === 3 ? answer : { jsonrpc: '2.0', id, result }) as JSONRPCMessage;
  }
  return typeof error === 'string' ? failure(id, internalError, error, undefined) : null;
}

/** A time to live that is none says at least that the answer is not to be kept; whoever it is for, it is not for everybody. */
function repairCacheHints(result: Record<string, unknown>): void {
  const { ttlMs, cacheScope } = result;
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && (ttlMs as number) >= 0)) {
    result.ttlMs = typeof ttlMs === 'number' && ttlMs > 0 ? Math.floor(Math.min(ttlMs, Number.MAX_SAFE_INTEGER)) : 0;
  }
  if (cacheScope !== undefined && cacheScope !== 'public' && cacheScope !== 'private') result.cacheScope = 'private';
}

function failure(id: unknown, code: unknown, message: unknown, data: unknown): JSONRPCMessage {
  const error = { code: Number.isInteger(code) ? (code as number) : internalError, message: String(message) };
  return { jsonrpc: '2.0', id: id as string | number, error: data === undefined ? error : { ...error, data } };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function countKeys(value: object): number {
  let count = 0;
  for (const _ in value) count++;
  return count;
}

/** An answer in the server's place. The error itself travels in `data`, past the SDK, to whoever made the call. */
export function failedAnswer(id: RequestId, error: McpctlError): JSONRPCMessage {
  return { jsonrpc: '2.0', id, error: { code: -32000, message: error.message, data: error } };
}
