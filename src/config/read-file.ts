/** One configuration file from disk to checked content: bounds, encoding, syntax, shape, permissions. */
import { sep } from 'node:path';
import { McpctlError, rootMessage } from '../core/errors.js';
import { readFileIfExists } from '../io/atomic-file.js';
import { JsoncDocument } from './document.js';
import { type ConfigFile, type ConfigProblem, limits, type ServerSource } from './schema.js';
import { checkShape, type FileContent } from './shape.js';
import { unknownKeys } from './unknown-keys.js';

export interface LoadedFile extends ConfigFile {
  readonly problems: readonly ConfigProblem[];
  readonly parsed?: { readonly document: JsoncDocument; readonly content: FileContent };
}

/** Reads and checks one file. What is wrong with it is in `problems`, never thrown. */
export async function readConfigFile(path: string, source: ServerSource): Promise<LoadedFile> {
  const wrong = (message: string): LoadedFile => ({
    path,
    source,
    exists: true,
    problems: [{ severity: 'error', file: path, line: 0, column: 0, path: '', message }],
  });
  let read: Awaited<ReturnType<typeof readFileIfExists>>;
  try {
    read = await readFileIfExists(path, { maxBytes: limits.configFileBytes });
  } catch (error) {
    return wrong(reasonFor(error));
  }
  if (!read)
    return source === 'user' ? { path, source, exists: false, problems: [] } : { ...wrong('no such file'), exists: false };
  const text = decode(read.bytes);
  if (text === undefined) return wrong('not UTF-8 text');

  const document = JsoncDocument.parse(path, text);
  if (document.problems.length > 0) return { path, source, exists: true, problems: document.problems };
  const { content, issues } = checkShape(document);
  const problems = [
    ...issues.map((issue) => document.problem('error', issue.path, issue.message, { key: issue.key ?? false })),
    ...unknownKeys(document),
    ...permissionWarnings(path, read),
  ];
  return { path, source, exists: true, problems, ...(content && { parsed: { document, content } }) };
}

/** Invalid bytes are an error here: replaced by U+FFFD they would end up in an argument or a header. */
function decode(bytes: Buffer): string | undefined {
  // A NUL has a better message of its own, and UTF-16 is full of them.
  if (bytes.includes(0)) return bytes.toString('latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function reasonFor(error: unknown): string {
  if (error instanceof McpctlError && error.code === 'TOO_LARGE') {
    return `larger than ${limits.configFileBytes / 1024 ** 2} MiB, which is no configuration`;
  }
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EISDIR':
      return 'is a directory, not a file';
    case 'EACCES':
    case 'EPERM':
      return 'cannot be read: permission denied';
    case 'ELOOP':
      return 'cannot be read: a symbolic link that leads to itself';
    default:
      return `cannot be read: ${rootMessage(error)}`;
  }
}

/** Whoever can write the file decides which programs run here. Windows has no such bits. */
function permissionWarnings(path: string, { mode, isRegular }: { mode: number; isRegular: boolean }): ConfigProblem[] {
  if (!isRegular || sep === '\\' || (mode & 0o022) === 0) return [];
  const who = mode & 0o002 ? 'everyone' : 'its group';
  return [
    {
      severity: 'warning',
      file: path,
      line: 0,
      column: 0,
      path: '',
      message: `${who} can write this file; run: chmod go-w ${path}`,
    },
  ];
}
