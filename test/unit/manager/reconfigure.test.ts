/** A new configuration under a running manager: who comes, who goes, who does not notice, and what becomes of calls under way. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config, ConfigProblem, ServerConfig } from '../../../src/config/schema.js';
import { McpctlError } from '../../../src/core/errors.js';
import { Manager, type ManagerOptions } from '../../../src/manager/manager.js';
import { leaveMs } from '../../../src/manager/server-set.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';
import type { CallToolResult } from '../../../src/mcp/connection.js';
import { echoTool, FakeConnection, fakeParts, serverConfig, settle } from '../../support/fake-connection.js';

const { signal } = new AbortController();

/** A server of that name; its definition and hash differ from every other's. */
const server = (name: string, more: Partial<ServerConfig> = {}): ServerConfig =>
  serverConfig({
    name,
    hash: `hash-of-${name}`,
    definition: { type: 'stdio', command: name, args: [], env: {}, cwd: '/', inheritEnv: false },
    ...more,
  });

/** The same server with another command line. */
const rewritten = (name: string, more: Partial<ServerConfig> = {}) =>
  server(name, {
    hash: `other-hash-of-${name}`,
    definition: { type: 'stdio', command: `${name}2`, args: [], env: {}, cwd: '/', inheritEnv: false },
    ...more,
  });

const configOf = (servers: readonly ServerConfig[], problems: readonly ConfigProblem[] = []): Config =>
  ({
    servers: new Map(servers.map((one) => [one.name, one])),
    files: [],
    problems,
    startConcurrency: 4,
    places: {},
    secrets: [],
  }) as unknown as Config;

let made: ReturnType<typeof fakeParts>;
let manager: Manager;
let log: ManagerEvent[];
/** Every connection opened, with the command it was opened for, in order. */
let opened: { command: string; connection: FakeConnection }[];

function start(servers: readonly ServerConfig[], options: Partial<ManagerOptions> = {}): void {
  manager = new Manager(configOf(servers), { ...made.parts, pid: 1, ...options });
  log = [];
  manager.events.onAny((event) => log.push(event));
  manager.start();
}

beforeEach(() => {
  made = fakeParts();
  opened = [];
  made.control.open = async ({ server: { definition } }) => {
    const connection = new FakeConnection();
    opened.push({ command: 'command' in definition ? definition.command : definition.url, connection });
    return connection;
  };
});

afterEach(async () => {
  const end = manager[Symbol.asyncDispose]();
  await settle();
  await made.clock.advance(10_000);
  await end;
  expect(opened.map(({ connection }) => connection.disposals > 0)).not.toContain(false);
});

const commands = () => opened.map(({ command }) => command);
const connectionOf = (command: string) => opened.findLast((one) => one.command === command)!.connection;
const statuses = () => Object.fromEntries(manager.snapshot().map(({ name, status }) => [name, status]));
const told = <T extends ManagerEvent['type']>(type: T) => log.filter((event) => event.type === type);

/** A call that ends when the test says so. */
function callThatWaits(name: string, command = name) {
  let finish!: (result: CallToolResult) => void;
  connectionOf(command).call = ({ signal: ends }) =>
    new Promise((resolve, reject) => {
      finish = resolve;
      ends.addEventListener('abort', () => reject(ends.reason), { once: true });
    });
  const result = manager.call({ server: name, tool: echoTool, args: {}, signal });
  result.catch(() => {});
  return { result, finish: () => finish({ content: [] }) };
}

describe('reconfigure', () => {
  it('adds, removes and changes one server each, and leaves the fourth its very connection, generation and order', async () => {
    start([server('stays'), server('goes'), server('changes')]);
    await settle();
    const before = manager.snapshot(['stays'])[0]!;
    const change = await manager.reconfigure(configOf([server('comes'), rewritten('changes'), server('stays')]));
    expect(change).toEqual({ added: ['comes'], removed: ['goes'], changed: ['changes'] });
    await settle();
    expect(manager.names()).toEqual(['comes', 'changes', 'stays']);
    expect(statuses()).toEqual({ comes: 'connected', changes: 'connected', stays: 'connected' });
    expect(commands()).toEqual(['stays', 'goes', 'changes', 'comes', 'changes2']);
    expect(manager.snapshot(['stays'])[0]).toEqual(before);
    expect(opened.map(({ command, connection }) => [command, connection.disposals > 0])).toEqual([
      ['stays', false],
      ['goes', true],
      ['changes', true],
      ['comes', false],
      ['changes2', false],
    ]);
    expect(told('config-changed')).toEqual([{ type: 'config-changed', ...change }]);
    expect(() => manager.snapshot(['goes'])).toThrow(expect.objectContaining({ code: 'UNKNOWN_SERVER' }));
    expect(manager.config.servers.get('changes')?.hash).toBe('other-hash-of-changes');
  });

  it('does nothing and tells nothing when only positions in the file differ', async () => {
    start([server('files')]);
    await settle();
    const moved = server('files', { position: { line: 9, column: 3 } });
    await expect(manager.reconfigure(configOf([moved]))).resolves.toEqual({ added: [], removed: [], changed: [] });
    await settle();
    expect(commands()).toEqual(['files']);
    expect(told('config-changed')).toEqual([]);
    expect(manager.config.servers.get('files')?.position.line).toBe(9);
  });

  it('takes over timeouts, health and the tool filter under the same connection', async () => {
    start([server('files')]);
    await settle();
    const { health, timeouts } = server('files');
    const next = server('files', {
      timeouts: { ...timeouts, callMs: 70, callTotalMs: 70 },
      health: { ...health, intervalMs: 1000 },
      tools: { include: [], exclude: ['echo'] },
    });
    await expect(manager.reconfigure(configOf([next]))).resolves.toMatchObject({ changed: ['files'] });
    expect(commands()).toEqual(['files']);
    expect(manager.knownTools('files')).toEqual([]);
    const pings = connectionOf('files').pings;
    await made.clock.advance(1000);
    await settle();
    expect(connectionOf('files').pings).toBe(pings + 1);
    const { result } = callThatWaits('files');
    await made.clock.advance(70);
    await expect(result).rejects.toMatchObject({ code: 'TIMEOUT', details: { totalMs: 70 } });
  });

  it('takes over retry, concurrency and trust under the same connection: 1 place from now on', async () => {
    start([server('files')]);
    await settle();
    const { retry } = server('files');
    const next = server('files', {
      retry: { ...retry, maxAttempts: 1 },
      concurrency: { inFlight: 1, queue: 0 },
      trust: { annotations: true },
    });
    await expect(manager.reconfigure(configOf([next]))).resolves.toMatchObject({ changed: ['files'] });
    expect(commands()).toEqual(['files']);
    const { result, finish } = callThatWaits('files');
    await settle();
    await expect(callThatWaits('files').result).rejects.toMatchObject({ code: 'OVERLOADED', server: 'files' });
    finish();
    await expect(result).resolves.toEqual({ content: [] });
  });

  it('connects anew for a key it knows nothing about', async () => {
    start([server('files')]);
    await settle();
    await manager.reconfigure(configOf([{ ...server('files'), fromLater: { a: 1 } } as ServerConfig]));
    await settle();
    expect(commands()).toEqual(['files', 'files']);
    await manager.reconfigure(configOf([{ ...server('files'), fromLater: { a: 1 } } as ServerConfig]));
    await settle();
    expect(commands()).toEqual(['files', 'files']);
  });

  it('disables and enables when only that changed', async () => {
    start([server('a'), server('b', { enabled: false })]);
    await settle();
    await manager.reconfigure(configOf([server('a', { enabled: false }), server('b')]));
    await settle();
    expect(statuses()).toEqual({ a: 'disabled', b: 'connected' });
    expect(told('config-changed')).toMatchObject([{ changed: ['a', 'b'] }]);
  });

  it('keeps a wish of the session through a change of something else, and drops it when the file speaks', async () => {
    start([server('a'), server('b', { enabled: false })]);
    await settle();
    await manager.setEnabled('a', false, { persist: false, signal });
    await manager.setEnabled('b', true, { persist: false, signal });
    await settle();
    await manager.reconfigure(configOf([rewritten('a'), rewritten('b', { enabled: false })]));
    await settle();
    expect(statuses()).toEqual({ a: 'disabled', b: 'connected' });
    await manager.reconfigure(configOf([rewritten('a', { enabled: false }), rewritten('b', { enabled: false })]));
    await manager.reconfigure(configOf([rewritten('a'), rewritten('b', { enabled: false })]));
    await settle();
    expect(statuses()).toEqual({ a: 'connected', b: 'connected' });
  });

  it('leaves a call on an untouched server alone', async () => {
    start([server('stays'), server('goes')]);
    await settle();
    const { result, finish } = callThatWaits('stays');
    await settle();
    await manager.reconfigure(configOf([server('stays')]));
    await made.clock.advance(leaveMs * 2);
    finish();
    await expect(result).resolves.toEqual({ content: [] });
  });

  it('lets a call on a removed server end, and only then closes it', async () => {
    start([server('goes')]);
    await settle();
    const { result, finish } = callThatWaits('goes');
    await settle();
    await manager.reconfigure(configOf([]));
    await made.clock.advance(leaveMs - 1);
    expect(connectionOf('goes').disposals).toBe(0);
    finish();
    await expect(result).resolves.toEqual({ content: [] });
    await settle();
    expect(connectionOf('goes').disposals).toBe(1);
    expect(made.clock.pending({ background: false })).toEqual([]);
  });

  it('ends a call on a removed server after 5 s, as one that may have run', async () => {
    start([server('goes')]);
    await settle();
    const { result } = callThatWaits('goes');
    await settle();
    await manager.reconfigure(configOf([]));
    await made.clock.advance(5000);
    await expect(result).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', delivered: 'maybe', server: 'goes' });
    await settle();
    expect(connectionOf('goes').disposals).toBe(1);
  });

  it('starts a changed server when the calls on the old one have ended and it is gone; new calls wait for the new one', async () => {
    start([server('files')]);
    await settle();
    const { result, finish } = callThatWaits('files');
    await settle();
    await manager.reconfigure(configOf([rewritten('files')]));
    const next = manager.call({ server: 'files', tool: echoTool, args: {}, signal });
    await settle();
    expect(commands()).toEqual(['files']);
    expect(statuses()).toEqual({ files: 'connecting' });
    finish();
    await expect(result).resolves.toEqual({ content: [] });
    await expect(next).resolves.toEqual({ content: [] });
    expect(commands()).toEqual(['files', 'files2']);
    expect(connectionOf('files2').calls).toBe(1);
  });

  it('shows no error of the old definition on the new one', async () => {
    made.control.open = async () => Promise.reject(new McpctlError('UNAVAILABLE', 'refused', { delivered: 'no' }));
    start([server('files')]);
    await settle();
    expect(manager.snapshot()[0]).toMatchObject({ status: 'error', lastError: { message: 'refused' } });
    made.control.open = async () => new FakeConnection();
    await manager.reconfigure(configOf([rewritten('files')]));
    await settle();
    expect(manager.snapshot()[0]).toMatchObject({ status: 'connected', lastError: null, attempt: 0, generation: 1 });
  });

  it('ends in the last of 20 configurations that come at once, with one connection of each server left', async () => {
    start([server('stays'), server('files')]);
    await settle();
    const versions = Array.from({ length: 20 }, (_, i) =>
      configOf([server('stays'), server('files', { hash: `${i}` }), ...(i % 2 === 0 ? [server('even')] : [])]),
    );
    await Promise.all(versions.map((version) => manager.reconfigure(version)));
    await settle();
    expect(statuses()).toEqual({ stays: 'connected', files: 'connected' });
    expect(manager.config).toBe(versions[19]);
    const open = opened.filter(({ connection }) => connection.disposals === 0);
    expect(open.map(({ command }) => command)).toEqual(['stays', 'files']);
  });

  it('closes at once what is still leaving when the manager ends', async () => {
    start([server('goes')]);
    await settle();
    const { result } = callThatWaits('goes');
    await settle();
    await manager.reconfigure(configOf([]));
    const ended = manager[Symbol.asyncDispose]();
    await made.clock.advance(500);
    await expect(result).rejects.toMatchObject({ code: 'CANCELLED' });
    await ended;
    expect(connectionOf('goes').disposals).toBeGreaterThan(0);
  });

  it('makes a running server wait when its approval is gone, and starts it when it is back', async () => {
    const file = '/p/.mcp.json';
    const approved = server('files', { source: 'project', approval: 'approved', file });
    start([approved]);
    await settle();
    await manager.reconfigure(configOf([rewritten('files', { source: 'project', approval: 'changed', file })]));
    await settle();
    expect(statuses()).toEqual({ files: 'untrusted' });
    expect(connectionOf('files').disposals).toBe(1);
    expect(told('approval-needed')).toEqual([{ type: 'approval-needed', file, servers: ['files'], changed: ['files'] }]);
    expect(commands()).toEqual(['files']);
    await manager.reconfigure(configOf([rewritten('files', { source: 'project', approval: 'approved', file })]));
    await settle();
    expect(statuses()).toEqual({ files: 'connected' });
    expect(commands()).toEqual(['files', 'files2']);
  });

  it('tells a warning of the files once, wherever it stands', async () => {
    const warning = (message: string, line: number): ConfigProblem => ({
      severity: 'warning',
      file: '/c.json',
      line,
      column: 1,
      path: '',
      message,
    });
    manager = new Manager(configOf([], [warning('old', 1)]), { ...made.parts, pid: 1 });
    log = [];
    manager.events.onAny((event) => log.push(event));
    await manager.reconfigure(configOf([], [warning('old', 7), warning('new', 8)]));
    await manager.reconfigure(configOf([], [warning('old', 9), warning('new', 10)]));
    expect(log).toEqual([{ type: 'warning', server: null, message: '/c.json:8:1: new' }]);
  });
});

describe('reload', () => {
  it('takes over what loadConfig reads, after onConfig has seen it', async () => {
    const order: string[] = [];
    const next = configOf([server('files')]);
    start([], {
      loadConfig: async () => next,
      onConfig: (config) => order.push(`secrets of ${[...config.servers.keys()]}`),
    });
    manager.events.on('config-changed', () => order.push('told'));
    await expect(manager.reload()).resolves.toEqual({ added: ['files'], removed: [], changed: [] });
    expect(order).toEqual(['secrets of files', 'told']);
  });

  it('rejects when the files are broken, and everything stays as it is', async () => {
    const broken = new McpctlError('CONFIG_INVALID', '/c.json:1:2: broken');
    start([server('files')], { loadConfig: () => Promise.reject(broken) });
    await settle();
    const before = manager.config;
    await expect(manager.reload()).rejects.toBe(broken);
    expect(manager.config).toBe(before);
    expect(statuses()).toEqual({ files: 'connected' });
    expect(told('config-changed')).toEqual([]);
  });

  it('does nothing without loadConfig, and nothing once the manager is closed', async () => {
    start([server('files')]);
    await expect(manager.reload()).resolves.toEqual({ added: [], removed: [], changed: [] });
    await manager[Symbol.asyncDispose]();
    await manager.reconfigure(configOf([server('late')]));
    await settle();
    expect(manager.names()).toEqual(['files']);
    expect(commands()).not.toContain('late');
  });
});

describe('a server without an approval', () => {
  const waiting = server('files', { source: 'project', approval: 'missing', file: '/p/.mcp.json' });

  it('is never opened: not by start, connectAll, prepare, call, ping, tools or reconnect', async () => {
    made = fakeParts({ memory: { tools: { list: [echoTool as never], at: Date.parse('2026-01-01'), ttlMs: 300_000 } } });
    start([waiting]);
    await manager.remembered();
    const refused = expect.objectContaining({ code: 'UNTRUSTED', hint: 'mcpctl trust approve files', server: 'files' });
    manager.prepare('files');
    await manager.connectAll(['files'], signal);
    await expect(manager.call({ server: 'files', tool: echoTool, args: {}, signal })).rejects.toEqual(refused);
    await expect(manager.ping('files', signal)).rejects.toEqual(refused);
    await expect(manager.listTools('files', signal)).rejects.toEqual(refused);
    await expect(manager.reconnect('files', signal)).rejects.toEqual(refused);
    await made.clock.advance(3_600_000);
    await settle();
    expect(made.control.attempts).toBe(0);
    expect(manager.knownTools('files')).toBeUndefined();
    expect(manager.snapshot()[0]).toMatchObject({
      status: 'untrusted',
      enabled: true,
      health: 'unknown',
      tools: null,
      pid: null,
      generation: 0,
      lastError: { code: 'UNTRUSTED', message: 'Server "files" of /p/.mcp.json is not approved' },
    });
  });

  it('may be disabled and enabled, and still waits after that', async () => {
    start([waiting]);
    await manager.setEnabled('files', false, { persist: false, signal });
    expect(manager.snapshot()[0]).toMatchObject({ status: 'disabled', enabled: false });
    await expect(manager.call({ server: 'files', tool: echoTool, args: {}, signal })).rejects.toMatchObject({
      code: 'SERVER_DISABLED',
    });
    await manager.setEnabled('files', true, { persist: false, signal });
    await settle();
    expect(manager.snapshot()[0]).toMatchObject({ status: 'untrusted', enabled: true });
    expect(made.control.attempts).toBe(0);
  });

  it('is told at the start, one event a file', async () => {
    const other = server('b', { source: 'project', approval: 'changed', file: '/p/.mcp.json' });
    const third = server('c', { source: 'project', approval: 'missing', file: '/q/.mcp.json' });
    start([waiting, other, third, server('d'), server('e', { approval: 'missing', enabled: false })]);
    expect(told('approval-needed')).toEqual([
      { type: 'approval-needed', file: '/p/.mcp.json', servers: ['files', 'b'], changed: ['b'] },
      { type: 'approval-needed', file: '/q/.mcp.json', servers: ['c'], changed: [] },
    ]);
  });
});
