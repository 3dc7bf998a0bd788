/** `tool`: everything about one tool, with a call to paste. */

import * as z from 'zod/mini';
import type { Tool } from '../../manager/manager.js';
import type { Run, Text } from '../command.js';
import { paint } from '../render.js';
import { exampleCall, parametersOf, signature, tagsOf } from '../signature.js';
import { findTool } from '../tool-ref.js';

export const args = z.object({ tool: z.array(z.string()), refresh: z._default(z.boolean(), false) });

export interface ToolData {
  readonly tool: Tool & { readonly server: string };
  readonly example: string;
}

export const run: Run<typeof args, ToolData> = async ({ tool: words, refresh }, { manager, signal }) => {
  const { server, tool } = await findTool(words, { manager, signal, refresh });
  return { data: { tool: { server, ...tool }, example: exampleCall(server, tool) } };
};

export const text: Text<ToolData> = ({ tool, example }, { color }) => {
  const chalk = paint(color);
  const lines = [`${chalk.dim(`${tool.server}/`)}${chalk.bold(signature(tool))}`];
  if (tool.title) lines.push(tool.title);
  if (tool.description) lines.push('', tool.description.trim());
  const parameters = parametersOf(tool);
  if (parameters.length > 0) lines.push('', chalk.dim('ARGUMENTS'));
  for (const { name, type, isRequired, description } of parameters) {
    lines.push(
      `  ${chalk.bold(name)}: ${type}${isRequired ? chalk.yellow(' (required)') : ''}${description ? `  ${description.replace(/\s+/g, ' ')}` : ''}`,
    );
  }
  if (tagsOf(tool).length > 0)
    lines.push('', chalk.dim(`The server says: ${tagsOf(tool).join(', ')}. mcpctl does not rely on it.`));
  lines.push('', chalk.dim('INPUT SCHEMA'), JSON.stringify(tool.inputSchema, null, 2));
  if (tool.outputSchema) lines.push('', chalk.dim('OUTPUT SCHEMA'), JSON.stringify(tool.outputSchema, null, 2));
  lines.push('', chalk.dim('CALL'), `  ${example}`);
  return lines.join('\n');
};
