/** What a project file may do: nothing before its approval, and not everything after it. Loaded only inside a project. */
import { isAbsolute, relative, sep } from 'node:path';
import { resolveLinks } from '../io/atomic-file.js';
import type { JsonValue } from './document.js';
import type { Definition } from './layers.js';
import { plantedProgram } from './planted-program.js';
import { configInvalid, type KeyPath } from './position.js';
import type { Project } from './project.js';
import type { LoadedFile } from './read-file.js';
import { type ResolvedServer, type ResolveOptions, resolveServer } from './resolve.js';
import type { Approval, ConfigProblem } from './schema.js';
import type { FileContent, ServerEntry } from './shape.js';
import { type ApprovalRecord, approvalOf, approvalsFor, fingerprintOf } from './trust.js';
import { unapprovedServer } from './unapproved.js';

export interface ProjectGate {
  /** The approvals that count. */
  readonly approvals: ReadonlyMap<string, ApprovalRecord>;
  readonly problems: readonly ConfigProblem[];
  /** The file without what a project has no say in, with a warning for each. */
  restrict(file: LoadedFile): LoadedFile;
  approvalOf(definition: Pick<Definition, 'name' | 'file'>): Approval;
  resolve(options: ResolveOptions): Promise<ResolvedServer>;
}

export async function openProject(
  project: Project,
  settings: Readonly<Record<string, unknown>>,
  configDir: string,
): Promise<ProjectGate> {
  const stored = approvalsFor(settings, project.file);
  const isSafe = stored.size === 0 || !(await isInsideProject(configDir, project));
  const approvals: ReadonlyMap<string, ApprovalRecord> = isSafe ? stored : new Map();
  const judge = (name: string, entry: JsonValue | undefined) =>
    approvalOf(approvals.get(name), fingerprintOf(entry, project.root));
  return {
    approvals,
    problems: isSafe ? [] : [{ severity: 'warning', file: configDir, line: 0, column: 0, path: '', message: insideMessage }],
    restrict,
    approvalOf: ({ name, file }) => judge(name, file.parsed.document.at(['mcpServers', name])),
    resolve: async (options) => {
      const { document, name } = options;
      const approval = judge(name, document.at(['mcpServers', name]));
      if (approval !== 'approved') return unapprovedServer({ ...options, approval });
      return withPlantedProgram(await resolveServer({ ...options, approval }), options, project);
    },
  };
}

/** Whether the settings lie in the project: then the project could bring its own approvals along. */
export async function isInsideProject(configDir: string, { root }: Project): Promise<boolean> {
  // A folder that cannot be looked at holds no approvals.
  return isInside(root, await resolveLinks(configDir).catch(() => configDir));
}

export const insideMessage =
  'the settings lie inside the project, so approvals in them do not count; set MCPCTL_CONFIG_DIR to a folder outside it';

/** Whether `path` is `folder` or lies below it; both real paths. */
function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`));
}

/** What weakens a safeguard is the user's to say, not the project's. */
const ignoredOfServer: readonly KeyPath[] = [['trust'], ['inheritEnv'], ['oauth', 'allowHosts'], ['oauth', 'assumeS256']];

/** Whether a field of a server's entry has no effect in a project file. */
export function isIgnoredInProject(path: KeyPath): boolean {
  return ignoredOfServer.some((ignored) => ignored.every((key, index) => path[index] === key));
}

/** What steers mcpctl as a whole, or servers of other files. */
const ignoredOfFile: readonly KeyPath[] = [
  ['defaults'],
  ['startConcurrency'],
  ['metrics'],
  ['log'],
  ['credentials'],
  ['state'],
  ...ignoredOfServer,
];

function restrict(file: LoadedFile): LoadedFile {
  const { parsed } = file;
  if (!parsed) return file;
  const { document, content } = parsed;
  const warnings: ConfigProblem[] = [];
  const warn = (path: KeyPath) => {
    if (document.at(path) === undefined) return;
    warnings.push(document.problem('warning', path, ignoredMessage, { key: true }));
  };
  for (const path of ignoredOfFile) warn(path);
  const mcpServers: Record<string, ServerEntry> = Object.create(null);
  for (const [name, entry] of Object.entries(content.mcpServers ?? {})) {
    for (const path of ignoredOfServer) warn(['mcpServers', name, ...path]);
    mcpServers[name] = without(entry, ignoredOfServer);
  }
  // One warning for one key: that it would mean nothing anyway need not be said.
  const told = new Set(warnings.map(({ path }) => path));
  const others = file.problems.filter(({ path, severity }) => severity === 'error' || !told.has(path));
  const kept: FileContent = { ...without(content, ignoredOfFile), mcpServers };
  return { ...file, problems: [...others, ...warnings], parsed: { document, content: kept } };
}

const ignoredMessage = 'is ignored in a project file; it counts in your own configuration, or in a file given with -c';

function without<T extends object>(value: T, paths: readonly KeyPath[]): T {
  const copy = { ...value } as Record<string | number, unknown>;
  for (const [key, below] of paths) {
    const inner = copy[key!];
    if (below === undefined) delete copy[key!];
    else if (typeof inner === 'object' && inner !== null) copy[key!] = without(inner, [[below]]);
  }
  return copy as T;
}

async function withPlantedProgram(resolved: ResolvedServer, options: ResolveOptions, project: Project): Promise<ResolvedServer> {
  const { server } = resolved;
  if (server.definition.type !== 'stdio' || server.problem) return resolved;
  const message = await plantedProgram(server.definition, options.env, (path) => isInside(project.root, path));
  if (message === undefined) return resolved;
  const path = ['mcpServers', server.name, 'command'];
  const problem = options.document.problem('error', path, message);
  const told: ConfigProblem = server.enabled ? problem : { ...problem, severity: 'warning' };
  const hint = 'write the full path of the program that is meant; then approve it anew';
  return {
    ...resolved,
    server: { ...server, problem: configInvalid([problem], { server: server.name, hint }) },
    problems: [...resolved.problems, told],
  };
}
