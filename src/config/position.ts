/** Positions and paths inside a configuration file, and the problems that point at them. */
import { McpctlError } from '../core/errors.js';
import type { ConfigProblem, Position } from './schema.js';

export type KeyPath = readonly (string | number)[];

/** Offsets of one text as lines and columns (both from 1; a column counts UTF-16 units, as editors do). */
export class LineIndex {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  positionAt(offset: number): Position {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.#starts[low]! + 1 };
  }
}

/** `mcpServers.files.args[1]`; keys that are not plain words are quoted: `mcpServers["a b"]`. */
export function formatPath(path: KeyPath, quoted: (key: string) => string = JSON.stringify): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[A-Za-z_][\w-]*$/.test(key)) return `[${quoted(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

/** `file:line:column: path: message`, the form editors and terminals make clickable. A file as a whole has no line. */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}:${problem.column}` : problem.file;
  return [place, problem.path, problem.message].filter(Boolean).join(': ');
}

/** The error that ends a load: the first problem in its message, all of them in `details.problems`. */
export function configInvalid(
  problems: readonly ConfigProblem[],
  options: { hint?: string; server?: string; cause?: unknown } = {},
): McpctlError {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const first = errors[0] ?? problems[0];
  const more = errors.length - 1;
  const message = first ? formatProblem(first) : 'The configuration is invalid';
  return new McpctlError('CONFIG_INVALID', more > 0 ? `${message} (and ${more} more)` : message, {
    hint: options.hint ?? 'correct the file, then check it with: mcpctl config validate',
    server: options.server,
    cause: options.cause,
    details: { problems: problems.map((problem) => ({ ...problem })) },
  });
}

/** What a parser stopped at, in quotes: enough to recognise it, and too little of a token that stands there without quotes. */
export function excerpt(text: string): string {
  const [first = '', second = '', third = '', more] = text;
  return JSON.stringify(`${first}${second}${third}${more === undefined ? '' : '…'}`);
}
