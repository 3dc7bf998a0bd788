/** The lines of earlier sessions: one file, 0600, at most 1,000 lines, and never a line that may carry a secret. */

import { appendFile, chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import { literalSecrets, secretShapes } from '../config/literal-secrets.js';
import { McpctlError, rootMessage } from '../core/errors.js';
import { isSecretName, type Redactor } from '../core/redact.js';
import { sanitizeText } from '../core/sanitize.js';
import { readTextIfExists, writeFileAtomic } from '../io/atomic-file.js';
import { ensureFolder } from '../io/folders.js';
import { registry } from './registry.js';
import { splitWords } from './tokenize.js';

export const historyLimits = {
  lines: 1_000,
  /** A longer line is data rather than something to type again. */
  lineCharacters: 4_000,
  /** More than `lines` lines of `lineCharacters` four-byte characters never are. */
  fileBytes: 16 * 1024 ** 2,
} as const;

export interface HistoryOptions {
  readonly file: string;
  readonly redactor: Pick<Redactor, 'has'>;
  /** Told once when the file cannot be read or written; the session goes on with what it has in memory. */
  readonly onProblem: (problem: McpctlError) => void;
}

/** The history of one session. Several sessions may share the file: each appends, the last to close tidies up. */
export class History implements AsyncDisposable {
  readonly #options: HistoryOptions;
  #writing: Promise<void> = Promise.resolve();
  #broken = false;
  #last: string | undefined;
  #appended = false;
  #closed: Promise<void> | undefined;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** The stored lines, oldest first. Never throws: an unreadable file is an empty one, reported through `onProblem`. */
  async read(): Promise<string[]> {
    try {
      return await this.#stored();
    } catch (error) {
      this.#problem('read', error);
      return [];
    }
  }

  /** Stores a line, unless it is to stay in this session. Returns at once; lines are written in their order. */
  add(line: string): void {
    if (this.#broken || this.#closed || line === this.#last || !isStorable(line, this.#options.redactor)) return;
    this.#last = line;
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#append(line);
      } catch (error) {
        this.#problem('write', error);
      }
    });
  }

  /** Writes what is waiting, then rewrites the file without duplicates and without surplus lines. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#tidy();
    return this.#closed;
  }

  async #append(line: string): Promise<void> {
    const { file } = this.#options;
    if (!this.#appended) {
      await ensureFolder(dirname(file));
      await appendFile(file, '', { mode: 0o600 });
      // A file that a careless copy left readable for others.
      await chmod(file, 0o600);
      this.#appended = true;
    }
    await appendFile(file, `${line}\n`, { mode: 0o600 });
  }

  async #tidy(): Promise<void> {
    await this.#writing;
    if (this.#broken || !this.#appended) return;
    try {
      // Read again: another session may have appended meanwhile. What it appends from here to the rename is lost; it is history.
      const lines = await this.#stored();
      await writeFileAtomic(this.#options.file, lines.map((line) => `${line}\n`).join(''), { mode: 0o600, durable: false });
    } catch (error) {
      this.#problem('write', error);
    }
  }

  async #stored(): Promise<string[]> {
    const text = await readTextIfExists(this.#options.file, { maxBytes: historyLimits.fileBytes });
    return tidyLines((text ?? '').split('\n'));
  }

  #problem(what: 'read' | 'write', error: unknown): void {
    if (this.#broken) return;
    this.#broken = true;
    const { file, onProblem } = this.#options;
    const hint = 'lines typed now are kept for this session only; repair or remove that file';
    onProblem(
      new McpctlError('UNAVAILABLE', `Cannot ${what} the history ${file}: ${rootMessage(error)}`, { cause: error, hint }),
    );
  }
}

/** Without duplicates (the latest stays), without lines a terminal should not see, the newest 1,000, oldest first. */
export function tidyLines(lines: readonly string[]): string[] {
  const kept = new Set<string>();
  for (let i = lines.length - 1; i >= 0 && kept.size < historyLimits.lines; i--) {
    const line = lines[i]!.replace(/\r$/, '');
    if (isWellFormed(line)) kept.add(line);
  }
  return [...kept].reverse();
}

/** Whether a line may be written to disk: it is well-formed, does not start with a space, and carries nothing that looks secret. */
export function isStorable(line: string, redactor: Pick<Redactor, 'has'>): boolean {
  return isWellFormed(line) && !line.startsWith(' ') && !redactor.has(line) && !looksSecret(line);
}

function isWellFormed(line: string): boolean {
  return line.trim() !== '' && line.length <= historyLimits.lineCharacters && !line.includes('\n') && sanitizeText(line) === line;
}

/**
 * Names that are followed by a value: `token=x`, `"token": x`, `Authorization: x`, `?api_key=x`, `--client-secret x`.
 * The name is looked at as typed and with quotes and backslashes taken out, so that `to"k"en=x` hides nothing.
 */
const namedValues = /([\p{L}\p{N}_.-]+)\s*:?[=:]|--([\w-]+)[\s=]+(?=[^\s-])/gu;

/** Flags that take no value: the word after `--session` is a server. */
const switches = new Set(
  registry.flatMap(({ flags }) => flags.filter(({ value }) => value === undefined).map(({ name }) => name)),
);

/** `add`, as it is typed in a session. */
const addLine = /^\s*(?:mcpctl\s+)?(?:\/?mcp\s+)?(?:-\S+\s+)*\/?add\s/;

/** `auth-save` with a word behind its server: that is a token. */
function isTokenLine(line: string): boolean {
  const words = splitWords(line).words.map(({ text }) => text);
  const at = words.findIndex((word) => /^\/?auth-save$/.test(word));
  return at !== -1 && words.slice(at + 1).filter((word) => !word.startsWith('-')).length > 1;
}

function looksSecret(line: string): boolean {
  if (isTokenLine(line)) return true;
  // Its words say which values are written out and which are only referred to.
  if (addLine.test(line)) return literalSecrets(splitWords(line).words.map(({ text }) => text)).length > 0;
  for (const text of [line, line.replace(/["'\\]/g, '')]) {
    if (secretShapes.test(text)) return true;
    for (const [, name, flag = ''] of text.matchAll(namedValues)) {
      if (isSecretName(name ?? flag) && !switches.has(flag)) return true;
    }
  }
  return false;
}
