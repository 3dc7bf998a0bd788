/** Where the manager of a configuration is met. Computed from names alone, without reading a file: every command asks for it first. */
import { realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Places } from './paths.js';
import { findProject } from './project.js';

/** Absolute paths; none of them needs to exist. */
export interface ManagerAddress {
  /** Everything that the names below are made from: what a manager's record must say, so that two equal names cannot be mixed up. */
  readonly identity: string;
  /** Unix domain socket. */
  readonly socket: string;
  /** Who listens there, and the token; see `io/manager-record.ts`. */
  readonly record: string;
  /** Held while a manager takes the place. */
  readonly lock: string;
  /** What a manager in the background says on stderr. */
  readonly log: string;
}

export interface AddressOptions {
  readonly places: Places;
  readonly cwd: string;
  /** As given with `-c`. */
  readonly files: readonly string[];
  readonly preset: string | undefined;
  /** The folder for temporary files, where a socket goes whose own path would be too long. */
  readonly tmp: string;
}

/** `sun_path` of Linux holds 108 bytes with the closing NUL, that of macOS 104. */
const maxSocketBytes = 103;

/** The same for every command that would read the same files in the same way. With `-c` the project does not matter: its file is not read. */
export function managerAddress({ places, cwd, files, preset, tmp }: AddressOptions): ManagerAddress {
  const project = files.length > 0 ? null : (findProject(cwd)?.root ?? null);
  const identity = JSON.stringify([
    places.configDir,
    places.stateDir,
    files.map((file) => realPath(resolve(cwd, file))),
    project,
    // The default by another name.
    preset === undefined || preset === 'production' ? null : preset,
  ]);
  const name = `manager-${shortHash(identity)}`;
  const at = (suffix: string) => join(places.runtimeDir, name + suffix);
  const socket = at('.sock');
  // The record is the proof of who listens, and it stays in the runtime folder.
  const fits = Buffer.byteLength(socket) <= maxSocketBytes;
  return {
    identity,
    socket: fits ? socket : join(tmp, `mcpctl-${name}-${shortHash(places.runtimeDir)}.sock`),
    record: at('.json'),
    lock: at('.lock'),
    log: join(places.stateDir, `${name}.log`),
  };
}

/** FNV-1a, 64 bits, as 16 hex digits: loading node:crypto takes longer than asking the manager. */
function shortHash(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash.toString(16).padStart(16, '0');
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
