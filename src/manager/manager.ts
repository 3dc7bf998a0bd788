/** Every configured server under one roof: connect, call, watch, close. The faces (REPL, one-shot) talk to nothing else. */

import { formatProblem } from '../config/position.js';
import type { Config, ServerConfig } from '../config/schema.js';
import { Emitter } from '../core/events.js';
import type { Tracer } from '../core/tracing.js';
import type { CallToolResult, Tool } from '../mcp/connection.js';
import { checkInput } from '../mcp/json-schema.js';
import { openConnection } from '../mcp/open-connection.js';
import { runAttempt } from '../policy/policy.js';
import { Semaphore } from '../policy/semaphore.js';
import { runToolCall } from './call-pipeline.js';
import type { ClearedCaches } from './clear-caches.js';
import type { ConfigChange } from './config-change.js';
import type { Diagnosis } from './doctor/doctor.js';
import type { ManagedServer } from './managed-server.js';
import { type LoginList, ManagerLogins } from './manager-logins.js';
import type { ManagerParts } from './manager-parts.js';
import type { BreakersOfServer, BreakerVerb } from './server-breakers.js';
import type { CachedThing, CacheStatus } from './server-cache.js';
import { withSignal } from './server-lifecycle.js';
import { isUsable, ServerSet } from './server-set.js';
import type { ManagerEvent, ServerFigures, ServerStatus } from './server-status.js';
import type { ToolList } from './tool-cache.js';

export type { BreakersOfServer, CachedThing, CacheStatus, CallToolResult, ConfigChange, LoginList, ServerStatus, Tool };

export interface ManagerOptions extends Omit<ManagerParts, 'events' | 'connects' | 'openConnection'> {
  /** Of this process, for lock files. */
  readonly pid: number;
  /** Tests put servers of their own here. */
  readonly openConnection?: ManagerParts['openConnection'];
  /** Reads the configuration anew, for `reload`. */
  readonly loadConfig?: () => Promise<Config>;
  /** Told of a new configuration before anything of it is used: it brings secrets that must not be printed. */
  readonly onConfig?: (config: Config) => void;
}

export interface CallRequest {
  readonly server: string;
  readonly tool: Tool;
  readonly args: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  /** Milliseconds for the call, counted from the moment the server is ready; overrides the configured ones. */
  readonly timeoutMs?: number | undefined;
  /** Repeat it also when it may have run already. */
  readonly retryUnsafe?: boolean;
  /** Asks the server although a result is kept. */
  readonly isAnew?: boolean;
  /** Told by which name the call is found in events and logs; not for a kept result. */
  readonly onCallId?: (callId: string) => void;
}

const noChange: ConfigChange = { added: [], removed: [], changed: [] };

const maxIdleControllers = 64;

export class Manager implements AsyncDisposable {
  readonly events = new Emitter<ManagerEvent>();
  readonly logins: ManagerLogins;
  readonly longLived: boolean;
  readonly #servers: ServerSet;
  #config: Config;
  readonly #options: ManagerOptions;
  #isStarted = false;
  /** Ends when the last change of the configuration so far has been made: they follow each other. */
  #turn: Promise<unknown> = Promise.resolve();
  /**
   * Controllers of calls that succeeded, to be used again: making one costs 6 µs on Node 20, a tenth of a whole call.
   * A call that succeeded has taken its listeners off; those of a failed one might be late, so its controller is not kept.
   */
  readonly #idleControllers: AbortController[] = [];
  #disposing: Promise<void> | undefined;

  constructor(config: Config, options: ManagerOptions) {
    this.#config = config;
    this.#options = options;
    this.longLived = options.longLived;
    const connects = new Semaphore(config.startConcurrency);
    this.#servers = new ServerSet(config, { openConnection, ...options, events: this.events, connects });
    this.logins = new ManagerLogins({
      ...options,
      events: this.events,
      servers: this.#servers,
      remembered: () => this.remembered(),
      reconnect: (name, signal) => this.reconnect(name, signal),
    });
  }

  /** Undefined: nobody wants traces. */
  get tracer(): Tracer | undefined {
    return this.#options.tracer;
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#config;
  }

  /** Names in the order of the configuration. */
  names(): string[] {
    return this.#servers.names();
  }

  /** Connects every server that may be used in the background and keeps them connected; returns at once. Does nothing the second time. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#bringUpSoon(this.#servers.all());
  }

  /** Connects those of the named servers that may be used and resolves when each has settled, or after `limitMs`. Failures are in the snapshot. */
  async connectAll(names: readonly string[], signal: AbortSignal, limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    const servers = names.map((name) => this.#servers.get(name)).filter(isUsable);
    const settled = Promise.allSettled(servers.map((server) => this.#bringUp(server)));
    let cancel = () => {};
    const limit = new Promise<void>((resolve) => {
      if (Number.isFinite(limitMs)) cancel = this.#options.clock.after(limitMs, resolve);
    });
    await withSignal(Promise.race([settled, limit]), signal).finally(cancel);
  }

  /** What is known of the named servers (all by default), without asking them. @throws McpctlError `UNKNOWN_SERVER` */
  snapshot(names: readonly string[] = this.names()): ServerStatus[] {
    return names.map((name) => this.#servers.get(name).snapshot());
  }

  /** Resolves when what earlier runs knew of the servers has been read. */
  async remembered(): Promise<void> {
    await Promise.all([this.#options.logins?.refresh(), ...this.#servers.all().map((server) => server.remembered())]);
  }

  /** The tools of one server, connecting if its list is not fresh. */
  listTools(server: string, signal: AbortSignal, { refresh = false } = {}): Promise<ToolList> {
    return this.#servers.get(server).listTools(signal, refresh);
  }

  /** The tools known without asking. */
  knownTools(server: string): readonly Tool[] | undefined {
    return this.#servers.find(server)?.knownTools?.tools;
  }

  /** Starts connecting without waiting: the server boots while something else is prepared. Failures are met by whoever needs it. */
  prepare(name: string): void {
    const server = this.#servers.get(name);
    if (server.life.state.status === 'disconnected') void server.life.connect().catch(() => {});
  }

  /** Calls a tool, or gives the kept result of an equal call where the configuration wants that. */
  call(request: CallRequest): Promise<CallToolResult> {
    const results = this.#servers.find(request.server)?.cache.results;
    return results?.isOn ? results.call(request, (signal) => this.#send({ ...request, signal })) : this.#send(request);
  }

  /** See runToolCall for how a call travels. */
  async #send({ server: name, tool, args, signal, timeoutMs, retryUnsafe, onCallId }: CallRequest): Promise<CallToolResult> {
    const server = this.#servers.get(name);
    const { callMs, callTotalMs } = server.config.timeouts;
    const timeouts = timeoutMs === undefined ? { callMs, callTotalMs } : { callMs: timeoutMs, callTotalMs: timeoutMs };
    const { clock, random, tracer } = this.#options;
    const parts = { clock, random, events: this.events, server, tracer };
    const controller = this.#idleControllers.pop() ?? new AbortController();
    server.calls.add(controller);
    try {
      const result = await runAttempt(
        signal,
        (attempt) => runToolCall({ server: name, tool, args, timeouts, retryUnsafe, onCallId }, attempt, parts),
        controller,
      );
      if (this.#idleControllers.length < maxIdleControllers && !controller.signal.aborted) this.#idleControllers.push(controller);
      return result;
    } finally {
      server.calls.delete(controller);
    }
  }

  /** What is kept of every server, and how often it was of use. */
  caches(): CacheStatus[] {
    return this.#servers.all().map((server) => server.cache.status());
  }

  /** What a monitoring system wants to know of the named servers as they are now. @throws McpctlError `UNKNOWN_SERVER` */
  figures(names: readonly string[] = this.names()): ServerFigures[] {
    return names.map((name) => {
      const server = this.#servers.get(name);
      const { leases, traffic } = server.endpoints;
      const isLoginRenewable = this.#options.logins?.known(server.config)?.renewable ?? false;
      return { status: server.snapshot(), isLoginRenewable, leases, traffic, cache: server.cache.counters() };
    });
  }

  /** Forgets what is kept of the named servers, here and on the disk. @throws McpctlError `UNKNOWN_SERVER`, before anything is done */
  async clearCaches(names: readonly string[]): Promise<ClearedCaches> {
    const servers = names.map((name) => this.#servers.get(name));
    return (await import('./clear-caches.js')).clearCaches(servers);
  }

  /** Examines the named servers, and this machine, step by step. @throws McpctlError `UNKNOWN_SERVER`; `signal.reason` */
  async diagnose(names: readonly string[], asking: { signal: AbortSignal; isAttended: boolean }): Promise<Diagnosis> {
    const { diagnose } = await import('./doctor/doctor.js');
    const parts = { openConnection, ...this.#options, events: this.events, config: this.#config };
    return diagnose(names, { ...parts, find: (name) => this.#servers.get(name) }, asking);
  }

  /** One round trip. @returns milliseconds */
  ping(name: string, signal: AbortSignal): Promise<number> {
    return this.#servers.get(name).ping(signal);
  }

  /** The circuit breakers of a server. @throws McpctlError `UNKNOWN_SERVER` */
  breakers(name: string): BreakersOfServer {
    return this.#servers.get(name).endpoints.breakers();
  }

  /** Opens, closes or resets them by hand; a server that is not connected is tried again once they are closed. */
  steerBreaker(name: string, verb: BreakerVerb): void {
    const server = this.#servers.get(name);
    server.endpoints.steer(verb);
    if (verb !== 'open' && this.#isStarted && server.life.state.status === 'error') this.#bringUpSoon([server]);
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
    let closing: Promise<void> | undefined;
    const file = await this.#inTurn(async () => {
      const server = this.#servers.get(name);
      const written = persist ? await this.#writeEnabled(server, enabled, signal) : null;
      if (enabled) server.life.enable();
      else closing = server.life.disable();
      if (enabled && this.longLived && isUsable(server)) void this.#bringUp(server).catch(() => {});
      return written;
    });
    await closing;
    return file;
  }

  async #writeEnabled(server: ManagedServer, enabled: boolean, signal: AbortSignal): Promise<string | null> {
    const { setServerEnabled } = await import('../config/set-enabled.js');
    const { clock, pid } = this.#options;
    const { name } = server.config;
    const { file, warning } = await setServerEnabled(this.#config, server.config, enabled, { clock, pid, signal });
    if (warning) this.events.emit({ type: 'warning', server: name, message: warning });
    // What is in the file now is in force already: reading it again changes nothing.
    server.adopt({ ...server.config, enabled });
    this.#config = { ...this.#config, servers: new Map(this.#config.servers).set(name, server.config) };
    return file;
  }

  /**
   * Reads the configuration anew and takes it over.
   *
   * @throws McpctlError `CONFIG_INVALID` when it cannot be used; everything stays as it is then
   */
  reload(): Promise<ConfigChange> {
    const { loadConfig } = this.#options;
    return this.#inTurn(async () => (loadConfig ? this.#takeOver(await loadConfig()) : noChange));
  }

  /**
   * Puts a new configuration in force while running. What it does not touch goes on undisturbed, connections and calls
   * included. Servers that are gone, or made anew, let their calls end for `leaveMs`; nothing waits for that here.
   */
  reconfigure(config: Config): Promise<ConfigChange> {
    return this.#inTurn(() => this.#takeOver(config));
  }

  async #takeOver(config: Config): Promise<ConfigChange> {
    const { compareServers, newWarnings } = await import('./config-change.js');
    if (this.#disposing) return noChange;
    this.#options.onConfig?.(config);
    const before = this.#config;
    this.#config = config;
    const { fresh, ...change } = this.#servers.takeOver(config, compareServers);
    if (change.added.length + change.removed.length + change.changed.length > 0)
      this.events.emit({ type: 'config-changed', ...change });
    for (const problem of newWarnings(before.problems, config.problems))
      this.events.emit({ type: 'warning', server: null, message: formatProblem(problem) });
    if (this.#isStarted) this.#bringUpSoon(fresh);
    return change;
  }

  /** Changes of the configuration happen one after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Closes and connects anew. @throws McpctlError why it did not work */
  async reconnect(name: string, signal: AbortSignal): Promise<void> {
    const server = this.#servers.get(name);
    if (!isUsable(server)) await server.life.connection(signal);
    await this.#options.logins?.retryNow(name);
    await server.life.reconnect(signal);
    await this.#afterConnect(server, signal);
  }

  /** Connects those that may be used, without waiting, and tells which of the others wait for an approval: one event a file. */
  #bringUpSoon(servers: readonly ManagedServer[]): void {
    const files = new Map<string, ServerConfig[]>();
    for (const server of servers) {
      const { config, life } = server;
      if (isUsable(server)) void this.#bringUp(server).catch(() => {});
      else if (life.state.status === 'untrusted') files.set(config.file, [...(files.get(config.file) ?? []), config]);
    }
    for (const [file, waiting] of files) {
      const changed = waiting.filter(({ approval }) => approval === 'changed').map(({ name }) => name);
      this.events.emit({ type: 'approval-needed', file, servers: waiting.map(({ name }) => name), changed });
    }
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

  /** Lets calls end for a moment, cancels the rest, closes every server in parallel, and writes down what was learnt. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await this.#servers[Symbol.asyncDispose]();
    await this.#options.memories.flush();
  }
}
