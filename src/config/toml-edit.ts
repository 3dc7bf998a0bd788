/** Edits of a TOML file, as text: a table is appended, a table is cut, a scalar is set. */
import type { JsonValue } from './document.js';
import type { EditableFile } from './editable-file.js';
import type { KeyPath } from './position.js';
import { isObject } from './shape.js';
import { TomlDocument } from './toml-document.js';

export class TomlText implements EditableFile {
  private constructor(readonly document: TomlDocument) {}

  static open(file: string, text: string): TomlText {
    return new TomlText(TomlDocument.parse(file, text));
  }

  parse(text: string): TomlText {
    return TomlText.open(this.document.file, text);
  }

  withServer(section: KeyPath, name: string, entry: JsonValue): string | undefined {
    const { text } = this.document;
    const eol = text.includes('\r\n') ? '\r\n' : '\n';
    const kept = text.trimEnd();
    const tail = text.slice(kept.length);
    const lineEnds = tail.split('\n').length - 1;
    const gap = lineEnds === 0 ? eol + eol : lineEnds === 1 ? tail + eol : tail;
    return `${kept === '' ? '' : kept + gap}${tableLines([...section, name], entry).join(eol)}${eol}`;
  }

  withoutServer(path: KeyPath): string | undefined {
    const { text } = this.document;
    const range = this.document.tableRange(path);
    if (!range) return undefined;
    const from = startOfComment(text, range.offset);
    let to = endOfComment(text, range.offset + range.length);
    // One blank line separates what stood before from what comes next; at the end of the file none is left over.
    const next = /^(?:[ \t]*\r?\n)+/.exec(text.slice(to))?.[0] ?? '';
    to += next.length;
    if (to < text.length) return text.slice(0, from) + text.slice(to);
    return text.slice(0, from).replace(/(\r?\n)[ \t\r\n]*$/, '$1');
  }

  withFlag(path: KeyPath, key: string, value: boolean): string | undefined {
    const { document } = this;
    const current = document.valueRange([...path, key]);
    if (current) return replaced(document.text, current.offset, current.length, String(value));
    const body = document.tableRange(path) && document.bodyOffset(path);
    if (body === undefined) return undefined;
    const eol = document.text.includes('\r\n') ? '\r\n' : '\n';
    // A header may be the last line of the file, without a line break.
    const start = document.text[body - 1] === '\n' ? '' : eol;
    return replaced(document.text, body, 0, `${start}${keyText(key)} = ${value}${eol}`);
  }

  byHand(path: KeyPath, value: JsonValue): string[] {
    if (isObject(value)) return tableLines(path, value);
    return [`[${headerText(path.slice(0, -1))}]`, `${keyText(path.at(-1)!)} = ${valueText(value)}`];
  }
}

/** `[path]` with its values, then a table for each object in it. */
function tableLines(path: KeyPath, value: JsonValue): string[] {
  const entries = isObject(value) ? Object.entries(value) : [];
  const lines = [`[${headerText(path)}]`];
  for (const [key, item] of entries) if (!isObject(item)) lines.push(`${keyText(key)} = ${valueText(item)}`);
  for (const [key, item] of entries) if (isObject(item)) lines.push('', ...tableLines([...path, key], item));
  return lines;
}

function headerText(path: KeyPath): string {
  return path.map(keyText).join('.');
}

function keyText(key: string | number): string {
  return /^[\w-]+$/.test(String(key)) ? String(key) : valueText(String(key));
}

function valueText(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`;
  // JSON's escapes are TOML's too; TOML forbids one character more as it is.
  return JSON.stringify(value).replaceAll('\x7f', '\\u007f');
}

/** Where the comment begins that stands directly above a header: it is about that table. A comment that opens the file is about the file. */
function startOfComment(text: string, header: number): number {
  let start = header;
  while (start > 0) {
    const above = text.lastIndexOf('\n', start - 2) + 1;
    if (!/^[ \t]*#/.test(text.slice(above, start))) break;
    start = above;
  }
  return start === 0 ? header : start;
}

/** The end of a comment that follows directly, unless it stands directly above the next header and is about that. */
function endOfComment(text: string, end: number): number {
  const comment = /^(?:[ \t]*#[^\n]*(?:\n|$))+/.exec(text.slice(end))?.[0] ?? '';
  const after = end + comment.length;
  return /^[ \t]*(?:\r?\n|$)/.test(text.slice(after)) ? after : end;
}

function replaced(text: string, offset: number, length: number, words: string): string {
  return text.slice(0, offset) + words + text.slice(offset + length);
}
