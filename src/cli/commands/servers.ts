/** `servers`: what the configuration says; nothing is connected. */

import * as z from 'zod/mini';
import type { ServerConfig } from '../../config/schema.js';
import type { Run, Text } from '../command.js';
import { paint, table } from '../render.js';

export const args = z.object({});

export interface ServersData {
  readonly servers: readonly {
    readonly name: string;
    readonly transport: 'stdio' | 'http' | 'sse' | 'auto';
    readonly target: string;
    readonly source: string;
    readonly file: string;
    readonly enabled: boolean;
    readonly approval: ServerConfig['approval'];
    /** Why it cannot be used as it is written; null = nothing is wrong with it. */
    readonly problem: string | null;
  }[];
}

export const run: Run<typeof args, ServersData> = async (_, { config }) => ({
  data: {
    servers: [...config.servers.values()].map(({ name, definition, target, source, file, enabled, approval, problem }) => ({
      name,
      transport: definition.type,
      target,
      source,
      file,
      enabled,
      approval,
      problem: problem?.message ?? null,
    })),
  },
});

/** Before the target of a server that waits for its approval. */
const waiting = { missing: '(not approved)', changed: '(changed since it was approved)' } as const;

export const text: Text<ServersData> = ({ servers }, options) => {
  if (servers.length === 0) return 'No servers are configured. Add one: mcpctl add <name> <command or URL>';
  const chalk = paint(options.color);
  return table(
    [{ head: 'SERVER' }, { head: 'ENABLED' }, { head: 'VIA' }, { head: 'SOURCE' }, { head: 'TARGET', flexible: true }],
    servers.map(({ name, enabled, transport, source, target, approval, problem }) => [
      name,
      enabled ? 'yes' : chalk.dim('no'),
      transport,
      source,
      shownTarget({ approval, problem, target }, chalk),
    ]),
    options,
  );
};

function shownTarget(
  { approval, problem, target }: Pick<ServersData['servers'][number], 'approval' | 'problem' | 'target'>,
  chalk: ReturnType<typeof paint>,
): string {
  if (approval === 'missing' || approval === 'changed') return `${chalk.yellow(waiting[approval])} ${target}`;
  return problem ? chalk.red(problem) : target;
}
