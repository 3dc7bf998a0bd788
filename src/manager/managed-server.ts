/** One server of the manager: its life, its tools, what is remembered of it, and how it looks in `status`. */

import type { ServerConfig } from '../config/schema.js';
import { isWaiting, untrustedError } from '../config/trust.js';
import { McpctlError } from '../core/errors.js';
import type { StopOptions, StoppedBy } from '../io/process-group.js';
import type { Connection } from '../mcp/connection.js';
import type { EraVerdict } from '../mcp/era.js';
import { deadline } from '../policy/deadline.js';
import { Debounced } from '../policy/debounce.js';
import { runAttempt } from '../policy/policy.js';
import { CallsInFlight } from './calls-in-flight.js';
import { HealthMonitor } from './health.js';
import { Latency } from './latency.js';
import { LoginInForce } from './login-in-force.js';
import type { ManagerParts } from './manager-parts.js';
import { ServerCache } from './server-cache.js';
import { type LifecycleHooks, ServerLifecycle, withSignal } from './server-lifecycle.js';
import { halfDayMs, ServerRecall } from './server-recall.js';
import type { ServerStatus } from './server-status.js';
import type { ToolList } from './tool-cache.js';
import { toolFilter } from './tool-filter.js';

/** Announced changes of the tool list come in bursts: one list for a burst, at most one a second. */
const relistPace = { quietMs: 300, apartMs: 1000 };

/** What a server gets in a single command that did not leave at the end of its input the last time. */
const lingererMs = 5;

export class ManagedServer implements AsyncDisposable {
  readonly life: ServerLifecycle;
  readonly cache: ServerCache;
  readonly #health: HealthMonitor;
  readonly #latency = new Latency();
  readonly #relist: Debounced;
  /** Calls from the moment they begin to wait for a connection. */
  readonly calls = new CallsInFlight();
  #config: ServerConfig;
  #isAllowed: (tool: string) => boolean;
  readonly #remembering: Promise<void>;
  readonly #lifetime = new AbortController();
  readonly #recall: ServerRecall;
  /** What is taken for granted of a server that has not answered yet; not remembered. */
  #assumed: EraVerdict | undefined;
  #inFlight = 0;
  readonly #login: LoginInForce;

  /** @param after resolves when the server is gone whose place this one takes; never rejects */
  constructor(
    config: ServerConfig,
    readonly parts: ManagerParts,
    after?: Promise<unknown>,
  ) {
    this.#config = config;
    const { clock, random, events, memories } = parts;
    this.#isAllowed = toolFilter(config.tools);
    this.#login = new LoginInForce(() => parts.logins?.known(this.#config));
    const login = () => this.#login.id({ isConnected: this.life.current !== undefined });
    this.cache = new ServerCache({ config, clock, login, onTools: (tools) => this.#recall.remember({ tools }) });
    this.#relist = new Debounced(relistPace, clock, () => this.#listAgain());
    this.#health = new HealthMonitor({
      clock,
      random,
      options: () => this.#config.health,
      check: (signal) => this.#roundTrip((connection) => connection.ping(signal)),
      onResult: (ok, latencyMs) => events.emit({ type: 'health-checked', server: config.name, ok, latencyMs }),
      // A server that works on somebody's call is not taken away.
      isBusy: () => this.#inFlight > 0,
      onDead: (error) => this.#giveUp(error),
    });
    const hooks: LifecycleHooks = {
      open: (signal) => this.#open(signal),
      onConnected: (connection) => {
        this.#assumed = undefined;
        if (connection.verified) this.#health.sawLife();
        this.#recall.remember({ era: connection.verdict as never });
        this.#watchHealth();
      },
      onLost: (reason) => {
        this.#health.stop();
        // Announcements of a change may have been missed, and what answers next may be another program.
        if (parts.longLived) this.cache.toolsChanged();
        else this.cache.results.drop();
        if (reason.details?.reason === 'era-changed') this.#recall.remember({ era: undefined });
      },
    };
    this.life = new ServerLifecycle(config, parts, hooks, after);
    this.#recall = new ServerRecall(config, memories);
    // Whose list may be shown is a question of who is logged in.
    const logins = config.definition.type === 'stdio' ? undefined : parts.logins?.refresh();
    this.#remembering = Promise.all([this.#recall.ready, logins]).then(([memory]) => this.cache.restore(memory));
  }

  get config(): ServerConfig {
    return this.#config;
  }

  /** Takes over options that a live connection can do without (`compareServers` knows which). */
  adopt(config: ServerConfig): void {
    const isPaceNew = config.health.intervalMs !== this.#config.health.intervalMs;
    this.#config = config;
    this.life.config = config;
    this.#isAllowed = toolFilter(config.tools);
    if (isPaceNew && this.life.current) this.#watchHealth();
  }

  #watchHealth(): void {
    if (this.parts.longLived && this.#config.health.intervalMs > 0) this.#health.start();
    else this.#health.stop();
  }

  async #open(signal: AbortSignal): Promise<Connection> {
    const { parts, config } = this;
    const opening = parts.openConnection({
      server: config,
      groups: parts.groups,
      env: parts.env,
      stop: this.#stopOptions(),
      onStopped: (by) => this.#sawStop(by),
      clock: parts.clock,
      clientVersion: parts.clientVersion,
      // Not awaited here: a process need not wait for it to be started.
      remembered: this.#remembering.then(() => this.#assumed ?? (this.#recall.memory.era as EraVerdict | undefined)),
      ...(parts.logins && { credentials: () => this.#token(parts.logins!, signal) }),
      signal,
      onStderr: (line, isCut) => parts.events.emit({ type: 'server-stderr', server: config.name, line, isCut }),
      onWarning: (message) => parts.events.emit({ type: 'warning', server: config.name, message }),
      // A one-shot is gone before a list can change; subscribing would cost it a request.
      ...(parts.longLived ? { onToolsChanged: () => this.#toolsChanged() } : {}),
    });
    return opening.catch((error: unknown) => {
      // It ended at the question for its era and again without it. The next attempts need not start it twice.
      if (error instanceof McpctlError && error.details?.starts === 2) {
        this.#assumed = { kind: 'legacy', transport: 'stdio', at: parts.clock.date().getTime() };
      }
      throw error;
    });
  }

  async #token(logins: NonNullable<ManagerParts['logins']>, signal: AbortSignal): Promise<string | undefined> {
    const token = await logins.tokenFor(this.config, signal);
    this.#login.connectedWith(token);
    return token;
  }

  /** Read when the server is stopped, by which time its memory is there. */
  #stopOptions(): StopOptions {
    const { stop, longLived } = this.parts;
    const stdinMs = () => {
      const patience = this.config.stop.graceMs ?? stop.stdinMs;
      return longLived || this.config.stop.graceMs !== null || !this.#isLingering() ? patience : Math.min(patience, lingererMs);
    };
    return {
      termMs: stop.termMs,
      get stdinMs() {
        return stdinMs();
      },
    };
  }

  #sawStop(by: StoppedBy): void {
    if (this.parts.longLived || this.config.stop.graceMs !== null || this.#isLingering()) return;
    if (by !== 'input') this.#recall.remember({ lingers: this.parts.clock.date().getTime() });
    else if (this.#recall.memory.lingers !== undefined) this.#recall.remember({ lingers: undefined });
  }

  #isLingering(): boolean {
    const { lingers } = this.#recall.memory;
    return lingers !== undefined && this.parts.clock.date().getTime() - lingers < halfDayMs;
  }

  /** Runs a request on a live connection, and looks after the server when it fails. */
  async use<T>(signal: AbortSignal, request: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.life.current ?? (await this.life.connection(signal));
    this.#inFlight++;
    try {
      return await request(connection);
    } catch (error) {
      if (error instanceof McpctlError && error.code === 'UNAVAILABLE') this.#health.checkSoon();
      throw error;
    } finally {
      this.#inFlight--;
    }
  }

  /** The tools that the configuration lets through: from memory while fresh, else asked for. `refresh` asks in any case. */
  async listTools(signal: AbortSignal, refresh = false): Promise<ToolList> {
    if (isWaiting(this.#config)) throw untrustedError(this.#config);
    await this.#remembering;
    const fresh = refresh ? undefined : this.cache.tools.fresh;
    return this.#filtered(fresh ?? (await withSignal(this.#fetchTools(), signal)));
  }

  /** The tools known without asking, however old the list is. */
  get knownTools(): ToolList | undefined {
    const { known } = this.cache.tools;
    return known && this.#filtered(known);
  }

  /** Resolves when what earlier runs knew has been read. */
  remembered(): Promise<void> {
    return this.#remembering;
  }

  /** One round trip, connecting if need be. @returns milliseconds */
  async ping(signal: AbortSignal): Promise<number> {
    const ms = await this.#repeatable('ping', this.config.health.timeoutMs, signal, (connection, bound) =>
      this.#roundTrip(() => connection.ping(bound)),
    );
    this.#health.sawLife();
    return ms;
  }

  /** Makes sure that something came back from the server: a session adopted from memory proves nothing. */
  async verify(signal: AbortSignal): Promise<void> {
    const connection = await this.life.connection(signal);
    if (!connection.verified) await this.ping(signal);
  }

  #fetchTools(): Promise<ToolList> {
    // One list serves everyone who asks meanwhile, so it ends with the server, not with the first of them.
    return this.cache.tools.refresh(() =>
      this.#repeatable('tools/list', this.config.timeouts.listMs, this.#lifetime.signal, (connection, bound) =>
        this.#timed(() => connection.listTools(bound)),
      ),
    );
  }

  /** A request that changes nothing on the server: bounded, and sent once more when the connection broke under it. */
  async #repeatable<T>(
    what: string,
    limitMs: number,
    signal: AbortSignal,
    request: (connection: Connection, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { name } = this.config;
    const bound = deadline({ idleMs: limitMs, totalMs: limitMs, what: `${what} ${name}`, server: name }, this.parts.clock);
    const once = async () => {
      // Connecting has limits of its own.
      await this.life.connection(signal);
      return runAttempt(signal, (first) =>
        bound((current) => this.use(current.signal, (connection) => request(connection, current.signal)), first),
      );
    };
    try {
      return await once();
    } catch (error) {
      const broke =
        error instanceof McpctlError &&
        (error.code === 'UNAVAILABLE' || error.code === 'SERVER_EXITED') &&
        this.life.state.status !== 'error';
      if (!broke || signal.aborted) throw error;
      return once();
    }
  }

  async #roundTrip(request: (connection: Connection) => Promise<void>): Promise<number> {
    const connection = this.life.current;
    if (!connection)
      throw new McpctlError('UNAVAILABLE', `Server "${this.config.name}" is not connected`, {
        server: this.config.name,
        delivered: 'no',
      });
    const startedAt = this.parts.clock.now();
    await this.#timed(() => request(connection));
    return this.parts.clock.now() - startedAt;
  }

  async #timed<T>(request: () => Promise<T>): Promise<T> {
    const startedAt = this.parts.clock.now();
    const result = await request();
    this.#latency.add(this.parts.clock.now() - startedAt);
    return result;
  }

  #giveUp(error: McpctlError): void {
    const connection = this.life.current;
    if (!connection) return;
    const { name } = this.config;
    this.life.lost(
      connection,
      new McpctlError('UNAVAILABLE', `Server "${name}" gives no sign of life: ${error.message}`, {
        server: name,
        cause: error,
        hint: `mcpctl reconnect ${name}`,
        delivered: 'maybe',
      }),
    );
  }

  #toolsChanged(): void {
    this.cache.toolsChanged();
    this.#relist.trigger();
  }

  async #listAgain(): Promise<void> {
    if (this.life.state.status !== 'connected') return;
    const list = await this.#fetchTools().catch(() => undefined);
    if (list)
      this.parts.events.emit({ type: 'tools-changed', server: this.config.name, count: this.#filtered(list).tools.length });
  }

  #filtered(list: ToolList): ToolList {
    const { include, exclude } = this.config.tools;
    return include.length + exclude.length === 0
      ? list
      : { ...list, tools: list.tools.filter(({ name }) => this.#isAllowed(name)) };
  }

  /** Forgets lists and results, here and on the disk. @returns how many there were @throws as `ServerRecall.forgetTools` */
  async clearCache(): Promise<number> {
    await this.#remembering;
    const count = this.cache.clear();
    // Names are completed from the list, so it is soon asked for again.
    if (this.parts.longLived && this.life.current) this.#relist.trigger();
    return (await this.#recall.forgetTools()) ? Math.max(count, 1) : count;
  }

  snapshot(): ServerStatus {
    const { config, life } = this;
    const { state, current } = life;
    const known = this.knownTools;
    const guessed = config.definition.type === 'auto' ? 'http' : config.definition.type;
    return {
      name: config.name,
      transport: current?.verdict.transport ?? this.#recall.memory.era?.transport ?? guessed,
      target: config.target,
      source: config.source,
      enabled: state.status !== 'disabled',
      status: state.status,
      since: state.since,
      lastCheckedAt: this.#health.lastCheckedAt,
      lastError: life.lastError,
      attempt: life.failures,
      retryAt: state.status === 'error' ? state.retryAt : null,
      generation: state.generation,
      health: this.#healthWord(),
      auth: this.#authState(),
      protocol: current?.protocol ?? null,
      serverInfo: current?.serverInfo ?? null,
      pid: current?.pid ?? null,
      tools: known?.tools.length ?? null,
      toolsAgeMs: known ? Math.max(0, this.parts.clock.date().getTime() - known.at) : null,
      latencyMs: this.#latency.summary(),
    };
  }

  /** As of the last look at what is stored. A token that is stored counts as valid until the server refuses it. */
  #authState(): ServerStatus['auth'] {
    const known = this.parts.logins?.known(this.config);
    const isRefused = this.life.state.status === 'needs-auth';
    return {
      state: isRefused ? 'required' : known ? 'valid' : 'none',
      expiresAt: known?.expiresAt ?? null,
      scopes: known?.scopes ?? [],
      account: known?.account ?? null,
    };
  }

  #healthWord(): ServerStatus['health'] {
    const { status } = this.life.state;
    if (status === 'connected') return this.#health.failures > 0 ? 'degraded' : 'healthy';
    return status === 'error' || status === 'needs-auth' ? 'unhealthy' : 'unknown';
  }

  /** Lets its calls end for `drainMs` milliseconds, then goes for good; the rest of them end with `reason`. */
  async leave(drainMs: number, reason: McpctlError): Promise<void> {
    await this.calls.drain(this.parts.clock, drainMs, reason);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#relist.cancel();
    this.#health.stop();
    this.cache[Symbol.dispose]();
    this.#lifetime.abort(
      new McpctlError('UNAVAILABLE', `The connection to "${this.config.name}" was closed`, {
        server: this.config.name,
        delivered: 'maybe',
      }),
    );
    await this.life[Symbol.asyncDispose]();
  }
}
