/** One configuration file from disk to checked content: bounds, encoding, syntax, shape, permissions. */
import { stat } from 'node:fs/promises';
import { sep } from 'node:path';
import { McpctlError, rootMessage } from '../core/errors.js';
import { readFileIfExists } from '../io/atomic-file.js';
import { limits } from './defaults.js';
import { isForeign } from './dialect-signs.js';
import { type ConfigDocument, isToml, JsoncDocument } from './document.js';
import type { Places } from './paths.js';
import type { ConfigFile, ConfigProblem, ServerSource } from './schema.js';
import { checkShape, type FileContent } from './shape.js';
import { unknownKeys } from './unknown-keys.js';

/** TOML is read more slowly than JSON: made for the purpose, a file of this size takes a second. */
const maxTomlBytes = 1024 ** 2;

export interface LoadedFile extends ConfigFile {
  readonly problems: readonly ConfigProblem[];
  readonly parsed?: { readonly document: ConfigDocument; readonly content: FileContent };
}

/**
 * Reads the user's own file: `config.json` or `config.toml`. Both at once is an error, because one of them would be edited and the
 * other one read.
 */
export async function readUserFile({ userFile, userToml }: Pick<Places, 'userFile' | 'userToml'>): Promise<LoadedFile> {
  const [json, hasToml] = await Promise.all([readConfigFile(userFile, 'user'), exists(userToml)]);
  if (!hasToml) return json;
  if (!json.exists) return readConfigFile(userToml, 'user');
  return { path: userFile, source: 'user', exists: true, problems: [twoUserFiles({ userFile, userToml })] };
}

/** The problem of a user who has `config.json` and `config.toml`. */
export function twoUserFiles({ userFile, userToml }: Pick<Places, 'userFile' | 'userToml'>): ConfigProblem {
  const message = `both ${userFile} and ${userToml} exist; keep one of them`;
  return { severity: 'error', file: userFile, line: 0, column: 0, path: '', message };
}

/** Reads and checks one file: TOML when its name ends in `.toml`, JSON with comments otherwise. What is wrong with it is in `problems`, never thrown. */
export async function readConfigFile(path: string, source: ServerSource): Promise<LoadedFile> {
  const wrong = (message: string): LoadedFile => ({
    path,
    source,
    exists: true,
    problems: [{ severity: 'error', file: path, line: 0, column: 0, path: '', message }],
  });
  const maxBytes = isToml(path) ? maxTomlBytes : limits.configFileBytes;
  let read: Awaited<ReturnType<typeof readFileIfExists>>;
  try {
    read = await readFileIfExists(path, { maxBytes });
  } catch (error) {
    return wrong(reasonFor(error, maxBytes));
  }
  if (!read)
    return source === 'user' ? { path, source, exists: false, problems: [] } : { ...wrong('no such file'), exists: false };
  const text = decode(read.bytes);
  if (text === undefined) return wrong('not UTF-8 text');

  const written = await parseText(path, text);
  if (written.problems.length > 0) return { path, source, exists: true, problems: written.problems };
  const document = isForeign(written) ? (await import('./dialects.js')).normalise(written) : written;
  const { content, issues } = checkShape(document);
  const problems = [
    ...document.problems,
    ...issues.map((issue) => document.problem('error', issue.path, issue.message, { key: issue.key ?? false })),
    ...unknownKeys(document),
    ...permissionWarnings(path, read),
  ];
  const isUsable = content && !problems.some(({ severity }) => severity === 'error');
  return { path, source, exists: true, problems, ...(isUsable && { parsed: { document, content } }) };
}

/** The text as a document, in the language that the file's name tells. */
export async function parseText(path: string, text: string): Promise<ConfigDocument> {
  if (!isToml(path)) return JsoncDocument.parse(path, text);
  const { TomlDocument } = await import('./toml-document.js');
  return TomlDocument.parse(path, text);
}

/** Whether something is there; what cannot be looked at is. A link that leads nowhere is no file yet. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
}

/** Undefined for what is not UTF-8: replaced by U+FFFD, invalid bytes would end up in an argument, and in the file when it is written again. */
export function decode(bytes: Buffer): string | undefined {
  // A NUL has a better message of its own, and UTF-16 is full of them.
  if (bytes.includes(0)) return bytes.toString('latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function reasonFor(error: unknown, maxBytes: number): string {
  if (error instanceof McpctlError && error.code === 'TOO_LARGE') {
    return `larger than ${maxBytes / 1024 ** 2} MiB, which is no configuration`;
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
