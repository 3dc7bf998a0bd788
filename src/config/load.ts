/** Loads the configuration: reads the files, checks them, and resolves every server in them. */
import { dirname, resolve } from 'node:path';
import type { Clock } from '../core/clock.js';
import type { ConfigDocument } from './document.js';
import type { Env, Places } from './paths.js';
import { configInvalid } from './position.js';
import { type LoadedFile, readConfigFile } from './read-file.js';
import { resolveServer } from './resolve.js';
import {
  type Config,
  type ConfigFile,
  type ConfigProblem,
  defaultStartConcurrency,
  type ServerConfig,
  type ServerSource,
} from './schema.js';
import { overridesFor, readSettings } from './settings.js';
import type { FileContent, FileDefaults } from './shape.js';

export interface LoadOptions {
  /** Paths given with `-c`, relative to `cwd`; when there is one, no other file is read. */
  readonly files: readonly string[];
  readonly cwd: string;
  readonly env: Env;
  readonly places: Places;
  /** CPU cores, for the default of `startConcurrency`. */
  readonly cores: number;
  readonly clock: Clock;
  /** Of this process, for lock files. */
  readonly pid: number;
}

/**
 * Reads the user's file, or the files given with `-c` (a later one wins, server by server). A user's file that does not exist
 * is a configuration without servers.
 *
 * @throws McpctlError CONFIG_INVALID with every error of every file in `details.problems`, each with file, line and column.
 *   A variable that is not set is no such error: it is the `problem` of its server.
 */
export async function loadConfig(options: LoadOptions): Promise<Config> {
  const { cwd, env, places, cores, clock, pid } = options;
  const wanted: { path: string; source: ServerSource }[] =
    options.files.length > 0
      ? options.files.map((file) => ({ path: resolve(cwd, file), source: 'flag' }))
      : [{ path: places.userFile, source: 'user' }];
  const [settings, loaded] = await Promise.all([
    readSettings(places.configDir, { clock, pid }),
    Promise.all(wanted.map(({ path, source }) => readConfigFile(path, source))),
  ]);

  const problems: ConfigProblem[] = loaded.flatMap((file) => file.problems);
  if (settings.warning) problems.push({ severity: 'warning', line: 0, column: 0, path: '', ...settings.warning });
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length > 0) throw configInvalid(problems, hintFor(loaded));

  const merged = merge(loaded);
  const servers = new Map<string, ServerConfig>();
  const secrets = new Set<string>();
  const resolved = await Promise.all(
    [...merged.entries].map(async ([name, { entry, file }]) =>
      resolveServer({
        name,
        entry,
        source: file.source,
        document: file.document,
        defaults: merged.defaults,
        env,
        defaultCwd: file.source === 'user' ? cwd : dirname(file.path),
        override: file.source === 'user' ? undefined : (await overridesFor(settings.overrides, file.path)).get(name),
      }),
    ),
  );
  for (const one of resolved) {
    servers.set(one.server.name, one.server);
    problems.push(...one.problems);
    for (const secret of one.secrets) secrets.add(secret);
  }
  return {
    servers,
    files: loaded.map(({ path, source, exists }): ConfigFile => ({ path, source, exists })),
    problems,
    startConcurrency: merged.startConcurrency ?? defaultStartConcurrency(cores),
    places,
    secrets: [...secrets],
  };
}

function hintFor(loaded: readonly LoadedFile[]): { hint?: string } {
  const missing = loaded.find((file) => file.source === 'flag' && !file.exists);
  return missing ? { hint: 'check the path given with -c; without -c the user configuration is read (mcpctl config path)' } : {};
}

interface Merged {
  readonly entries: ReadonlyMap<string, { entry: NonNullable<FileContent['mcpServers']>[string]; file: ParsedFile }>;
  readonly defaults: FileDefaults;
  readonly startConcurrency: number | undefined;
}
type ParsedFile = Pick<LoadedFile, 'path' | 'source'> & { readonly document: ConfigDocument };

/** A server is taken whole from the last file that has it; single defaults override each other. */
function merge(loaded: readonly LoadedFile[]): Merged {
  const entries = new Map<string, { entry: NonNullable<FileContent['mcpServers']>[string]; file: ParsedFile }>();
  let defaults: FileDefaults = {};
  let startConcurrency: number | undefined;
  for (const { path, source, parsed } of loaded) {
    if (!parsed) continue;
    const { document, content } = parsed;
    for (const [name, entry] of Object.entries(content.mcpServers ?? {}))
      entries.set(name, { entry, file: { path, source, document } });
    defaults = {
      timeouts: { ...defaults.timeouts, ...content.defaults?.timeouts },
      health: { ...defaults.health, ...content.defaults?.health },
    };
    startConcurrency = content.startConcurrency ?? startConcurrency;
  }
  return { entries, defaults, startConcurrency };
}
