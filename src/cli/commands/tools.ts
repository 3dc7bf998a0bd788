/** `tools`: the tools of one server or of all, one line each. */

import * as z from 'zod/mini';
import { McpctlError, toMcpctlError } from '../../core/errors.js';
import type { Tool } from '../../manager/manager.js';
import { globMatcher } from '../../manager/tool-filter.js';
import type { Run, Text } from '../command.js';
import { paint, truncate } from '../render.js';
import { signature } from '../signature.js';

export const args = z.object({
  server: z.optional(z.string()),
  match: z.optional(z.string()),
  refresh: z._default(z.boolean(), false),
  schema: z._default(z.boolean(), false),
  cost: z._default(z.boolean(), false),
});

export type ListedTool = Tool & { readonly server: string; readonly cost?: { readonly bytes: number; readonly tokens: number } };
export interface ToolsData {
  readonly tools: readonly ListedTool[];
}

/** Servers say nothing about tokens; four characters a token is the usual estimate for English and JSON. */
const charactersPerToken = 4;

export const run: Run<typeof args, ToolsData> = async ({ server, match, refresh, cost }, { manager, signal }) => {
  await manager.remembered();
  const names =
    server === undefined
      ? manager
          .snapshot()
          .filter(({ enabled }) => enabled)
          .map(({ name }) => name)
      : [server];
  const isWanted = match === undefined ? () => true : globMatcher(match);
  const failures: McpctlError[] = [];
  const lists = await Promise.all(
    names.map(async (name) => {
      try {
        const { tools } = await manager.listTools(name, signal, { refresh });
        return tools
          .filter((tool) => isWanted(tool.name))
          .map((tool): ListedTool => ({ server: name, ...tool, ...(cost ? { cost: costOf(tool) } : {}) }));
      } catch (error) {
        signal.throwIfAborted();
        if (server !== undefined) throw error;
        failures.push(toMcpctlError(error));
        return [];
      }
    }),
  );
  const data: ToolsData = { tools: lists.flat() };
  const [first] = failures;
  if (!first) return { data };
  // What could be listed is printed; the exit code still says that it is not all.
  const unreachable = failures.map((failure) => failure.server ?? '?');
  const error = new McpctlError(
    first.code,
    failures.length === 1 ? first.message : `No tools from ${unreachable.join(', ')}; the first: ${first.message}`,
    { cause: first, hint: first.hint, details: { unreachable } },
  );
  return { data, error };
};

function costOf(tool: Tool): { bytes: number; tokens: number } {
  const json = JSON.stringify({ name: tool.name, description: tool.description, inputSchema: tool.inputSchema });
  return { bytes: Buffer.byteLength(json), tokens: Math.ceil(json.length / charactersPerToken) };
}

export const text: Text<ToolsData, typeof args> = ({ tools }, options, { schema }) => {
  if (tools.length === 0) return 'No tools.';
  const chalk = paint(options.color);
  const total = tools.reduce((sum, { cost }) => sum + (cost?.tokens ?? 0), 0);
  const lines = tools.map((tool) => {
    const cost = tool.cost
      ? chalk.yellow(`${String(tool.cost.tokens).padStart(6)} tokens ${String(tool.cost.bytes).padStart(7)} B  `)
      : '';
    const line = `${cost}${chalk.dim(`${tool.server}/`)}${chalk.bold(signature(tool))}`;
    const summary = (tool.description ?? tool.title ?? '').split('\n')[0]?.trim();
    const shown = truncate(summary ? `${line}  ${chalk.dim(summary)}` : line, Math.max(40, options.columns));
    return schema ? `${shown}\n${JSON.stringify(tool.inputSchema, null, 2)}\n` : shown;
  });
  if (total > 0) lines.push('', `${tools.length} tools, about ${total} tokens`);
  return lines.join('\n');
};
