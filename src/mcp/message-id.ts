/** Finds out which call a message answers when the message itself cannot be parsed (too long, broken, too deep). */

export type MessageId = string | number;

/** What the visible part of a message says about itself. */
export interface Envelope {
  readonly id?: MessageId;
  /** It has a `method`: a request or notification of the server, not an answer. */
  readonly hasMethod: boolean;
}

const idValue = /\s*:\s*(-?[0-9]{1,16}|"(?:[^"\\]|\\.){0,256}")\s*(?=[,}])/y;
/** Servers that write `"id"` last end like this; nothing inside a string or a nested object can look the same. */
const idAtEnd = /[,{]\s*"id"\s*:\s*(-?[0-9]{1,16}|"(?:[^"\\]|\\.){0,256}")\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/;

/**
 * Reads the outermost level of a message from its first and, where known, last characters.
 * Keys of nested objects and text in strings never count: a tool result is free to contain `"id":1`.
 */
export function readEnvelope(head: string, tail = ''): Envelope {
  const found = scan(head);
  if (found.id !== undefined || found.hasMethod || tail === '') return found;
  const match = idAtEnd.exec(tail);
  const id = match?.[1] === undefined ? undefined : parseId(match[1]);
  return id === undefined ? found : { id, hasMethod: false };
}

function scan(text: string): Envelope {
  let depth = 0;
  let keyComes = false;
  let hasMethod = false;
  let id: MessageId | undefined;
  for (let i = text.indexOf('{'); i >= 0 && i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x7b: // {
        keyComes = ++depth === 1;
        break;
      case 0x5b: // [
        depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        if (--depth === 0) return envelope(id, hasMethod);
        break;
      case 0x2c: // ,
        keyComes = depth === 1;
        break;
      case 0x22: {
        const end = endOfString(text, i);
        if (end === -1) return envelope(id, hasMethod);
        if (depth === 1 && keyComes) {
          keyComes = false;
          const key = text.slice(i + 1, end);
          if (key === 'method') hasMethod = true;
          if (key === 'id') {
            idValue.lastIndex = end + 1;
            const match = idValue.exec(text);
            if (match?.[1] !== undefined) id = parseId(match[1]);
          }
        }
        i = end;
        break;
      }
      default:
    }
  }
  return envelope(id, hasMethod);
}

const envelope = (id: MessageId | undefined, hasMethod: boolean): Envelope =>
  id === undefined ? { hasMethod } : { id, hasMethod };

function endOfString(text: string, open: number): number {
  for (let i = open + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) i++;
    else if (code === 0x22) return i;
  }
  return -1;
}

function parseId(text: string): MessageId | undefined {
  try {
    return JSON.parse(text) as MessageId;
  } catch {
    return undefined;
  }
}
