/** Edits of a JSON file with comments, as text: what is not meant stays as it was typed. */
import { findNodeAtLocation, type Node } from 'jsonc-parser';
import { JsoncDocument, type JsonValue } from './document.js';
import type { EditableFile } from './editable-file.js';
import { formatPath, type KeyPath } from './position.js';

/** Arrays up to this many characters stand on one line. */
const maxInline = 100;

export class JsoncText implements EditableFile {
  readonly #document: JsoncDocument;

  constructor(document: JsoncDocument) {
    this.#document = document;
  }

  get document() {
    return this.#document;
  }

  parse(text: string): JsoncText {
    return new JsoncText(JsoncDocument.parse(this.#document.file, text));
  }

  withServer(section: KeyPath, name: string, entry: JsonValue): string | undefined {
    const { text, root } = this.#document;
    // The section itself is made where it is missing: the whole of what is missing is one property.
    const path = [...section, name];
    for (let length = section.length; length >= 0; length--) {
      const node = this.#node(path.slice(0, length));
      if (!node) continue;
      if (node.type !== 'object') return undefined;
      const missing = path.slice(length + 1).reduceRight<JsonValue>((inner, key) => ({ [key]: inner }), entry);
      return insertLast(text, node, path[length] as string, missing, indentUnit(text, root));
    }
    return undefined;
  }

  withoutServer(path: KeyPath): string | undefined {
    const property = this.#node(path)?.parent;
    return property?.type === 'property' ? removeProperty(this.#document.text, property) : undefined;
  }

  withFlag(path: KeyPath, key: string, value: boolean): string | undefined {
    const entry = this.#node(path);
    if (entry?.type !== 'object') return undefined;
    const { text } = this.#document;
    const current = findNodeAtLocation(entry, [key]);
    if (current) return text.slice(0, current.offset) + String(value) + text.slice(current.offset + current.length);
    return insertFirst(text, entry, `${JSON.stringify(key)}: ${value}`);
  }

  byHand(path: KeyPath, value: JsonValue): string[] {
    return [`${JSON.stringify(path.at(-1))}: ${inline(value)}`, `in ${formatPath(path.slice(0, -1))}`];
  }

  #node(path: KeyPath): Node | undefined {
    const { root } = this.#document;
    // The library looks for arrays where a path is a number only, and takes an empty path for "nothing".
    return path.length === 0 ? root : root && findNodeAtLocation(root, [...path]);
  }
}

/** Puts a property first, where no comment can be torn from what it explains. */
function insertFirst(text: string, object: Node, property: string): string {
  const first = object.children?.[0];
  const words = `${property}${first ? ',' : ''}`;
  const afterBrace = object.offset + 1;
  const end = first?.offset ?? object.offset + object.length - 1;
  const between = text.slice(afterBrace, end);
  const lineEnd = between.search(/\r?\n/);
  if (lineEnd === -1) return spliced(text, afterBrace, ` ${words}${/^\s/.test(between) && first ? '' : ' '}`);

  const lineBreak = between.startsWith('\r', lineEnd) ? '\r\n' : '\n';
  const indent = indentAt(text, end);
  // In an empty object the indentation found is that of the closing brace.
  const ownIndent = first ? indent : `${indent}${indent.startsWith('\t') ? '\t' : '  '}`;
  // A comment on the brace's own line stays there; one that goes on over the next line must not be cut open.
  const head = between.slice(0, lineEnd);
  const isInComment = head.lastIndexOf('/*') > head.lastIndexOf('*/');
  return spliced(text, isInComment ? afterBrace : afterBrace + lineEnd, `${lineBreak}${ownIndent}${words}`);
}

/** Puts a property last, behind every comment, in the layout of those before it. */
function insertLast(text: string, object: Node, key: string, value: JsonValue, unit: string): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const close = object.offset + object.length - 1;
  const last = object.children?.at(-1);
  const tailStart = last ? last.offset + last.length : object.offset + 1;
  const tail = text.slice(tailStart, close);
  const at = tailStart + tail.trimEnd().length;
  const comma = last ? commaIn(tail) : undefined;
  const first = object.children?.[0];
  const isInline = first !== undefined && !text.slice(object.offset, first.offset).includes('\n') && !tail.includes('\n');
  if (isInline) {
    const words = `${comma === undefined ? '' : ' '}${JSON.stringify(key)}: ${inline(value)}${comma === undefined ? '' : ','}`;
    const after = spliced(text, at, comma === undefined ? ` ${words}` : words);
    return comma === undefined ? spliced(after, tailStart, ',') : after;
  }
  const outer = indentAt(text, object.offset);
  const indent = first && text.slice(object.offset, first.offset).includes('\n') ? indentAt(text, first.offset) : outer + unit;
  const words = `${eol}${indent}${JSON.stringify(key)}: ${block(value, indent, unit, eol)}${comma === undefined ? '' : ','}`;
  const end = tail.includes('\n') ? '' : `${eol}${outer}`;
  const after = text.slice(0, at) + words + (end === '' ? text.slice(at) : end + text.slice(close));
  return last && comma === undefined ? spliced(after, tailStart, ',') : after;
}

/** Takes a property out, with the comma that belongs to it. Comments outside it stay, also those about it. */
function removeProperty(text: string, property: Node): string {
  const siblings = property.parent?.children ?? [];
  const index = siblings.indexOf(property);
  const end = property.offset + property.length;
  const limit = siblings[index + 1]?.offset ?? property.parent!.offset + property.parent!.length - 1;
  const own = commaIn(text.slice(end, limit));
  const cuts: [from: number, to: number][] = [];
  const previous = siblings[index - 1];
  if (own === undefined && previous) {
    const from = previous.offset + previous.length;
    const before = commaIn(text.slice(from, property.offset));
    if (before !== undefined) cuts.push([from + before, from + before + 1]);
  }
  const isNext = own !== undefined && text.slice(end, end + own).trim() === '';
  if (own !== undefined && !isNext) cuts.push([end + own, end + own + 1]);
  cuts.push(wholeLine(text, property.offset, isNext ? end + own + 1 : end));
  return cuts.sort(([a], [b]) => b - a).reduce((rest, [from, to]) => rest.slice(0, from) + rest.slice(to), text);
}

/** The range, widened so that neither an empty line nor a double space is left. */
function wholeLine(text: string, from: number, to: number): [number, number] {
  let start = from;
  while (start > 0 && (text[start - 1] === ' ' || text[start - 1] === '\t')) start--;
  let end = to;
  while (text[end] === ' ' || text[end] === '\t') end++;
  const lineBreak = text.startsWith('\r\n', end) ? 2 : text[end] === '\n' ? 1 : 0;
  const startsLine = start === 0 || text[start - 1] === '\n';
  if (lineBreak > 0) return startsLine ? [start, end + lineBreak] : [start, end];
  // Behind it a comment needs the space before it, a brace does not mind.
  return [from, end];
}

/** Offset of the first comma in a text that holds nothing else but white space and comments. */
function commaIn(text: string): number | undefined {
  const at = text.replace(/\/\/[^\r\n]*|\/\*[\s\S]*?\*\//g, (comment) => ' '.repeat(comment.length)).indexOf(',');
  return at === -1 ? undefined : at;
}

function spliced(text: string, at: number, words: string): string {
  return text.slice(0, at) + words + text.slice(at);
}

/** The white space that begins the line of `offset`. */
function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset))![0];
}

/** One step of indentation in this file: what the first key on a line of its own has. */
function indentUnit(text: string, root: Node | undefined): string {
  const first = root?.children?.[0];
  const indent = first && text.slice(root!.offset, first.offset).includes('\n') ? indentAt(text, first.offset) : '';
  return indent === '' ? '  ' : indent;
}

function block(value: JsonValue, indent: string, unit: string, eol: string): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const list = inline(value);
  if (Array.isArray(value) && list.length <= maxInline) return list;
  const deeper = indent + unit;
  const items = Array.isArray(value)
    ? value.map((item) => block(item, deeper, unit, eol))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${block(item, deeper, unit, eol)}`);
  if (items.length === 0) return list;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}${eol}${items.map((item) => deeper + item).join(`,${eol}`)}${eol}${indent}${close}`;
}

function inline(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const items = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${inline(item)}`);
  return items.length === 0 ? '{}' : `{ ${items.join(', ')} }`;
}
