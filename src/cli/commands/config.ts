/** `config`: where the configuration lies, what it says, whether it is valid. */

import * as z from 'zod/mini';
import { describeServer } from '../../config/describe.js';
import { formatProblem } from '../../config/position.js';
import type { ConfigProblem } from '../../config/schema.js';
import { McpctlError } from '../../core/errors.js';
import type { Run, Text } from '../command.js';

export const args = z.object({ action: z.enum(['path', 'show', 'validate']) });

export type ConfigData =
  | {
      readonly files: readonly { path: string; source: string; exists: boolean }[];
      readonly stateDir: string;
      readonly runtimeDir: string;
    }
  | { readonly servers: Readonly<Record<string, unknown>> }
  | { readonly valid: boolean; readonly problems: readonly ConfigProblem[] };

export const run: Run<typeof args, ConfigData> = async ({ action }, { config }) => {
  const { files, places, servers, problems } = config;
  switch (action) {
    case 'path':
      return {
        data: {
          files: files.map(({ path, source, exists }) => ({ path, source, exists })),
          stateDir: places.stateDir,
          runtimeDir: places.runtimeDir,
        },
      };
    case 'show':
      return { data: { servers: Object.fromEntries([...servers].map(([name, server]) => [name, describeServer(server)])) } };
    case 'validate': {
      const broken = problems.filter(({ severity }) => severity === 'error');
      const data = { valid: broken.length === 0, problems };
      if (broken.length === 0) return { data };
      const what = `${broken.length} problem${broken.length === 1 ? '' : 's'} in the configuration`;
      return { data, error: new McpctlError('CONFIG_INVALID', what, { hint: 'mcpctl config path shows the files' }) };
    }
  }
};

export const text: Text<ConfigData> = (data) => {
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
