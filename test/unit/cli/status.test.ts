/** What `status`, `reconnect` and `enable` say of servers that wait for an approval, and the code that `--check` ends with. */
import { describe, expect, it } from 'vitest';
import type { CommandContext, Outcome } from '../../../src/cli/command.js';
import * as reconnect from '../../../src/cli/commands/reconnect.js';
import * as status from '../../../src/cli/commands/status.js';
import { switchServers } from '../../../src/cli/switch-servers.js';
import type { Config, ServerConfig } from '../../../src/config/schema.js';
import { McpctlError } from '../../../src/core/errors.js';
import { Manager } from '../../../src/manager/manager.js';
import { FakeConnection, fakeParts, serverConfig, settle } from '../../support/fake-connection.js';

const { signal } = new AbortController();

const waiting = (name: string, approval: ServerConfig['approval'] = 'missing') =>
  serverConfig({ name, source: 'project', file: '/p/.mcp.json', approval });

function contextOf(servers: readonly ServerConfig[], { longLived = false } = {}) {
  const made = fakeParts({ longLived });
  made.control.open = async ({ server: { name } }) => {
    if (name === 'login') throw new McpctlError('AUTH_REQUIRED', 'log in', { hint: 'mcpctl auth login' });
    if (name === 'down') throw new McpctlError('UNAVAILABLE', 'refused', { hint: 'mcpctl reconnect down' });
    return new FakeConnection();
  };
  const config = { servers: new Map(servers.map((one) => [one.name, one])), startConcurrency: 4, problems: [] };
  const manager = new Manager(config as unknown as Config, { ...made.parts, pid: 1 });
  const notes: string[] = [];
  const context: CommandContext = {
    manager,
    config: manager.config,
    observation: {} as CommandContext['observation'],
    signal,
    atPrompt: longLived,
    note: (text) => notes.push(text),
    readInput: async () => '',
  };
  return { ...made, manager, notes, context };
}

const statusOf = (context: CommandContext, more: { check?: boolean; servers?: string[] } = {}) =>
  status.run({ servers: [], check: false, noConnect: false, watch: false, timeout: undefined, ...more }, context) as Promise<
    Outcome<status.StatusData>
  >;

const plain = { columns: 120, color: false };

describe('status', () => {
  it('shows a mark, the reason, one hint for each, and counts them', async () => {
    const { context } = contextOf([serverConfig({ name: 'ok' }), waiting('new'), waiting('edited', 'changed')]);
    const { data } = await statusOf(context);
    expect(data.counts).toEqual({ connected: 1, untrusted: 2 });
    const text = status.text(data, plain, {});
    expect(text).toMatch(/^\? new +untrusted +- .* Server "new" of \/p\/\.mcp\.json is not approved$/m);
    expect(text).toMatch(/^\? edited +untrusted +- .* Server "edited" of \/p\/\.mcp\.json was changed since it was approved$/m);
    expect(text).toContain('1 connected · 2 untrusted');
    expect(text).toContain('new: mcpctl trust approve new');
    expect(text).toContain('edited: mcpctl trust approve edited');
  });

  it.each([
    ['UNTRUSTED', 'only approvals are missing', ['ok', 'new', 'edited']],
    ['AUTH_REQUIRED', 'only logins are missing', ['ok', 'login']],
    ['UNAVAILABLE', 'an approval and a login are missing', ['new', 'login']],
    ['UNAVAILABLE', 'an approval is missing and a server is down', ['new', 'down']],
    [undefined, 'all that are enabled are connected', ['ok', 'off']],
  ])('--check ends with %s when %s', async (code, _, names) => {
    const servers = names.map((name) => {
      if (name === 'new') return waiting(name);
      if (name === 'edited') return waiting(name, 'changed');
      return serverConfig({ name, enabled: name !== 'off' });
    });
    const { context } = contextOf(servers);
    const { error } = await statusOf(context, { check: true });
    expect(error?.code).toBe(code);
  });

  it('--watch follows servers that come and go', async () => {
    const { context, manager } = contextOf([serverConfig({ name: 'a' })], { longLived: true });
    const view = status.run({ servers: [], check: false, noConnect: false, watch: true, timeout: undefined }, context);
    const frames = (view as AsyncIterable<status.StatusData>)[Symbol.asyncIterator]();
    const names = async () => (await frames.next()).value.servers.map(({ name }: { name: string }) => name);
    expect(await names()).toEqual(['a']);
    const config = { ...manager.config, servers: new Map([['b', serverConfig({ name: 'b' })]]) };
    await manager.reconfigure(config);
    expect(await names()).toEqual(['b']);
    await manager[Symbol.asyncDispose]();
  });
});

describe('reconnect', () => {
  it('leaves out what waits for an approval with --all, and refuses it by name', async () => {
    const { context, control } = contextOf([serverConfig({ name: 'ok' }), waiting('new')], { longLived: true });
    const all = (await reconnect.run({ servers: [], all: true, failed: false }, context)) as Outcome<reconnect.ReconnectData>;
    expect(all.data.servers.map(({ name }) => name)).toEqual(['ok']);
    expect(all.error).toBeUndefined();
    const failed = (await reconnect.run({ servers: [], all: false, failed: true }, context)) as Outcome<reconnect.ReconnectData>;
    expect(failed.data.servers).toEqual([]);
    const named = (await reconnect.run({ servers: ['new'], all: false, failed: false }, context)) as Outcome<unknown>;
    expect(named.error).toMatchObject({ code: 'UNTRUSTED', hint: 'mcpctl trust approve new' });
    expect(control.attempts).toBe(1);
  });
});

describe('enable', () => {
  it('says that an enabled server still waits for its approval', async () => {
    const { context, notes, control } = contextOf([waiting('new')], { longLived: true });
    await switchServers({ servers: ['new'], session: true }, false, context);
    expect(notes).toEqual([]);
    await switchServers({ servers: ['new'], session: true }, true, context);
    await settle();
    expect(notes).toEqual(['Server "new" of /p/.mcp.json is not approved; mcpctl trust approve new']);
    expect(control.attempts).toBe(0);
  });
});
