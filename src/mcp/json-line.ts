/** One line of a server's output → one JSON-RPC message, or the reason why it is none. Never throws, parses once. */
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { isShallow, maxDepth } from './json-depth.js';

/** Why a line is not a message. `broken` looks like one but is not valid JSON; `invalid` is JSON but not JSON-RPC 2.0. */
export type NotAMessage = 'blank' | 'junk' | 'broken' | 'batch' | 'invalid' | 'too-deep';

/** A text of this length cannot be nested deeper than `maxDepth`, so it need not be checked. */
const shallowLength = 2 * maxDepth;
/** How messages start in practice; text in front of it is a log line without its newline. */
const start = '{"jsonrpc"';
const maxRecoveries = 4;

/**
 * Reads a line. A message glued to other text without a newline (`Loading...{"jsonrpc":…}`) is recovered, also several in
 * one line, which come back as a list.
 */
export function decodeLine(line: string): JSONRPCMessage | readonly JSONRPCMessage[] | NotAMessage {
  if (looksLikeJson(line)) {
    const whole = parse(line);
    if (whole !== undefined) return check(whole, line.length);
  }
  const found = recover(line);
  if (found.length > 1) return found;
  return found[0] ?? classify(line);
}

/** Every message that begins with `{"jsonrpc"` and ends where the next one begins, or at the line's last `}`. */
function recover(line: string): JSONRPCMessage[] {
  const starts: number[] = [];
  for (let at = line.indexOf(start); at !== -1 && starts.length < maxRecoveries; at = line.indexOf(start, at + 1))
    starts.push(at);
  const messages: JSONRPCMessage[] = [];
  for (let i = 0; i < starts.length; i++) {
    // Longest first: a message that quotes another one is one message.
    for (let j = starts.length; j > i; j--) {
      const text = line.slice(starts[i], starts[j]);
      const value = parse(text) ?? parse(text.slice(0, text.lastIndexOf('}') + 1));
      const message = value === undefined ? 'broken' : check(value, text.length);
      if (typeof message === 'string') continue;
      messages.push(message);
      i = j - 1;
      break;
    }
  }
  return messages;
}

function classify(line: string): JSONRPCMessage | NotAMessage {
  const text = line.trim(); // also removes a byte order mark
  if (text === '') return 'blank';
  if (text.length !== line.length && looksLikeJson(text)) {
    const value = parse(text);
    if (value !== undefined) return check(value, text.length);
  }
  return text.includes('"jsonrpc"') ? 'broken' : 'junk';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function looksLikeJson(line: string): boolean {
  const first = line.charCodeAt(0);
  return first === 0x7b /* { */ || first === 0x5b /* [ */;
}

function check(value: unknown, length: number): JSONRPCMessage | NotAMessage {
  if (Array.isArray(value)) return 'batch';
  if (typeof value !== 'object' || value === null) return 'junk'; // a lone number or string: somebody printed a value
  if ((value as { jsonrpc?: unknown }).jsonrpc !== '2.0') return 'invalid';
  if (length > shallowLength && !isShallow(value)) return 'too-deep';
  return value as JSONRPCMessage;
}
