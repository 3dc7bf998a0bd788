/** Servers made of promises: a manager's `openConnection` whose connections a test opens, breaks and counts. */

import { defaults } from '../../src/config/defaults.js';
import type { ServerConfig } from '../../src/config/schema.js';
import { McpctlError } from '../../src/core/errors.js';
import { Emitter } from '../../src/core/events.js';
import type { ProcessGroups } from '../../src/io/process-group.js';
import type { ManagerParts } from '../../src/manager/manager-parts.js';
import type { ManagerEvent } from '../../src/manager/server-status.js';
import type { CallOptions, CallToolResult, Connection, OpenOptions, Tool, ToolPage } from '../../src/mcp/connection.js';
import { Semaphore } from '../../src/policy/semaphore.js';
import type { ServerMemories, ServerMemory } from '../../src/state/server-memory.js';
import { FakeClock } from './fake-clock.js';

export const echoTool: Tool = { name: 'echo', inputSchema: { type: 'object', properties: { message: { type: 'string' } } } };

export function serverConfig(overrides: Partial<ServerConfig> = {}): ServerConfig {
  return {
    name: 'files',
    source: 'flag',
    approval: 'not-needed',
    file: '/etc/mcp.json',
    position: { line: 1, column: 1 },
    enabled: true,
    enabledInFile: true,
    target: 'files-server',
    definition: { type: 'stdio', command: 'files-server', args: [], env: {}, cwd: '/', inheritEnv: false },
    ...defaults,
    endpoints: [],
    hash: 'hash-of-files',
    ...overrides,
  } as ServerConfig;
}

/** One open session; `lose` ends it as a server would. */
export class FakeConnection implements Connection {
  readonly verdict = { kind: 'legacy', transport: 'stdio', at: 0 } as const;
  readonly protocol = { version: '2025-11-25', era: 'legacy' } as const;
  readonly serverInfo = { name: 'fake', version: '1' };
  readonly pid = 4242;
  verified = true;
  disposals = 0;
  calls = 0;
  pings = 0;
  lists = 0;
  tools: Tool[] = [echoTool];
  call: (options: CallOptions) => Promise<CallToolResult> = async () => ({ content: [] });
  answerPing: (signal: AbortSignal) => Promise<void> = async () => {};
  lose!: (reason: McpctlError) => void;
  readonly closed = new Promise<McpctlError>((resolve) => {
    this.lose = resolve;
  });

  async listTools(): Promise<ToolPage> {
    this.lists++;
    return { tools: this.tools, ttlMs: null };
  }

  callTool(_name: string, _args: unknown, options: CallOptions) {
    this.calls++;
    return this.call(options);
  }

  ping(signal: AbortSignal) {
    this.pings++;
    return this.answerPing(signal);
  }

  async [Symbol.asyncDispose]() {
    this.disposals++;
    this.lose(new McpctlError('UNAVAILABLE', 'closed', { delivered: 'maybe' }));
  }
}

/** Everything a managed server is built from. `open` decides how each attempt ends; `opened` counts them. */
export function fakeParts(options: { longLived?: boolean; limit?: number; memory?: ServerMemory } = {}) {
  const clock = new FakeClock();
  const events = new Emitter<ManagerEvent>();
  const log: ManagerEvent[] = [];
  events.onAny((event) => log.push(event));
  const written: ServerMemory[] = [];
  const control = {
    attempts: 0,
    open: async (_options: OpenOptions): Promise<Connection> => new FakeConnection(),
  };
  const memories = {
    read: async () => options.memory ?? {},
    write: async (_hash: string, memory: ServerMemory) => written.push(memory) > 0,
    hasOpenBreaker: () => Object.values(options.memory?.breakers ?? {}).some(({ state }) => state !== 'closed'),
    flush: async () => {},
  } as unknown as ServerMemories;
  const parts: ManagerParts = {
    clock,
    random: () => 0,
    events,
    groups: {} as ProcessGroups,
    memories,
    connects: new Semaphore(options.limit ?? 4),
    openConnection: (open) => {
      control.attempts++;
      return control.open(open);
    },
    env: {},
    stop: { stdinMs: 50, termMs: 50 },
    longLived: options.longLived ?? true,
    clientVersion: '0.0.0-test',
  };
  return { parts, clock, events, log, control, written };
}

/** Lets every promise that can go on go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
