/** `call`: one tool call, its input checked before anything is sent. */

import * as z from 'zod/mini';
import { McpctlError, toMcpctlError, withDetails } from '../../core/errors.js';
import { sanitizeLine } from '../../core/sanitize.js';
import type { CallToolResult } from '../../manager/manager.js';
import type { Run, Text } from '../command.js';
import type { InputWord } from '../input.js';
import { toolInput } from '../tool-input.js';
import { findTool, serverOf } from '../tool-ref.js';

export const args = z.object({
  tool: z.string(),
  input: z._default(z.object({ words: z.array(z.string()), pairs: z.array(z.custom<InputWord>()) }), { words: [], pairs: [] }),
  args: z.optional(z.string()),
  timeout: z.optional(z.number()),
  retryUnsafe: z._default(z.boolean(), false),
  noCache: z._default(z.boolean(), false),
});

export const run: Run<typeof args, CallToolResult> = async (
  { tool: first, input, args: argsText, timeout, retryUnsafe, noCache },
  { manager, signal },
) => {
  const words = [first, ...input.words];
  const server = serverOf(words, manager.names());
  // The server starts while its remembered schema is read and the input is checked.
  if (server !== undefined && manager.names().includes(server)) manager.prepare(server);
  const found = await findTool(words, { manager, signal });
  const toolArgs = toolInput(input.pairs, argsText, found.tool);
  await manager.checkInput(found.server, found.tool, toolArgs);
  let callId: string | undefined;
  const onCallId = (id: string) => {
    callId = id;
  };
  const named = (error: McpctlError) => (callId === undefined ? error : withDetails(error, { callId }));
  const data = await manager
    .call({ ...found, args: toolArgs, signal, timeoutMs: timeout, retryUnsafe, isAnew: noCache, onCallId })
    .catch((error: unknown) => Promise.reject(named(withHint(toMcpctlError(error), found.server, found.tool.name))));
  const outcome = { data, verbatim: true };
  return data.isError === true ? { ...outcome, error: named(toolError(found.server, found.tool.name, data)) } : outcome;
};

/** A server that refuses a call says why, but not what to do. */
function withHint(error: McpctlError, server: string, tool: string): McpctlError {
  if (error.code !== 'REQUEST_REFUSED' || error.hint !== undefined) return error;
  const { message, details, delivered } = error;
  const hint = `mcpctl tool ${server}/${tool} shows what it takes`;
  return new McpctlError('REQUEST_REFUSED', message, { cause: error, hint, server, details, delivered });
}

function toolError(server: string, tool: string, { content }: CallToolResult): McpctlError {
  const said = (content ?? []).find((block) => block.type === 'text');
  const message = said?.type === 'text' ? sanitizeLine(said.text, 200) : 'no reason given';
  return new McpctlError('TOOL_ERROR', `${server}/${tool} failed: ${message}`, {
    server,
    hint: `mcpctl tool ${server}/${tool} shows what it takes`,
    details: { tool },
  });
}

/** Text as it is; everything else by its description. Structured content is shown when there is no text that says it. */
export const text: Text<CallToolResult> = ({ content = [], structuredContent }) => {
  const lines = content.map((block) => {
    switch (block.type) {
      case 'text':
        return block.text;
      case 'image':
      case 'audio':
        return `[${block.type} ${block.mimeType}, ${Math.floor((block.data.length * 3) / 4)} bytes; --json prints it]`;
      case 'resource':
        return 'text' in block.resource ? block.resource.text : `[resource ${block.resource.uri}; --json prints it]`;
      case 'resource_link':
        return `[resource ${block.uri}${block.name ? ` "${block.name}"` : ''}]`;
      default:
        return JSON.stringify(block);
    }
  });
  if (lines.length === 0 && structuredContent !== undefined) lines.push(JSON.stringify(structuredContent, null, 2));
  return lines.join('\n');
};
