/** Every configured server under one roof: connect, call, watch, close. The faces (REPL, one-shot) talk to nothing else. */

import type { Config } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { Emitter } from '../core/events.js';
import { didYouMean } from '../core/suggest.js';
import type { CallToolResult, Tool } from '../mcp/connection.js';
import { checkInput } from '../mcp/json-schema.js';
import { openConnection } from '../mcp/open-connection.js';
import { runAttempt } from '../policy/policy.js';
import { Semaphore } from '../policy/semaphore.js';
import { runToolCall } from './call-pipeline.js';
import { ManagedServer } from './managed-server.js';
import type { ManagerParts } from './manager-parts.js';
import { withSignal } from './server-lifecycle.js';
import type { ManagerEvent, ServerStatus } from './server-status.js';
import type { ToolList } from './tool-cache.js';

export type { CallToolResult, ServerStatus, Tool };

export interface ManagerOptions extends Omit<ManagerParts, 'events' | 'connects' | 'openConnection'> {
  /** Of this process, for lock files. */
  readonly pid: number;
  /** Tests put servers of their own here. */
  readonly openConnection?: ManagerParts['openConnection'];
}

export interface CallRequest {
  readonly server: string;
  readonly tool: Tool;
  readonly args: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** Milliseconds for the call, counted from the moment the server is ready; overrides the configured ones. */
  readonly timeoutMs?: number | undefined;
}

/** How long calls that are under way may still take when the manager closes, in milliseconds. */
const drainMs = 500;

const maxIdleControllers = 64;

export class Manager implements AsyncDisposable {
  readonly events = new Emitter<ManagerEvent>();
  readonly longLived: boolean;
  readonly #servers = new Map<string, ManagedServer>();
  readonly #config: Config;
  readonly #options: ManagerOptions;
  /** The calls that are under way. */
  readonly #calls = new Set<AbortController>();
  /**
   * Controllers of calls that succeeded, to be used again: making one costs 6 µs on Node 20, a tenth of a whole call.
   * A call that succeeded has taken its listeners off; those of a failed one might be late, so its controller is not kept.
   */
  readonly #idleControllers: AbortController[] = [];
  /** Told when the last of them has ended. */
  #onIdle = () => {};
  #disposing: Promise<void> | undefined;

  constructor(config: Config, options: ManagerOptions) {
    this.#config = config;
    this.#options = options;
    this.longLived = options.longLived;
    const parts: ManagerParts = {
      openConnection,
      ...options,
      events: this.events,
      connects: new Semaphore(config.startConcurrency),
    };
    for (const [name, server] of config.servers) this.#servers.set(name, new ManagedServer(server, parts));
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#config;
  }

  /** Names in the order of the configuration. */
  names(): string[] {
    return [...this.#servers.keys()];
  }

  /** Connects every enabled server in the background and keeps them connected; returns at once. */
  start(): void {
    for (const server of this.#enabled()) void this.#bringUp(server).catch(() => {});
  }

  /** Connects the named enabled servers and resolves when each has settled, or after `limitMs`. Failures are in the snapshot. */
  async connectAll(names: readonly string[], signal: AbortSignal, limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    const servers = names.map((name) => this.#server(name)).filter(({ life }) => life.state.status !== 'disabled');
    const settled = Promise.allSettled(servers.map((server) => this.#bringUp(server)));
    let cancel = () => {};
    const limit = new Promise<void>((resolve) => {
      if (Number.isFinite(limitMs)) cancel = this.#options.clock.after(limitMs, resolve);
    });
    await withSignal(Promise.race([settled, limit]), signal).finally(cancel);
  }

  /** What is known of the named servers (all by default), without asking them. @throws McpctlError `UNKNOWN_SERVER` */
  snapshot(names: readonly string[] = this.names()): ServerStatus[] {
    return names.map((name) => this.#server(name).snapshot());
  }

  /** Resolves when what earlier runs knew of the servers has been read. */
  async remembered(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.remembered()));
  }

  /** The tools of one server, connecting if its list is not fresh. */
  listTools(server: string, signal: AbortSignal, { refresh = false } = {}): Promise<ToolList> {
    return this.#server(server).listTools(signal, refresh);
  }

  /** The tools known without asking. */
  knownTools(server: string): readonly Tool[] | undefined {
    return this.#servers.get(server)?.knownTools?.tools;
  }

  /** Starts connecting without waiting: the server boots while something else is prepared. Failures are met by whoever needs it. */
  prepare(name: string): void {
    const server = this.#server(name);
    if (server.life.state.status === 'disconnected') void server.life.connect().catch(() => {});
  }

  /** Calls a tool; see runToolCall for how it travels. */
  async call({ server: name, tool, args, signal, timeoutMs }: CallRequest): Promise<CallToolResult> {
    const server = this.#server(name);
    const { callMs, callTotalMs } = server.config.timeouts;
    const timeouts = timeoutMs === undefined ? { callMs, callTotalMs } : { callMs: timeoutMs, callTotalMs: timeoutMs };
    const parts = { clock: this.#options.clock, events: this.events, server };
    const controller = this.#idleControllers.pop() ?? new AbortController();
    this.#calls.add(controller);
    try {
      const result = await runAttempt(
        signal,
        (attempt) => runToolCall({ server: name, tool, args, timeouts }, attempt, parts),
        controller,
      );
      if (this.#idleControllers.length < maxIdleControllers && !controller.signal.aborted) this.#idleControllers.push(controller);
      return result;
    } finally {
      this.#calls.delete(controller);
      if (this.#calls.size === 0) this.#onIdle();
    }
  }

  /** One round trip. @returns milliseconds */
  ping(name: string, signal: AbortSignal): Promise<number> {
    return this.#server(name).ping(signal);
  }

  /** Checks arguments against the tool's schema. @throws McpctlError `INVALID_INPUT` */
  checkInput(server: string, tool: Tool, args: Readonly<Record<string, unknown>>): Promise<void> {
    return checkInput(args, tool, server);
  }

  /**
   * Enables or disables a server: now, and with `persist` in later runs too.
   *
   * @returns the file that was written, null when nothing had to be
   * @throws McpctlError `UNKNOWN_SERVER`, `CONFIG_INVALID` (nothing has changed then)
   */
  async setEnabled(
    name: string,
    enabled: boolean,
    { persist, signal }: { persist: boolean; signal: AbortSignal },
  ): Promise<string | null> {
    const server = this.#server(name);
    let file: string | null = null;
    if (persist) {
      const { setServerEnabled } = await import('../config/set-enabled.js');
      const { clock, pid } = this.#options;
      const change = await setServerEnabled(this.#config, server.config, enabled, { clock, pid, signal });
      file = change.file;
      if (change.warning) this.events.emit({ type: 'warning', server: name, message: change.warning });
    }
    if (!enabled) await server.life.disable();
    else {
      server.life.enable();
      if (this.longLived) void this.#bringUp(server).catch(() => {});
    }
    return file;
  }

  /** Closes and connects anew. @throws McpctlError why it did not work */
  async reconnect(name: string, signal: AbortSignal): Promise<void> {
    const server = this.#server(name);
    if (server.life.state.status === 'disabled') await server.life.connection(signal);
    await server.life.reconnect(signal);
    await this.#afterConnect(server, signal);
  }

  async #bringUp(server: ManagedServer): Promise<void> {
    const { signal } = new AbortController();
    await server.life.connection(signal);
    await this.#afterConnect(server, signal);
  }

  /** A connected server has proved that it is there, and its tools are known: `status` shows their number. */
  async #afterConnect(server: ManagedServer, signal: AbortSignal): Promise<void> {
    await server.verify(signal);
    await server.listTools(signal).catch(() => {});
    // With the list from memory nothing was measured yet. A server that does not answer a ping is connected all the same.
    if (server.snapshot().latencyMs === null) await server.ping(signal).catch(() => {});
  }

  *#enabled(): Generator<ManagedServer> {
    for (const server of this.#servers.values()) if (server.life.state.status !== 'disabled') yield server;
  }

  #server(name: string): ManagedServer {
    const server = this.#servers.get(name);
    if (server) return server;
    const names = this.names();
    const hint =
      didYouMean(name, names) ??
      (names.length > 0 ? `the servers are: ${names.join(', ')}` : 'no server is configured; mcpctl config path shows where');
    throw new McpctlError('UNKNOWN_SERVER', `There is no server "${name}"`, { hint, details: { servers: names } });
  }

  /** Lets calls end for a moment, cancels the rest, closes every server in parallel, and writes down what was learnt. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    if (this.#calls.size > 0) {
      const { clock } = this.#options;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(drainMs, resolve);
        this.#onIdle = () => {
          cancel();
          resolve();
        };
      });
      for (const call of this.#calls) call.abort(new McpctlError('CANCELLED', 'mcpctl is closing', { delivered: 'maybe' }));
    }
    await Promise.allSettled([...this.#servers.values()].map((server) => server[Symbol.asyncDispose]()));
    await this.#options.memories.flush();
  }
}
