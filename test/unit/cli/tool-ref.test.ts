/** Which tool is meant: with its server, in two words, bare, ambiguous, or not there. */
import { describe, expect, it } from 'vitest';
import { exampleCall, signature } from '../../../src/cli/signature.js';
import { findTool, serverOf } from '../../../src/cli/tool-ref.js';
import { McpctlError } from '../../../src/core/errors.js';
import type { Manager, Tool } from '../../../src/manager/manager.js';

const named = (name: string): Tool => ({ name, inputSchema: { type: 'object' } });
const lists: Record<string, Tool[]> = {
  a: [named('search'), named('only-a'), named('x/y')],
  b: [named('search')],
  'a.b': [named('deep')],
};

const manager = {
  names: () => [...Object.keys(lists), 'down'],
  remembered: async () => {},
  knownTools: (server: string) => lists[server],
  connectAll: async () => {},
  snapshot: () => [...Object.keys(lists), 'down'].map((name) => ({ name, enabled: true, status: 'connected' })),
  listTools: async (server: string) => {
    if (server === 'down') throw new McpctlError('UNAVAILABLE', 'down', { server });
    const tools = Object.hasOwn(lists, server) ? lists[server] : undefined;
    if (!tools) throw new McpctlError('UNKNOWN_SERVER', `There is no server "${server}"`);
    return { tools, at: 0, ttlMs: 1 };
  },
} as unknown as Manager;
const { signal } = new AbortController();
const find = (...words: string[]) => findTool(words, { manager, signal });

describe('findTool', () => {
  it.each([
    [['a/search'], 'a', 'search'],
    [['b', 'search'], 'b', 'search'],
    [['only-a'], 'a', 'only-a'],
    [['a/x/y'], 'a', 'x/y'],
    [['a.b/deep'], 'a.b', 'deep'],
  ])('%j is %s/%s', async (words, server, tool) => {
    await expect(find(...words)).resolves.toMatchObject({ server, tool: { name: tool } });
  });

  it.each([
    [['search'], 'AMBIGUOUS_TOOL', 'a/search, b/search'],
    [['nothing'], 'UNKNOWN_TOOL', 'could not ask: down'],
    [['a/serch'], 'UNKNOWN_TOOL', 'no tool "serch"'],
    [['zzz/search'], 'UNKNOWN_SERVER', 'zzz'],
    [['constructor/search'], 'UNKNOWN_SERVER', 'constructor'],
    [['a'], 'USAGE', 'is a server'],
    [['a/'], 'USAGE', 'names no tool'],
    [['a', 'search', 'more'], 'USAGE', 'neither a tool nor key=value'],
    [['down/x'], 'UNAVAILABLE', 'down'],
  ])('%j is %s', async (words, code, message) => {
    const error = await find(...words).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toContain(message);
  });

  it('suggests the near name but does not run it', async () => {
    await expect(find('a/serch')).rejects.toMatchObject({ hint: 'did you mean "search"?' });
  });

  it('knows the server of an address before anything is asked', () => {
    expect(serverOf(['a/search'], manager.names())).toBe('a');
    expect(serverOf(['b', 'search'], manager.names())).toBe('b');
    expect(serverOf(['search'], manager.names())).toBeUndefined();
    expect(serverOf(['a'], manager.names())).toBeUndefined();
  });
});

describe('signature', () => {
  const tool: Tool = {
    name: 'create_issue',
    inputSchema: {
      type: 'object',
      properties: {
        labels: { type: 'array', items: { type: 'string' } },
        title: { type: 'string' },
        state: { enum: ['open', 'closed'] },
        n: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
      },
      required: ['title', 'n'],
    },
    annotations: { destructiveHint: true },
  };
  it('puts required parameters first and marks the others', () => {
    expect(signature(tool)).toBe(
      'create_issue(title: string, n: integer | null, labels?: string[], state?: "open" | "closed") [destructive]',
    );
  });
  it('gives a call to paste, quoted for sh', () => {
    expect(exampleCall('gh', tool)).toBe('mcpctl call gh/create_issue title=… n=…');
  });
  it('survives schemas that are no schemas', () => {
    const odd = {
      name: 'odd',
      inputSchema: {
        type: 'object',
        properties: { a: true, b: null, c: { items: 5, type: 'array' }, d: { anyOf: [] } },
        required: 'a',
      },
    } as unknown as Tool;
    expect(signature(odd)).toContain('odd(');
  });
});
