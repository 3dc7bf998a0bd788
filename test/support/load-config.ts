/** `loadConfig` for tests: a temporary home, a given environment, two cores. */

import { loadConfig } from '../../src/config/load.js';
import { findPlaces } from '../../src/config/paths.js';
import type { PresetName } from '../../src/config/presets.js';
import type { Config, ServerConfig } from '../../src/config/schema.js';
import { systemClock } from '../../src/core/clock.js';
import type { TempHome } from './temp-home.js';

export interface LoadFor {
  readonly files?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly cores?: number;
  readonly preset?: PresetName;
}

/** Loads as a command in `home` would; `env` is the whole environment the variables are looked up in. */
export function loadFor(
  home: TempHome,
  { files = [], env = {}, cwd = home.projectDir, cores = 2, preset }: LoadFor = {},
): Promise<Config> {
  const places = findPlaces(home.env, home.home, '/nowhere', 1);
  return loadConfig({ files, cwd, env, places, cores, preset, clock: systemClock, pid: process.pid });
}

export function serverOf(config: Config, name: string): ServerConfig {
  const server = config.servers.get(name);
  if (!server) throw new Error(`no server "${name}" among: ${[...config.servers.keys()].join(', ')}`);
  return server;
}
