/** Every shape of configuration there is, as a file: what `config show` makes of it, and what `config validate` says. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.js';
import { tempHome } from '../support/temp-home.js';
import { documentOf } from './kit.js';

const folder = fileURLToPath(new URL('../fixtures/config', import.meta.url));
const env = {
  DEBUG: 'all',
  EVENTS_TOKEN: 'events-token-1',
  FILES_TOKEN: 'files-token-1',
  REGION: 'eu',
  REMOTE_TOKEN: 'remote-token-1',
};

const stdio = (command: string, args: string[] = [], more: object = {}) => ({
  definition: { type: 'stdio', command, args, cwd: folder, inheritEnv: false, env: {}, ...more },
});
const http = (url: string, more: object = {}) => ({ definition: { type: 'auto', url, headers: {}, ...more } });

const native = {
  files: stdio('npx', ['-y', 'server-files', '.'], { env: { DEBUG: 'all' } }),
  github: http('https://example.com/mcp'),
  off: { ...stdio('node'), enabled: false },
};

/** What is in force for each server of each file; only these fields are compared. */
const expected: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  'native.json': native,
  'native.toml': native,
  'full.json': {
    search: {
      ...http('https://a.example/mcp', { type: 'http', headers: { 'X-Team': 'blue' } }),
      protocol: 'modern',
      timeouts: { connectMs: 2000, initializeMs: 20_000, listMs: 5000, callMs: 90_000, callTotalMs: 600_000 },
      health: { intervalMs: 60_000, timeoutMs: 3000 },
      tools: { include: ['find*'], exclude: ['*_all'] },
      maxMessageBytes: 1_048_576,
    },
    files: { ...stdio('node', ['server.js']), stop: { graceMs: 2000, command: ['sync'] } },
  },
  'mcp-servers.toml': {
    docs: {
      ...stdio('docs-server', ['--port', '4000']),
      timeouts: { connectMs: 10_000, initializeMs: 20_000, listMs: 30_000, callMs: 90_500, callTotalMs: 600_000 },
      tools: { include: ['search', 'read'], exclude: ['write'] },
    },
    remote: http('https://example.com/mcp', { headers: { Authorization: '***', 'X-Team': 'blue', 'X-Region': 'eu' } }),
    off: { ...stdio('docs-server'), enabled: false },
  },
  'sections.toml': {
    search: {
      ...http('https://a.example/mcp'),
      health: { intervalMs: 15_000, timeoutMs: 5000 },
      timeouts: { connectMs: 5000, initializeMs: 60_000, listMs: 30_000, callMs: 60_000, callTotalMs: 600_000 },
    },
    other: http('https://c.example/mcp'),
  },
  'mcp.json': {
    issues: http('https://example.com/mcp', { type: 'http' }),
    events: http('https://example.com/sse', { type: 'sse', headers: { 'X-Team': 'blue', Authorization: '***' } }),
    local: stdio('server', ['--quiet']),
  },
  'mcp-disabled.json': { one: { ...stdio('server'), enabled: false }, two: { ...stdio('server'), enabled: false } },
  'servers.json': {
    files: stdio('<home>/bin/server', [`${folder}/src`, basename(folder), '${env:literal}'], { env: { TOKEN: '***' } }),
    search: http('https://example.com/mcp', { type: 'http' }),
    asks: { problem: expect.stringContaining('servers.asks.headers.X-Api-Key: "${input:key}" is not understood: write ${VAR}') },
  },
  'other-names.json': {
    one: http('https://one.example/mcp'),
    two: { ...http('https://two.example/mcp', { type: 'http' }), tools: { include: ['a'], exclude: ['b'] } },
    three: http('https://three.example/mcp', { type: 'http' }),
    four: { ...stdio('server', ['-x'], { env: { A: '1' } }), enabled: false },
    five: { ...stdio('server', [], { env: { B: '2' } }), tools: { include: [], exclude: ['c'] } },
  },
  'mixed.json': { one: stdio('server'), two: stdio('server', ['2']), three: stdio('server', ['3']) },
};

describe('config show', () => {
  it('is tested with every file of the fixtures', () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))('of %s', async (name, servers) => {
    await using home = await tempHome();
    const file = join(folder, name);
    const shown = documentOf(await runCli(['config', 'show', '--json', '-c', file], { home, env })) as {
      servers: Record<string, unknown>;
    };
    const text = JSON.stringify(shown).replaceAll(home.home, '<home>');
    expect(text).not.toContain('-token-1');
    const found = (JSON.parse(text) as typeof shown).servers;
    expect(Object.keys(found).sort()).toEqual(Object.keys(servers).sort());
    for (const [server, fields] of Object.entries(servers)) {
      expect(found[server], server).toMatchObject({ file, enabled: true, problem: null, ...fields });
    }
  });
});

describe('config validate', () => {
  it.each(Object.keys(expected).filter((name) => name !== 'servers.json'))('finds no error in %s', async (name) => {
    await using home = await tempHome();
    const result = await runCli(['config', 'validate', '--json', '-c', join(folder, name)], { home, env });
    expect(documentOf(result)).toMatchObject({ valid: true });
    expect(result.code).toBe(0);
  });
});
