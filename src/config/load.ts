/** Loads the configuration: reads the files, checks them, and resolves every server in them. */
import { dirname, resolve } from 'node:path';
import type { Clock } from '../core/clock.js';
import { defaultStartConcurrency } from './defaults.js';
import { type Definition, defaultsOf, definitionsOf, type Layers } from './layers.js';
import { logOptions } from './log-level.js';
import { defaultMetrics } from './metrics-endpoint.js';
import type { ResolvedMetrics } from './metrics-options.js';
import type { Env, Places } from './paths.js';
import { configInvalid } from './position.js';
import { defaultPreset, type PresetName } from './presets.js';
import { findProject, isSameFile, type Project } from './project.js';
import type { ProjectGate } from './project-gate.js';
import { type LoadedFile, readConfigFile, readUserFile } from './read-file.js';
import { type ResolvedServer, resolveServer } from './resolve.js';
import type { Config, ConfigFile, ConfigProblem, ServerConfig } from './schema.js';
import { overridesFor, readSettings } from './settings.js';

export interface LoadOptions {
  /** Paths given with `-c`, relative to `cwd`; when there is one, no other file is read. */
  readonly files: readonly string[];
  readonly preset?: PresetName | undefined;
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
 * Reads the user's file and that of the project, or the files given with `-c`; a later one wins, server by server. A user's file that
 * does not exist is a configuration without servers. Of a server of the project that is not approved nothing is expanded or looked up.
 *
 * @throws McpctlError CONFIG_INVALID with every error of every file in `details.problems`, each with file, line and column.
 *   A variable that is not set is no such error: it is the `problem` of its server.
 */
export async function loadConfig(options: LoadOptions): Promise<Config> {
  const { cwd, env, places, cores, clock, pid, preset = defaultPreset } = options;
  const project = options.files.length > 0 ? undefined : projectOf(cwd, places);
  const [settings, read] = await Promise.all([
    readSettings(places.configDir, { clock, pid }),
    Promise.all(
      options.files.length > 0
        ? options.files.map((file) => readConfigFile(resolve(cwd, file), 'flag'))
        : [readUserFile(places), ...(project ? [readConfigFile(project.file, 'project')] : [])],
    ),
  ]);
  const gate = project && (await (await import('./project-gate.js')).openProject(project, settings.settings, places.configDir));
  // A project's file that went away since it was found is no error.
  const there = read.filter(({ source, exists }) => source !== 'project' || exists);
  const files = gate ? there.map((file) => (file.source === 'project' ? gate.restrict(file) : file)) : there;

  const problems: ConfigProblem[] = files.flatMap((file) => file.problems);
  if (settings.warning) problems.push({ severity: 'warning', line: 0, column: 0, path: '', ...settings.warning });
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length > 0) throw configInvalid(problems, hintFor(files));
  if (gate) problems.push(...gate.problems);

  const layers: Layers = { preset, files, project, approvals: gate?.approvals ?? new Map(), env };
  const defaults = defaultsOf(preset, files);
  const resolveOne = async (definition: Definition): Promise<ResolvedServer> => {
    const { name, entry, file } = definition;
    const one = {
      name,
      entry,
      source: file.source,
      approval: 'not-needed' as const,
      document: file.parsed.document,
      defaults,
      env,
      defaultCwd: file.source === 'user' ? cwd : dirname(file.path),
      override: file.source === 'user' ? undefined : (await overridesFor(settings.overrides, file.path)).get(name),
    };
    return gate && file.source === 'project' ? gate.resolve(one) : resolveServer(one);
  };
  const servers = new Map<string, ServerConfig>();
  const secrets = new Set<string>();
  const chosen = [...definitionsOf(files).values()].map((all) => choose(all, gate, problems));
  for (const one of await Promise.all(chosen.map(resolveOne))) {
    servers.set(one.server.name, one.server);
    problems.push(...one.problems);
    for (const secret of one.secrets) secrets.add(secret);
  }
  const startConcurrency = files.findLast(({ parsed }) => parsed?.content.startConcurrency !== undefined);
  const credentials = files.findLast(({ parsed }) => parsed?.content.credentials?.store !== undefined);
  const { metrics, ...found } = await metricsOf(files, env);
  problems.push(...found.problems);
  for (const secret of found.secrets) secrets.add(secret);
  const { log, problem } = logOptions(files, preset, env);
  if (problem) problems.push(problem);
  return {
    servers,
    log,
    metrics,
    files: files.map(({ path, source, exists }): ConfigFile => ({ path, source, exists })),
    problems,
    startConcurrency: startConcurrency?.parsed?.content.startConcurrency ?? defaultStartConcurrency(cores),
    credentialStore: credentials?.parsed?.content.credentials?.store ?? 'auto',
    places,
    secrets: [...secrets],
    layers,
  };
}

async function metricsOf(files: readonly LoadedFile[], env: Env): Promise<ResolvedMetrics> {
  const file = files.findLast(({ parsed }) => parsed?.content.metrics !== undefined);
  if (!file) return { metrics: defaultMetrics, problems: [], secrets: [] };
  return (await import('./metrics-options.js')).metricsOptions(file.parsed!, env);
}

/** The user's own file counts as the user's also where it is reached as a project's. */
function projectOf(cwd: string, { userFile, userToml }: Places): Project | undefined {
  const project = findProject(cwd);
  if (!project || isSameFile(project.file, userFile) || isSameFile(project.file, userToml)) return undefined;
  return project;
}

/** A server is taken whole from the last file that has it; what waits for an approval takes nothing away from the user. */
function choose(all: readonly Definition[], gate: ProjectGate | undefined, problems: ConfigProblem[]): Definition {
  const last = all.at(-1)!;
  const before = all.at(-2);
  if (last.file.source !== 'project' || !before || !gate || gate.approvalOf(last) === 'approved') return last;
  const { document } = last.file.parsed;
  const message = `is not approved, so "${last.name}" of ${before.file.path} stays in force; look at it: mcpctl trust approve ${last.name}`;
  problems.push(document.problem('warning', ['mcpServers', last.name], message, { key: true }));
  return before;
}

function hintFor(files: readonly LoadedFile[]): { hint?: string } {
  const missing = files.find((file) => file.source === 'flag' && !file.exists);
  if (missing) return { hint: 'check the path given with -c; without -c the user configuration is read (mcpctl config path)' };
  const broken = files.find(({ problems }) => problems.some(({ severity }) => severity === 'error'));
  if (broken?.source === 'project') return { hint: 'the file belongs to the project; correct it, or work in another folder' };
  return {};
}
