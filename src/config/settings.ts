/** What mcpctl remembers for the user beside the configuration: approvals, overrides of `enabled` for files it never writes, and the index of accounts. */
import { randomUUID } from 'node:crypto';
import { realpath, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { McpctlError, rootMessage } from '../core/errors.js';
import { readTextIfExists } from '../io/atomic-file.js';
import { type LockOptions, withFileLock } from '../io/file-lock.js';
import { isObject } from './shape.js';

/** Shown to the user, once: afterwards the broken file is out of the way. */
export interface SettingsWarning {
  readonly file: string;
  readonly message: string;
}

/** What a writer needs: who waits for the lock, and how long. Everything has a default. */
export type WriteAccess = LockOptions;

/** Overrides of `enabled`: file (real path) → server name → value. */
export type Overrides = ReadonlyMap<string, ReadonlyMap<string, boolean>>;

/** Every command reads this file. */
const maxBytes = 4 * 1024 ** 2;

export interface ReadSettings {
  /** As parsed. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly overrides: Overrides;
  readonly warning?: SettingsWarning;
}

/**
 * Reads the settings without the library that writes them, because every command does this. Nothing here stops a command:
 * what cannot be read counts as empty and gives a warning.
 */
export async function readSettings(configDir: string, access: WriteAccess): Promise<ReadSettings> {
  const file = settingsFile(configDir);
  const nothing = { settings: {}, overrides: new Map() };
  try {
    const text = await readTextIfExists(file, { maxBytes });
    if (text === undefined) return nothing;
    const settings = parseSettings(text);
    if (settings) return { settings, overrides: overridesOf(settings) };
    const kept = await withFileLock(lockFile(configDir), access, () => quarantine(file));
    return { ...nothing, ...(kept !== undefined && { warning: damaged(file, kept) }) };
  } catch (error) {
    return {
      ...nothing,
      warning: { file, message: `the settings could not be read and are ignored: ${rootMessage(error)}` },
    };
  }
}

export interface OverrideChange {
  /** The file that defines the server. */
  readonly file: string;
  readonly server: string;
  /** What is to count from now on; `null` = what the file says. */
  readonly enabled: boolean | null;
}

/**
 * Stores or removes an override, under a lock and in one step: parallel changes all count. Damaged settings are put aside first.
 *
 * @throws as `updateSettings`
 */
export async function setOverride(configDir: string, change: OverrideChange, access: WriteAccess): Promise<SettingsResult> {
  const { enabled, server } = change;
  const next = async (stored: unknown) => {
    const before = isObject(stored) && typeof stored.enabled === 'boolean' ? stored.enabled : null;
    if (before === enabled) return undefined;
    return enabled === null ? null : { enabled };
  };
  return updateSettings(configDir, { section: 'overrides', file: await sourceKey(change.file), server, next }, access);
}

export interface SettingsResult {
  readonly isChanged: boolean;
  /** The settings were damaged and had to be put aside. */
  readonly warning?: SettingsWarning;
}

export interface SettingsChange {
  readonly section: 'overrides' | 'approvals' | 'accounts' | 'wantedScopes';
  /** The file that defines the server, and the server: the key of what is stored. For accounts and scopes: the address, hashed, and the account. */
  readonly file: string;
  readonly server: string;
  /** Runs under the lock: what is stored, to what shall be. `null` removes it, `undefined` leaves it as it is. */
  readonly next: (stored: unknown) => Promise<object | null | undefined>;
}

/**
 * Changes what is stored for one server, under a lock and in one step. Damaged settings are put aside first.
 *
 * @throws McpctlError CONFIG_INVALID when the settings cannot be written, TIMEOUT (lock); what `next` throws
 */
export async function updateSettings(
  configDir: string,
  { section, file: key, server, next }: SettingsChange,
  access: WriteAccess,
): Promise<SettingsResult> {
  const file = settingsFile(configDir);
  const work = async () => {
    const kept = await quarantine(file);
    const warning = kept === undefined ? {} : { warning: damaged(file, kept) };
    const settings = parseSettings((await readTextIfExists(file, { maxBytes })) ?? '{}') ?? {};
    const all = copyOf(settings[section]);
    const ofFile = copyOf(all[key]);
    const value = await next(ofFile[server]);
    if (value === undefined || (value === null && !(server in ofFile))) return { isChanged: false, ...warning };
    delete ofFile[server];
    if (value !== null) ofFile[server] = value;
    delete all[key];
    if (Object.keys(ofFile).length > 0) all[key] = ofFile;
    // A file that cannot be read back would lose everything in it.
    const grown = Buffer.byteLength(JSON.stringify({ ...settings, [section]: all }, null, '\t'));
    if (value !== null && grown > maxBytes) throw tooMuch(file);

    const { default: Conf } = await import('conf');
    // Paths and server names contain dots, which the library would take for nesting.
    const store = new Conf<Record<string, unknown>>({
      cwd: configDir,
      configName: 'settings',
      projectSuffix: '',
      configFileMode: 0o600,
      accessPropertiesByDotNotation: false,
    });
    store.set(section, all);
    return { isChanged: true, ...warning };
  };
  try {
    return await withFileLock(lockFile(configDir), access, work);
  } catch (error) {
    if (error instanceof McpctlError || access.signal?.aborted) throw error;
    throw new McpctlError('CONFIG_INVALID', `The settings in ${configDir} could not be written: ${rootMessage(error)}`, {
      cause: error,
      server,
      hint: 'make room or correct the permissions of that folder, then try again',
    });
  }
}

function tooMuch(file: string): McpctlError {
  return new McpctlError('CONFIG_INVALID', `${file} would become larger than ${maxBytes / 1024 ** 2} MiB`, {
    hint: 'take back approvals that are not needed any more: mcpctl trust revoke <server>',
  });
}

function copyOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? { ...value } : {};
}

/** The overrides for the servers of one file. */
export async function overridesFor(overrides: Overrides, file: string): Promise<ReadonlyMap<string, boolean>> {
  if (overrides.size === 0) return new Map();
  return overrides.get(await sourceKey(file)) ?? new Map();
}

export function settingsFile(configDir: string): string {
  return join(configDir, 'settings.json');
}

function lockFile(configDir: string): string {
  return join(configDir, '.settings.json.lock');
}

/** A file under its real path, so that it is the same file through every link. */
async function sourceKey(file: string): Promise<string> {
  return realpath(file).catch(() => file);
}

function parseSettings(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function overridesOf(settings: Record<string, unknown>): Overrides {
  const overrides = new Map<string, Map<string, boolean>>();
  const all = settings.overrides;
  for (const [file, servers] of isObject(all) ? Object.entries(all) : []) {
    const ofFile = new Map<string, boolean>();
    for (const [name, value] of isObject(servers) ? Object.entries(servers) : []) {
      if (isObject(value) && typeof value.enabled === 'boolean') ofFile.set(name, value.enabled);
    }
    overrides.set(file, ofFile);
  }
  return overrides;
}

/** Moves a damaged file aside, never deletes it; `undefined` when another process did so or repaired it meanwhile. Needs the lock. */
async function quarantine(file: string): Promise<string | undefined> {
  const text = await readTextIfExists(file, { maxBytes });
  if (text === undefined || parseSettings(text)) return undefined;
  const kept = `${file}.damaged-${randomUUID().slice(0, 8)}`;
  await rename(file, kept);
  return kept;
}

function damaged(file: string, kept: string): SettingsWarning {
  return { file, message: `the settings were damaged and are reset; the damaged file is kept as ${kept}` };
}
