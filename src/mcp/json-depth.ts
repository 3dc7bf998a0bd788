/** How deep a message may be nested. JSON.parse takes a million levels; JSON.stringify and validators overflow the stack at some thousand. */

import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { McpctlError } from '../core/errors.js';
import { failedAnswer } from './answer.js';

export const maxDepth = 1000;

/** Whether nothing in `value` is nested deeper than `levels`. The recursion is bounded by `levels`. */
export function isShallow(value: object, levels = maxDepth): boolean {
  if (levels === 0) return false;
  for (const child of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof child === 'object' && child !== null && !isShallow(child, levels - 1)) return false;
  }
  return true;
}

/** The message; in place of an answer that is nested too deeply the failure of its call, and nothing in place of anything else. */
export function withinDepth(message: JSONRPCMessage, server: string): JSONRPCMessage | undefined {
  if (isShallow(message)) return message;
  if (!('id' in message) || message.id === undefined || 'method' in message) return undefined;
  const error = new McpctlError('PROTOCOL', `Server "${server}" sent a message nested deeper than ${maxDepth} levels`, {
    server,
    hint: 'tell the author of the server',
    delivered: 'maybe',
  });
  return failedAnswer(message.id, error);
}
