/** `config`: where the configuration lies, what it says, whether it is valid, and where the values of a server come from. */

import * as z from 'zod/mini';
import { describeServer } from '../../config/describe.js';
import type { ExplainedValue, Explanation } from '../../config/explain.js';
import { formatProblem } from '../../config/position.js';
import type { Config, ConfigFile, ConfigProblem } from '../../config/schema.js';
import { McpctlError } from '../../core/errors.js';
import type { CommandContext, Run, Text } from '../command.js';

export const args = z.object({
  action: z.enum(['path', 'show', 'validate', 'explain']),
  server: z.optional(z.string()),
});

export type ConfigData =
  | {
      readonly files: readonly { path: string; source: string; exists: boolean }[];
      readonly stateDir: string;
      readonly runtimeDir: string;
    }
  | { readonly servers: Readonly<Record<string, unknown>> }
  | { readonly valid: boolean; readonly problems: readonly ConfigProblem[] }
  | Explanation;

export const run: Run<typeof args, ConfigData> = async ({ action, server }, { config, manager }) => {
  if (action !== 'explain' && server !== undefined) throw surplus(action);
  const { places, servers, problems } = config;
  switch (action) {
    case 'path':
      return {
        data: {
          files: candidates(config),
          stateDir: places.stateDir,
          runtimeDir: places.runtimeDir,
        },
      };
    case 'show':
      return { data: { servers: Object.fromEntries([...servers].map(([name, server]) => [name, describeServer(server)])) } };
    case 'explain':
      return { data: await explain(server, config, manager) };
    case 'validate': {
      const broken = problems.filter(({ severity }) => severity === 'error');
      const data = { valid: broken.length === 0, problems };
      if (broken.length === 0) return { data };
      const what = `${broken.length} problem${broken.length === 1 ? '' : 's'} in the configuration`;
      return { data, error: new McpctlError('CONFIG_INVALID', what, { hint: 'mcpctl config path shows the files' }) };
    }
  }
};

/** The files that are read, and the place of the user's file in its other form. */
function candidates({ files, places }: Config): ConfigFile[] {
  const shown = files.map(({ path, source, exists }) => ({ path, source, exists }));
  const own = shown.findIndex(({ source }) => source === 'user');
  if (own === -1) return shown;
  const other = shown[own]!.path === places.userToml ? places.userFile : places.userToml;
  return [...shown.slice(0, own + 1), { path: other, source: 'user', exists: false }, ...shown.slice(own + 1)];
}

async function explain(name: string | undefined, config: Config, manager: CommandContext['manager']): Promise<Explanation> {
  if (name === undefined) {
    throw new McpctlError('USAGE', 'config explain needs the name of a server', { hint: 'mcpctl servers lists them' });
  }
  // The manager knows the nearest names.
  manager.snapshot([name]);
  const { explainServer } = await import('../../config/explain.js');
  return explainServer(config, config.servers.get(name)!);
}

function surplus(action: string): McpctlError {
  return new McpctlError('USAGE', `config ${action} takes no server`, { hint: 'mcpctl config explain <server> is about one' });
}

export const text: Text<ConfigData> = (data) => {
  if ('values' in data) return explanationText(data);
  if ('files' in data) {
    return [
      ...data.files.map(({ path, source, exists }) => `${source}: ${path}${exists ? '' : ' (not there yet)'}`),
      `state: ${data.stateDir}`,
      `runtime: ${data.runtimeDir}`,
    ].join('\n');
  }
  if ('servers' in data) return JSON.stringify(data.servers, null, 2);
  const lines = data.problems.map((problem) => `${problem.severity}: ${formatProblem(problem)}`);
  return lines.length === 0 ? 'The configuration is valid.' : lines.join('\n');
};

/** Nothing is cut: whoever asks where a value comes from wants to see it. */
function explanationText(data: Explanation): string {
  const { server, source, approval, target, override, values, others, problem, notes } = data;
  const place = ({ file, line, column }: { file: string; line: number; column: number }) => `${file}:${line}:${column}`;
  const lines = [`${server}: ${target}`, `defined in ${place(data)} (${source})`];
  if (approval !== 'not-needed') lines.push(`approval: ${approval}`);
  if (override) lines.push(`${override.enabled ? 'enabled' : 'disabled'} by an override in ${override.file}`);
  for (const other of others) {
    const what = other.why === 'waiting' ? 'not approved, so it does not count' : 'shadowed';
    lines.push(`${what}: ${place(other)} (${other.source}): ${other.target}`);
  }
  if (problem !== null) lines.push(`problem: ${problem}`);
  for (const note of notes) if (note.severity === 'warning') lines.push(`warning: ${formatProblem(note)}`);
  const rows = values.map((value) => [value.path, JSON.stringify(value.value), originText(value)] as const);
  const width = (column: 0 | 1) => Math.min(40, Math.max(...rows.map((row) => row[column].length)));
  const [keys, middle] = [width(0), width(1)];
  return [...lines, '', ...rows.map(([key, value, from]) => `${key.padEnd(keys)}  ${value.padEnd(middle)}  ${from}`)].join('\n');
}

function originText({ from, preset, file, line, column, variables }: ExplainedValue): string {
  const used = variables.length > 0 ? ` (${variables.join(', ')})` : '';
  switch (from) {
    case 'default':
      return 'default';
    case 'preset':
      return `preset ${preset}`;
    case 'settings':
      return `${file}`;
    case 'file':
      return `${file}:${line}:${column}${used}`;
  }
}
