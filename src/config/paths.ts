/** Where mcpctl keeps its files: a pure function of environment, home and user id. */
import { isAbsolute, join } from 'node:path';

/** The environment as a plain record; `process.env` fits. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Absolute places; none of them needs to exist. */
export interface Places {
  /** User configuration and settings. */
  readonly configDir: string;
  /** What is remembered between runs: tool lists, eras, logs, history. */
  readonly stateDir: string;
  /** Sockets, locks and the process registry: gone after a reboot. */
  readonly runtimeDir: string;
  /** The user's configuration, JSON with comments. */
  readonly userFile: string;
  /** The same in TOML; only one of the two may exist. */
  readonly userToml: string;
}

/**
 * Finds the places. Order: `MCPCTL_*_DIR`, then the XDG variables, then the defaults below `home` (runtime: below `tmp`).
 * An empty or relative variable counts as unset (XDG Base Directory Specification 0.8: relative paths are invalid),
 * so that the same place is found from every working directory.
 *
 * @param uid the numeric user id, `undefined` where the platform has none
 */
export function findPlaces(env: Env, home: string, tmp: string, uid: number | undefined): Places {
  const configDir = absolute(env.MCPCTL_CONFIG_DIR) ?? below(env.XDG_CONFIG_HOME) ?? join(home, '.config', 'mcpctl');
  const stateDir = absolute(env.MCPCTL_STATE_DIR) ?? below(env.XDG_STATE_HOME) ?? join(home, '.local', 'state', 'mcpctl');
  const runtimeDir =
    absolute(env.MCPCTL_RUNTIME_DIR) ?? below(env.XDG_RUNTIME_DIR) ?? join(tmp, uid === undefined ? 'mcpctl' : `mcpctl-${uid}`);
  return {
    configDir,
    stateDir,
    runtimeDir,
    userFile: join(configDir, 'config.json'),
    userToml: join(configDir, 'config.toml'),
  };
}

function absolute(value: string | undefined): string | undefined {
  return value && isAbsolute(value) ? value : undefined;
}

function below(value: string | undefined): string | undefined {
  const base = absolute(value);
  return base === undefined ? undefined : join(base, 'mcpctl');
}
