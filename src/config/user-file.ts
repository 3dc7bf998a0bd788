/** Changes to the user's own configuration file: one server or value at a time, everything else stays as it was typed. */
import { basename, dirname, join } from 'node:path';
import { McpctlError, rootMessage } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import { readFileIfExists, removeTemporaryFiles, resolveLinks, writeFileAtomic } from '../io/atomic-file.js';
import { withFileLock } from '../io/file-lock.js';
import { canonicalJson } from './canonical.js';
import { limits } from './defaults.js';
import { serverSections } from './dialect-signs.js';
import { bom, isToml, type JsonValue, valueAt } from './document.js';
import { type EditableFile, editableFile } from './editable-file.js';
import type { Places } from './paths.js';
import { configInvalid, type KeyPath } from './position.js';
import { decode, exists, twoUserFiles } from './read-file.js';
import type { WriteAccess } from './settings.js';
import { isObject } from './shape.js';

/** One intended change: the text that makes it, and where which value must be found afterwards, `undefined` for none. */
export interface Change {
  /** `undefined` when this file's text does not allow it. */
  readonly text: string | undefined;
  readonly path: KeyPath;
  readonly value: JsonValue | undefined;
}

type UserPlaces = Pick<Places, 'userFile' | 'userToml'>;

/**
 * The user's file: `config.json` or `config.toml`, whichever exists; `config.json` when there is none yet.
 *
 * @throws McpctlError CONFIG_INVALID when both exist
 */
export async function findUserFile(places: UserPlaces): Promise<string> {
  const { userFile, userToml } = places;
  const [hasJson, hasToml] = await Promise.all([exists(userFile), exists(userToml)]);
  if (hasJson && hasToml) throw configInvalid([twoUserFiles(places)]);
  return hasToml ? userToml : userFile;
}

/**
 * Adds a server to the user's file, which is made when there is none. `entry` must have passed `checkEntry`.
 *
 * @returns the file
 * @throws McpctlError USAGE when the file has a server of that name; CONFIG_INVALID as `editUserFile`; TIMEOUT (lock)
 */
export async function addServer(
  places: UserPlaces,
  name: string,
  entry: { [key: string]: JsonValue },
  access: WriteAccess,
): Promise<string> {
  const file = await findUserFile(places);
  const edit = (content: EditableFile): Change => {
    const found = pathOf(content, name);
    if (found) {
      const { line } = content.document.position(found, { key: true });
      throw new McpctlError('USAGE', `There is a server "${name}" already, in ${file}:${line}`, {
        server: name,
        hint: `choose another name, or take that one out first: mcpctl remove ${name}`,
      });
    }
    // Other programs' shapes keep their section.
    const section = serverSections.find((path) => isObject(content.document.at(path))) ?? serverSections[0]!;
    return { text: content.withServer(section, name, entry), path: [...section, name], value: entry };
  };
  await editUserFile(file, edit, access, { create: true });
  return file;
}

/**
 * Takes a server out of the user's file.
 *
 * @returns the file
 * @throws McpctlError UNKNOWN_SERVER when it is not there; CONFIG_INVALID as `editUserFile`; TIMEOUT (lock)
 */
export async function removeServer(places: UserPlaces, name: string, access: WriteAccess): Promise<string> {
  const file = await findUserFile(places);
  if (!(await exists(file))) throw unknownServer(file, name, []);
  const edit = (content: EditableFile): Change => {
    const path = existing(content, name);
    return { text: content.withoutServer(path), path, value: undefined };
  };
  await editUserFile(file, edit, access);
  return file;
}

/**
 * Sets `enabled` of one server in `file`. Nothing is written when the file says so already.
 *
 * @returns whether the file changed
 * @throws McpctlError UNKNOWN_SERVER; CONFIG_INVALID as `editUserFile`; TIMEOUT (lock)
 */
export function setEnabled(file: string, server: string, enabled: boolean, access: WriteAccess): Promise<boolean> {
  return editUserFile(file, (content) => enabledChange(content, server, enabled), access);
}

/** `undefined`: the file says so already. */
export function enabledChange(content: EditableFile, server: string, enabled: boolean): Change | undefined {
  const path = existing(content, server);
  const { document } = content;
  const entry = document.at(path);
  if (!isObject(entry))
    throw configInvalid([
      document.problem('error', path, `expected object, got ${Array.isArray(entry) ? 'array' : typeof entry}`),
    ]);
  if (enabled && path[0] === 'mcp' && document.at(['mcp', 'enabled']) === false) {
    const { line } = document.position(['mcp', 'enabled']);
    throw new McpctlError(
      'CONFIG_INVALID',
      `${document.file}:${line}: "mcp.enabled" is false and switches off every server in it`,
      {
        server,
        hint: 'set "mcp.enabled" to true by hand, and disable the servers that are not wanted',
      },
    );
  }
  // Other programs say it the other way round.
  const key = typeof entry.disabled === 'boolean' && entry.enabled === undefined ? 'disabled' : 'enabled';
  const value = key === 'enabled' ? enabled : !enabled;
  // Without the key a server is enabled.
  if ((entry[key] ?? key === 'enabled') === value) return undefined;
  return { text: content.withFlag(path, key, value), path: [...path, key], value };
}

/**
 * Changes `file` under a lock, so that parallel changes all count: reads it, makes the edit, checks that the new text says exactly
 * what was intended and nothing else changed, and replaces the file in one step, 0600. Comments, order, indentation, unknown keys,
 * line endings and a byte order mark stay; a symbolic link stays and its target is replaced.
 *
 * @param edit returns `undefined` when nothing is to be done
 * @returns whether the file changed
 * @throws McpctlError CONFIG_INVALID when the file is missing (without `create`), broken, cannot be edited or cannot be written;
 *   TIMEOUT (lock); what `edit` throws. The file is untouched then
 */
async function editUserFile(
  file: string,
  edit: (content: EditableFile) => Change | undefined,
  access: WriteAccess,
  { create = false } = {},
): Promise<boolean> {
  try {
    const target = await resolveLinks(file);
    const lock = join(dirname(target), `.${basename(target)}.lock`);
    return await withFileLock(lock, access, async () => {
      const before = await open(file, target, create);
      const change = edit(before);
      if (!change) return false;
      const text = checked(before, change);
      if (Buffer.byteLength(text) > limits.configFileBytes) {
        throw new McpctlError('CONFIG_INVALID', `${file} would become larger than ${limits.configFileBytes / 1024 ** 2} MiB`, {
          hint: 'nothing was changed; put large values into a file that the server reads itself',
        });
      }
      await removeTemporaryFiles(target);
      await writeFileAtomic(target, before.document.hasBom ? bom + text : text);
      return true;
    });
  } catch (error) {
    if (error instanceof McpctlError || access.signal?.aborted) throw error;
    throw new McpctlError('CONFIG_INVALID', `${file} could not be changed: ${rootMessage(error)}`, {
      cause: error,
      hint: 'nothing was changed; make room or correct the permissions, then try again',
      details: { path: file, code: (error as NodeJS.ErrnoException).code ?? null },
    });
  }
}

async function open(file: string, target: string, create: boolean): Promise<EditableFile> {
  const read = await readFileIfExists(target, { maxBytes: limits.configFileBytes });
  if (!read && !create) {
    throw new McpctlError('CONFIG_INVALID', `${file} does not exist any more`, {
      hint: 'mcpctl config path shows which files are read',
    });
  }
  const text = read ? decode(read.bytes) : '';
  if (text === undefined)
    throw configInvalid([{ severity: 'error', file, line: 0, column: 0, path: '', message: 'not UTF-8 text' }]);
  // An empty file is as good as none, where a server is to be added.
  const content = await editableFile(file, create && text.trim() === '' && !isToml(file) ? '{}\n' : text);
  if (content.document.problems.length > 0) throw configInvalid(content.document.problems);
  return content;
}

/** The new text, once it is sure that it makes this change and no other: the file is worth more than the command. */
function checked(before: EditableFile, { text, path, value }: Change): string {
  const after = text === undefined ? undefined : before.parse(text).document;
  if (text !== undefined && after?.problems.length === 0) {
    if (canonicalJson(after.value) === canonicalJson(withValue(before.document.value, path, value))) return text;
  }
  const { file } = before.document;
  const { line } = before.document.position(path, { key: true });
  const lines = value === undefined ? [] : before.byHand(path, value);
  const what = value === undefined ? `take out ${path.join('.')}` : 'write';
  throw new McpctlError('CONFIG_INVALID', `${file} is written in a way that cannot be changed safely; nothing was changed`, {
    hint: [`${what} by hand, near line ${line}${lines.length > 0 ? ':' : ''}`, ...lines.map((one) => `  ${one}`)].join('\n'),
    details: { path: file, line, lines },
  });
}

/** A copy of `root` with `value` at `path`; missing objects on the way are made. */
function withValue(root: JsonValue, path: KeyPath, value: JsonValue | undefined): JsonValue {
  const [key, ...rest] = path;
  const object: { [key: string]: JsonValue } = isObject(root) ? { ...root } : {};
  if (key === undefined) return value ?? null;
  if (rest.length === 0 && value === undefined) delete object[key];
  else object[key] = withValue(object[key] ?? null, rest, value);
  return object;
}

/** Where the server stands in this file. */
function pathOf({ document }: EditableFile, name: string): KeyPath | undefined {
  return serverSections.map((section) => [...section, name]).find((path) => document.at(path) !== undefined);
}

function existing(content: EditableFile, name: string): KeyPath {
  const path = pathOf(content, name);
  if (path) return path;
  const servers = serverSections.map((section) => valueAt(content.document.value, section));
  throw unknownServer(
    content.document.file,
    name,
    servers.flatMap((section) => (isObject(section) ? Object.keys(section) : [])),
  );
}

function unknownServer(file: string, server: string, names: readonly string[]): McpctlError {
  return new McpctlError('UNKNOWN_SERVER', `There is no server "${server}" in ${file}`, {
    server,
    hint: didYouMean(server, names) ?? 'mcpctl servers lists the servers there are',
  });
}
