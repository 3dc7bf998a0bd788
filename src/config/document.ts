/** One configuration file as text: JSON with comments, parsed to plain values that know their position. */
import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { excerpt, formatPath, type KeyPath, LineIndex } from './position.js';
import type { ConfigProblem, Position } from './schema.js';

/** Objects have no prototype, so that no key of a file can be mistaken for an inherited one. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Keys that reach an object's prototype when a careless reader assigns them: refused at any depth. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Deeper than any configuration; keeps every recursive reader within the stack. */
export const maxDepth = 64;

export const bom = '\uFEFF';

/** Whether a file is read as TOML: the ending of its name decides. */
export function isToml(file: string): boolean {
  return /\.toml$/i.test(file);
}

/** A configuration file as everything behind the parser sees it, whatever language and shape it is written in. */
export interface ConfigDocument {
  readonly file: string;
  /** Without a byte order mark. */
  readonly text: string;
  /** Counts only when no problem is an error. */
  readonly value: JsonValue;
  /** What is wrong with the file before anyone looks at its keys. */
  readonly problems: readonly ConfigProblem[];
  /** The value at `path`, `undefined` when there is none. */
  at(path: KeyPath): JsonValue | undefined;
  /** Where `path` is: its value, or with `key` its name; when it is not there, the nearest place around it. */
  position(path: KeyPath, options?: { readonly key?: boolean }): Position;
  problem(
    severity: ConfigProblem['severity'],
    path: KeyPath,
    message: string,
    options?: { readonly key?: boolean },
  ): ConfigProblem;
}

export class JsoncDocument implements ConfigDocument {
  readonly #lines: LineIndex;

  private constructor(
    readonly file: string,
    /** Without a byte order mark; offsets of nodes count in this text. */
    readonly text: string,
    readonly hasBom: boolean,
    readonly root: Node | undefined,
    readonly value: JsonValue,
    readonly problems: readonly ConfigProblem[],
    lines: LineIndex,
  ) {
    this.#lines = lines;
  }

  /**
   * Parses `source`. Comments, trailing commas and a byte order mark are accepted. What is wrong is in `problems`, never thrown;
   * `value` counts only when there is no problem. Only the first syntax error is told: those after it are mostly its echo.
   */
  static parse(file: string, source: string): JsoncDocument {
    const hasBom = source.startsWith(bom);
    const text = hasBom ? source.slice(1) : source;
    const lines = new LineIndex(text);
    const broken = (offset: number, message: string) =>
      new JsoncDocument(
        file,
        text,
        hasBom,
        undefined,
        null,
        [{ severity: 'error', file, ...lines.positionAt(offset), path: '', message }],
        lines,
      );

    const nul = text.indexOf('\0');
    if (nul !== -1) return broken(nul, 'NUL byte: the file is binary or not UTF-8 (UTF-16?)');
    if (text.trim() === '') return broken(0, 'the file is empty; write {} for a configuration without servers');
    const deep = firstTooDeep(text);
    if (deep !== undefined) return broken(deep, `nested more than ${maxDepth} levels deep`);

    const errors: ParseError[] = [];
    const root = parseTree(text, errors, { allowTrailingComma: true });
    const first = errors.sort((a, b) => a.offset - b.offset)[0];
    if (first || !root) return broken(first?.offset ?? 0, syntaxMessage(text, first));

    const problems: ConfigProblem[] = [];
    const value = toValue(root, [], (node, path, message) =>
      problems.push({
        severity: 'error',
        file,
        ...lines.positionAt(node.offset),
        path: formatPath(path),
        message: message(lines),
      }),
    );
    return new JsoncDocument(file, text, hasBom, root, value, problems, lines);
  }

  positionAt(offset: number): Position {
    return this.#lines.positionAt(offset);
  }

  position(path: KeyPath, { key = false } = {}): Position {
    for (let length = path.length; this.root && length > 0; length--) {
      const node = findNodeAtLocation(this.root, path.slice(0, length));
      if (!node) continue;
      // What is missing is reported at the name of the object that lacks it.
      const target = (key || length < path.length) && node.parent?.type === 'property' ? node.parent : node;
      return this.positionAt(target.offset);
    }
    return this.positionAt(this.root?.offset ?? 0);
  }

  at(path: KeyPath): JsonValue | undefined {
    return valueAt(this.value, path);
  }

  problem(severity: ConfigProblem['severity'], path: KeyPath, message: string, options: { key?: boolean } = {}): ConfigProblem {
    return { severity, file: this.file, ...this.position(path, options), path: formatPath(path), message };
  }
}

/** The value at `path` inside `value`, `undefined` when there is none. */
export function valueAt(value: JsonValue, path: KeyPath): JsonValue | undefined {
  let current: JsonValue | undefined = value;
  for (const key of path) {
    if (current === null || typeof current !== 'object' || !Object.hasOwn(current, key)) return undefined;
    current = (current as Record<string | number, JsonValue>)[key];
  }
  return current;
}

type Report = (node: Node, path: KeyPath, message: (lines: LineIndex) => string) => void;

function toValue(node: Node, path: KeyPath, report: Report): JsonValue {
  if (node.type === 'array') return (node.children ?? []).map((child, index) => toValue(child, [...path, index], report));
  if (node.type !== 'object') return node.value as JsonValue;
  const object: { [key: string]: JsonValue } = Object.create(null);
  const firstOf = new Map<string, Node>();
  for (const property of node.children ?? []) {
    const [keyNode, valueNode] = property.children ?? [];
    if (!keyNode || !valueNode) continue;
    const key = keyNode.value as string;
    const keyPath = [...path, key];
    const earlier = firstOf.get(key);
    if (forbiddenKeys.has(key)) {
      report(keyNode, keyPath, () => `the key "${key}" is not allowed`);
    } else if (earlier) {
      report(keyNode, keyPath, (lines) => {
        const at = lines.positionAt(earlier.offset);
        return `duplicate key "${key}", first at line ${at.line}, column ${at.column}`;
      });
    } else {
      firstOf.set(key, keyNode);
      object[key] = toValue(valueNode, keyPath, report);
    }
  }
  return object;
}

/** The offset of the first bracket that is nested too deeply, so that no recursive reader meets it. Looks past strings and comments. */
function firstTooDeep(text: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') {
      if (++depth > maxDepth) return at;
    } else if (char === '}' || char === ']') depth--;
    else if (char === '"') {
      for (at++; at < text.length && text[at] !== '"' && text[at] !== '\n'; at++) if (text[at] === '\\') at++;
    } else if (char === '/' && (text[at + 1] === '/' || text[at + 1] === '*')) {
      const end = text[at + 1] === '/' ? text.indexOf('\n', at) : text.indexOf('*/', at + 2);
      if (end === -1) return undefined;
      at = end;
    }
  }
  return undefined;
}

/** What the parser found, in words. */
const syntaxMessages: Readonly<Record<string, string>> = {
  InvalidSymbol: 'unexpected text',
  InvalidNumberFormat: 'not a number',
  PropertyNameExpected: 'expected a property name in double quotes',
  ValueExpected: 'expected a value',
  ColonExpected: 'expected ":"',
  CommaExpected: 'expected "," or the end of the list',
  CloseBraceExpected: 'expected "," or "}"',
  CloseBracketExpected: 'expected "," or "]"',
  EndOfFileExpected: 'unexpected text after the end of the configuration',
  InvalidCommentToken: 'comments are not allowed here',
  UnexpectedEndOfComment: 'a comment is not closed with */',
  UnexpectedEndOfString: 'a string is not closed with "',
  UnexpectedEndOfNumber: 'a number is cut off',
  InvalidUnicode: 'invalid \\u escape: four hexadecimal digits are needed',
  InvalidEscapeCharacter: 'invalid escape: a backslash is written \\\\',
  InvalidCharacter: 'control character in a string',
};

function syntaxMessage(text: string, error: ParseError | undefined): string {
  if (!error) return 'expected a value';
  const message = syntaxMessages[printParseErrorCode(error.error)] ?? 'not valid JSON';
  if (error.offset >= text.trimEnd().length) return `the file ends too early: ${message}`;
  return `${message}, found ${excerpt(text.slice(error.offset, error.offset + Math.max(error.length, 1)))}`;
}
