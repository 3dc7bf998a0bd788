/** `server/tool`, `server tool`, or a bare tool name that only one server has: found, or explained. */

import { McpctlError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import type { Manager, Tool } from '../manager/manager.js';

export interface FoundTool {
  readonly server: string;
  readonly tool: Tool;
}

export interface FindOptions {
  readonly manager: Manager;
  readonly signal: AbortSignal;
  readonly refresh?: boolean;
}

/**
 * Finds the tool that the words address. The list comes from memory while it is fresh, else from the server.
 *
 * @throws McpctlError `USAGE`, `UNKNOWN_SERVER`, `UNKNOWN_TOOL`, `AMBIGUOUS_TOOL`, or why a server could not be asked.
 */
export async function findTool(words: readonly string[], options: FindOptions): Promise<FoundTool> {
  const address = parseAddress(words, options.manager.names());
  return address.server === undefined ? findBare(address.tool, options) : findOn(address.server, address.tool, options);
}

/** The server of an address, when the words name one; for starting it before anything else is known. */
export function serverOf(words: readonly string[], names: readonly string[]): string | undefined {
  try {
    return parseAddress(words, names).server;
  } catch {
    return undefined;
  }
}

function parseAddress(words: readonly string[], names: readonly string[]): { server?: string; tool: string } {
  const [first = '', second, ...rest] = words;
  const slash = first.indexOf('/');
  const surplus = (word: string) =>
    new McpctlError('USAGE', `"${word}" is neither a tool nor key=value`, { hint: 'write arguments as key=value' });
  if (slash > 0) {
    if (second !== undefined) throw surplus(second);
    const tool = first.slice(slash + 1);
    if (tool === '')
      throw new McpctlError('USAGE', `"${first}" names no tool`, { hint: `mcpctl tools ${first.slice(0, slash)}` });
    return { server: first.slice(0, slash), tool };
  }
  if (second !== undefined) {
    if (rest[0] !== undefined) throw surplus(rest[0]);
    return { server: first, tool: second };
  }
  if (names.includes(first))
    throw new McpctlError('USAGE', `"${first}" is a server; which of its tools?`, { hint: `mcpctl tools ${first}` });
  return { tool: first };
}

async function findOn(server: string, name: string, { manager, signal, refresh = false }: FindOptions): Promise<FoundTool> {
  let { tools } = await manager.listTools(server, signal, { refresh });
  let tool = tools.find((candidate) => candidate.name === name);
  if (!tool && !refresh) {
    // A remembered list may be older than the tool.
    ({ tools } = await manager.listTools(server, signal, { refresh: true }));
    tool = tools.find((candidate) => candidate.name === name);
  }
  if (tool) return { server, tool };
  const names = tools.map((candidate) => candidate.name);
  throw new McpctlError('UNKNOWN_TOOL', `Server "${server}" has no tool "${name}"`, {
    server,
    hint: didYouMean(name, names) ?? `mcpctl tools ${server}`,
    details: { tools: names.slice(0, 100) },
  });
}

/** How long a search by bare name waits for servers to connect, in milliseconds. */
const bareSearchMs = 10_000;

async function findBare(name: string, { manager, signal, refresh = false }: FindOptions): Promise<FoundTool> {
  await manager.remembered();
  const enabled = manager
    .snapshot()
    .filter((server) => server.enabled)
    .map((server) => server.name);
  const known = enabled.filter((server) => manager.knownTools(server)?.some((tool) => tool.name === name));
  if (known.length > 1) throw ambiguous(name, known);
  // One silent server must not keep the others' tools from being found.
  await manager.connectAll(enabled, signal, bareSearchMs);
  const unsettled = new Set(
    manager
      .snapshot(enabled)
      .filter(({ status }) => status === 'connecting')
      .map((server) => server.name),
  );
  const lists = await Promise.all(
    enabled.map(async (server) => {
      if (unsettled.has(server)) return { server, tools: [], failed: true };
      const list = await manager.listTools(server, signal, { refresh }).catch((error: unknown) => {
        signal.throwIfAborted();
        return error instanceof McpctlError ? error : undefined;
      });
      return { server, tools: list && 'tools' in list ? list.tools : [], failed: !(list && 'tools' in list) };
    }),
  );
  const found = lists.flatMap(({ server, tools }) =>
    tools.filter((tool) => tool.name === name).map((tool) => ({ server, tool })),
  );
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw ambiguous(
      name,
      found.map(({ server }) => server),
    );
  const all = lists.flatMap(({ server, tools }) => tools.map((tool) => `${server}/${tool.name}`));
  const failed = lists.filter((list) => list.failed).map(({ server }) => server);
  const near = didYouMean(name, [...new Set(all.map((address) => address.slice(address.indexOf('/') + 1)))]);
  throw new McpctlError(
    'UNKNOWN_TOOL',
    `No server has a tool "${name}"${failed.length > 0 ? ` (could not ask: ${failed.join(', ')})` : ''}`,
    {
      hint: near ?? 'mcpctl tools lists what there is',
      details: { unreachable: failed },
    },
  );
}

function ambiguous(name: string, servers: readonly string[]): McpctlError {
  const candidates = servers.map((server) => `${server}/${name}`);
  return new McpctlError('AMBIGUOUS_TOOL', `${candidates.length} servers have a tool "${name}": ${candidates.join(', ')}`, {
    hint: `write it with its server: ${candidates[0]}`,
    details: { candidates },
  });
}
