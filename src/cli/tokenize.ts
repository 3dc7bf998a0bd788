/** A command line to words, quoted as in sh and expanded in no way: the same for the REPL, batch lines and completion. */

import { McpctlError } from '../core/errors.js';

/** The quotes a word is inside of. */
export type Quote = "'" | '"';

/** One word and where it stands, for completion and for error messages. */
export interface Word {
  /** The word as a command sees it, quotes and escapes resolved. */
  readonly text: string;
  /** Offset of its first raw character, counted from 0 in UTF-16 units. */
  readonly start: number;
  /** Offset after its last raw character. */
  readonly end: number;
  /** The quote its first raw character is, if any. */
  readonly openedWith: Quote | undefined;
}

export interface SplitLine {
  readonly words: readonly Word[];
  /** The last word lacks its closing quote, or ends with a backslash that escapes nothing. */
  readonly unfinished: { readonly by: Quote | '\\'; readonly at: number } | undefined;
  /** Where a `#` began a comment. */
  readonly commentAt: number | undefined;
}

/**
 * The words of a line. Single quotes keep everything, double quotes keep all but `\"`, `\\`, `\$` and `` \` ``, a backslash
 * keeps the next character, `#` at the start of a word begins a comment. Nothing is expanded: no variables, no globs, no `~`.
 *
 * @throws McpctlError `USAGE` for an unclosed quote or a backslash at the end, with its column (counted from 1).
 */
export function tokenize(line: string): string[] {
  const { words, unfinished } = splitWords(line);
  if (!unfinished) return words.map(({ text }) => text);
  const column = unfinished.at + 1;
  const details = { column };
  if (unfinished.by === '\\') {
    const hint = 'a backslash keeps the next character; write \\\\ for a backslash itself';
    throw new McpctlError('USAGE', `The backslash in column ${column} has nothing after it`, { hint, details });
  }
  const other = unfinished.by === "'" ? '"' : "'";
  throw new McpctlError('USAGE', `The quote ${unfinished.by} in column ${column} is not closed`, {
    hint: `close it with ${unfinished.by}, or quote the quote itself: ${other}${unfinished.by}${other}`,
    details,
  });
}

/** Splits without judging: an unclosed quote ends with the line. One pass, so that a megabyte of quotes costs no more than one of letters. */
export function splitWords(line: string): SplitLine {
  const words: Word[] = [];
  let unfinished: SplitLine['unfinished'];
  let at = 0;
  while (at < line.length) {
    if (isSpace(line[at])) {
      at++;
      continue;
    }
    if (line[at] === '#') return { words, unfinished, commentAt: at };
    const start = at;
    const parts: string[] = [];
    while (at < line.length && !isSpace(line[at])) {
      const character = line[at]!;
      if (character === '\\') {
        if (at + 1 >= line.length) unfinished = { by: '\\', at };
        else parts.push(line[at + 1]!);
        at += 2;
      } else if (character === "'" || character === '"') {
        const quoted = readQuoted(line, at, character);
        parts.push(quoted.text);
        if (!quoted.closed) unfinished = { by: character, at };
        at = quoted.end;
      } else {
        const end = endOfPlain(line, at);
        parts.push(line.slice(at, end));
        at = end;
      }
    }
    const end = Math.min(at, line.length);
    const first = line[start];
    words.push({ text: parts.join(''), start, end, openedWith: first === "'" || first === '"' ? first : undefined });
  }
  return { words, unfinished, commentAt: undefined };
}

/** `text` as one word that `tokenize` reads back unchanged; bare where that is possible, else in `quote`s. */
export function quoteWord(text: string, quote?: Quote): string {
  return quote === undefined && isBare(text) ? text : `${openWord(text, quote)}${quote ?? '"'}`;
}

/** As `quoteWord`, but without the closing quote: the beginning of a word that is still being typed. */
export function openWord(text: string, quote?: Quote): string {
  if (quote === undefined && isBare(text)) return text;
  // Inside single quotes nothing can be escaped: close, write the quote, open again.
  if (quote === "'") return `'${text.replaceAll("'", "'\\''")}`;
  return `"${text.replace(/["\\$`]/g, '\\$&')}`;
}

function isBare(text: string): boolean {
  return text !== '' && !/[\s"'\\]/.test(text) && !text.startsWith('#');
}

function readQuoted(line: string, open: number, quote: Quote): { text: string; end: number; closed: boolean } {
  if (quote === "'") {
    const close = line.indexOf("'", open + 1);
    if (close === -1) return { text: line.slice(open + 1), end: line.length, closed: false };
    return { text: line.slice(open + 1, close), end: close + 1, closed: true };
  }
  const parts: string[] = [];
  let from = open + 1;
  for (let at = from; at < line.length; at++) {
    if (line[at] === '"') {
      parts.push(line.slice(from, at));
      return { text: parts.join(''), end: at + 1, closed: true };
    }
    if (line[at] === '\\' && at + 1 < line.length && '"\\$`'.includes(line[at + 1]!)) {
      parts.push(line.slice(from, at));
      at++;
      from = at;
    }
  }
  parts.push(line.slice(from));
  return { text: parts.join(''), end: line.length, closed: false };
}

function endOfPlain(line: string, start: number): number {
  let at = start;
  while (at < line.length && !isSpace(line[at]) && line[at] !== '\\' && line[at] !== "'" && line[at] !== '"') at++;
  return at;
}

/** What separates words in sh, and the carriage return of a file from Windows. */
function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}
