/** One configuration file in TOML: parsed to the same plain values as JSON, each with its position. */
import { parse, TomlError } from 'smol-toml';
import { bom, type ConfigDocument, forbiddenKeys, type JsonValue, maxDepth, valueAt } from './document.js';
import { excerpt, formatPath, type KeyPath, LineIndex } from './position.js';
import type { ConfigProblem, Position } from './schema.js';
import { scanToml, type TomlNode, type TomlTree } from './toml-scanner.js';

/** A part of the text, in UTF-16 units. */
export interface TextRange {
  readonly offset: number;
  readonly length: number;
}

export class TomlDocument implements ConfigDocument {
  readonly #lines: LineIndex;
  #tree: TomlTree | undefined;
  value: JsonValue = null;
  problems: readonly ConfigProblem[] = [];

  private constructor(
    readonly file: string,
    /** Without a byte order mark; offsets count in this text. */
    readonly text: string,
    readonly hasBom: boolean,
  ) {
    this.#lines = new LineIndex(text);
  }

  /** Parses `source`. What is wrong is in `problems`, never thrown; `value` counts only when there is no problem. */
  static parse(file: string, source: string): TomlDocument {
    const hasBom = source.startsWith(bom);
    const document = new TomlDocument(file, hasBom ? source.slice(1) : source, hasBom);
    document.problems = document.#read();
    return document;
  }

  #read(): ConfigProblem[] {
    const { text } = this;
    const nul = text.indexOf('\0');
    if (nul !== -1) return this.#broken(this.#lines.positionAt(nul), 'NUL byte: the file is binary or not UTF-8 (UTF-16?)');
    if (text.trim() === '') {
      return this.#broken(
        { line: 1, column: 1 },
        'the file is empty; write a comment such as "# no servers yet" for a configuration without servers',
      );
    }
    let parsed: unknown;
    try {
      parsed = parse(text, { maxDepth, unsafeKeyBehaviour: 'keep' });
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      return this.#broken({ line: error.line, column: error.column }, syntaxMessage(text, error));
    }
    const problems: ConfigProblem[] = [];
    this.value = toValue(parsed, [], (path, message, key) => problems.push(this.problem('error', path, message, { key })));
    return problems;
  }

  #broken({ line, column }: Position, message: string): ConfigProblem[] {
    return [{ severity: 'error', file: this.file, line, column, path: '', message }];
  }

  at(path: KeyPath): JsonValue | undefined {
    return valueAt(this.value, path);
  }

  position(path: KeyPath, { key = false } = {}): Position {
    const { node, depth } = this.#find(path);
    if (depth === 0) return { line: 1, column: 1 };
    // What is missing is reported at the name of the table that lacks it.
    const offset = key || depth < path.length ? (node.keyOffset ?? node.offset) : node.offset;
    return this.#lines.positionAt(offset);
  }

  problem(severity: ConfigProblem['severity'], path: KeyPath, message: string, options: { key?: boolean } = {}): ConfigProblem {
    return { severity, file: this.file, ...this.position(path, options), path: formatPath(path), message };
  }

  /**
   * The lines of a table written with headers, `[a.b]` and every `[a.b.…]` below it: whole lines, from the first header to the last
   * line with a key. Comments before the header and after the last key are not in it.
   *
   * @returns undefined when there is no such table or cutting these lines would not remove exactly it: it is written inline or with
   *   dotted keys, or other tables stand between its parts
   */
  tableRange(path: KeyPath): TextRange | undefined {
    const { sections } = this.#scan();
    const isOwn = sections.map((section) => path.every((key, index) => section.path[index] === key));
    const first = isOwn.indexOf(true);
    const last = isOwn.lastIndexOf(true);
    const { node, depth } = this.#find(path);
    if (first === -1 || depth < path.length || (node.kind !== 'header' && node.kind !== 'group')) return undefined;
    if (isOwn.slice(first, last + 1).includes(false)) return undefined;
    const offset = sections[first]!.start;
    return { offset, length: sections[last]!.end - offset };
  }

  /** The line below the header `[a.b]`, where a key can be put in; undefined when the table has no header of its own. */
  bodyOffset(path: KeyPath): number | undefined {
    const { sections } = this.#scan();
    const section = sections.find((one) => one.path.length === path.length && path.every((key, at) => one.path[at] === key));
    return section?.bodyStart;
  }

  /** The text of one string, number or boolean, wherever it is written; undefined for tables, lists and what is not there. */
  valueRange(path: KeyPath): TextRange | undefined {
    const { node, depth } = this.#find(path);
    if (depth < path.length || node.kind !== 'scalar') return undefined;
    return { offset: node.offset, length: node.length };
  }

  #find(path: KeyPath): { node: TomlNode; depth: number } {
    let node = this.#scan().root;
    let depth = 0;
    for (; depth < path.length; depth++) {
      const child = node.children.get(path[depth]!);
      if (!child) break;
      node = child;
    }
    return { node, depth };
  }

  /** Only a text that parsed is scanned. */
  #scan(): TomlTree {
    this.#tree ??= scanToml(this.text);
    return this.#tree;
  }
}

type Report = (path: KeyPath, message: string, key: boolean) => void;

function toValue(value: unknown, path: KeyPath, report: Report): JsonValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) report(path, `${value} is not a number that can be used here`, false);
    return value;
  }
  if (value instanceof Date) {
    report(path, 'dates and times have no meaning here; write text in quotes', false);
    return null;
  }
  if (path.length >= maxDepth) {
    report(path.slice(0, maxDepth), `nested more than ${maxDepth} levels deep`, true);
    return null;
  }
  if (Array.isArray(value)) return value.map((item, index) => toValue(item, [...path, index], report));
  const object: { [key: string]: JsonValue } = Object.create(null);
  for (const [key, item] of Object.entries(value as object)) {
    const keyPath = [...path, key];
    if (forbiddenKeys.has(key)) report(keyPath, `the key "${key}" is not allowed`, true);
    else object[key] = toValue(item, keyPath, report);
  }
  return object;
}

/** What the parser found: its first line in plain words, and what it stopped at. */
function syntaxMessage(text: string, error: TomlError): string {
  const said = error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '');
  const message = plainMessages[said] ?? said;
  const rest =
    text
      .split('\n')
      [error.line - 1]?.slice(error.column - 1)
      .trimEnd() ?? '';
  const isAtEnd = rest === '' && text.split('\n').slice(error.line).join('').trim() === '';
  if (isAtEnd) return `the file ends too early: ${message}`;
  return rest === '' ? `${message}, found the end of the line` : `${message}, found ${excerpt(rest)}`;
}

/** The parser's words where they are not ours. */
const plainMessages: Readonly<Record<string, string>> = {
  'trying to redefine an already defined table or value': 'this table or key is defined twice',
  'each key-value declaration must be followed by an end-of-line': 'expected the end of the line after the value',
  'document contains excessively nested structures. aborting.': `nested more than ${maxDepth} levels deep`,
  'invalid value': 'not a value: text needs quotes',
};
