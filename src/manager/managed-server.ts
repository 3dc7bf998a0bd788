/** One server of the manager: its life, its tools, what is remembered of it, and how it looks in `status`. */

import { loginState } from '../auth/expiry.js';
import { loginId } from '../config/accounts.js';
import type { ServerConfig } from '../config/schema.js';
import { isWaiting, untrustedError } from '../config/trust.js';
import { McpctlError } from '../core/errors.js';
import { deadline } from '../policy/deadline.js';
import { type Attempt, runAttempt } from '../policy/policy.js';
import { CallGuards } from './call-guards.js';
import { traceRequest } from './call-trace.js';
import { CallsInFlight } from './calls-in-flight.js';
import { EndpointSet, type Route } from './endpoint-set.js';
import type { ManagerParts } from './manager-parts.js';
import { ServerCache } from './server-cache.js';
import type { ServerLife } from './server-life.js';
import { withSignal } from './server-lifecycle.js';
import type { ServerRecall } from './server-recall.js';
import type { ServerStatus } from './server-status.js';
import type { ToolList } from './tool-cache.js';
import { ToolChanges } from './tool-changes.js';
import { toolFilter } from './tool-filter.js';

export class ManagedServer implements AsyncDisposable {
  readonly endpoints: EndpointSet;
  readonly cache: ServerCache;
  readonly #changes: ToolChanges;
  #wasConnected = false;
  /** Calls from the moment they begin to wait for a connection. */
  readonly calls = new CallsInFlight();
  readonly guards: CallGuards;
  #config: ServerConfig;
  #isAllowed: (tool: string) => boolean;
  readonly #remembering: Promise<void>;
  readonly #lifetime = new AbortController();

  /** @param after resolves when the server is gone whose place this one takes; never rejects */
  constructor(
    config: ServerConfig,
    readonly parts: ManagerParts,
    after?: Promise<unknown>,
  ) {
    this.#config = config;
    const { clock, events } = parts;
    this.guards = new CallGuards(config.name, clock, () => this.#config.concurrency);
    this.#isAllowed = toolFilter(config.tools);
    this.cache = new ServerCache({
      config,
      clock,
      login: () => this.#login(),
      onTools: (tools) => {
        this.#recall.remember({ tools });
        this.endpoints.compareTools();
      },
    });
    this.#changes = new ToolChanges({
      clock,
      known: () => this.cache.tools.known?.tools,
      list: () => (this.life.state.status === 'connected' ? this.#fetchTools() : undefined),
      onNew: (list) => events.emit({ type: 'tools-changed', server: config.name, count: this.#filtered(list).tools.length }),
    });
    this.endpoints = new EndpointSet({
      config,
      parts,
      after,
      ready: () => this.#remembering,
      tools: () => this.cache.tools.known?.tools,
      onConnected: () => {
        // What was announced while nobody listened is lost, and another version of the server may be there now.
        if (this.#wasConnected && parts.longLived) this.#toolsChanged();
        this.#wasConnected = true;
      },
      onLost: () => {
        // Announcements of a change may have been missed, and what answers next may be another program.
        if (parts.longLived) this.cache.toolsChanged();
        else this.cache.results.drop();
      },
      onToolsChanged: () => this.#toolsChanged(),
    });
    // Whose list may be shown is a question of who is logged in.
    const logins = config.definition.type === 'stdio' ? undefined : parts.logins?.refresh();
    this.#remembering = Promise.all([this.#recall.ready, logins]).then(([memory]) => this.cache.restore(memory));
  }

  get config(): ServerConfig {
    return this.#config;
  }

  /** Takes over options that a live connection can do without (`compareServers` knows which). */
  adopt(config: ServerConfig): void {
    this.#config = config;
    this.endpoints.adopt(config);
    this.#isAllowed = toolFilter(config.tools);
  }

  get life(): ServerLife {
    return this.endpoints.life;
  }

  get #recall(): ServerRecall {
    return this.endpoints.first.recall;
  }

  /** Who the server takes us for: a new login is a new connection. */
  #login(): string | undefined {
    const known = this.parts.logins?.known(this.config);
    return known && loginId(known);
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
  ping(signal: AbortSignal): Promise<number> {
    return traceRequest(this.parts.tracer, ['ping', 'server/discover'], this.config, () => this.#ping(signal));
  }

  async #ping(signal: AbortSignal): Promise<number> {
    // Somebody wants to know whether it is there, so no breaker keeps it away.
    await this.life.connection(signal, { isProbe: true });
    return this.#repeatable('ping', this.config.health.timeoutMs, signal, async ({ signal: bound }) => {
      const { foremost } = this.endpoints;
      const { ms } = await foremost.use(bound, (connection) => foremost.timed(() => connection.ping(bound)));
      foremost.health.sawLife();
      return ms;
    });
  }

  /** Makes sure that something came back from the server: a session adopted from memory proves nothing. */
  async verify(signal: AbortSignal): Promise<void> {
    const connection = await this.life.connection(signal);
    if (!connection.verified) await this.ping(signal);
  }

  #fetchTools(): Promise<ToolList> {
    // One list serves everyone who asks meanwhile, so it ends with the server, not with the first of them.
    const ask = () =>
      this.#repeatable('tools/list', this.config.timeouts.listMs, this.#lifetime.signal, (attempt, route) =>
        this.endpoints.use({ route, attempt }, (connection, { signal }, endpoint) =>
          endpoint.timed(() => connection.listTools(signal)).then(({ result }) => result),
        ),
      );
    return this.cache.tools.refresh(() => this.#listed(traceRequest(this.parts.tracer, ['tools/list'], this.config, ask)));
  }

  /** Tells how asking for the tools went. */
  async #listed<T>(listing: Promise<T>): Promise<T> {
    const { clock, events } = this.parts;
    const startedAt = clock.now();
    const tell = (ok: boolean) =>
      events.emit({ type: 'tools-listed', server: this.config.name, durationMs: clock.now() - startedAt, ok });
    return listing.then(
      (list) => {
        tell(true);
        return list;
      },
      (error: unknown) => {
        tell(false);
        throw error;
      },
    );
  }

  /** A request that changes nothing on the server: bounded, and sent once more when the connection broke under it. */
  async #repeatable<T>(
    what: string,
    limitMs: number,
    signal: AbortSignal,
    request: (attempt: Attempt, route: Route) => Promise<T>,
  ): Promise<T> {
    const { name } = this.config;
    const bound = deadline({ idleMs: limitMs, totalMs: limitMs, what: `${what} ${name}`, server: name }, this.parts.clock);
    const route: Route = { tried: new Set() };
    const once = async () => {
      // Connecting has limits of its own.
      await this.life.connection(signal);
      return runAttempt(signal, (first) => bound((attempt) => request(attempt, route), first));
    };
    try {
      return await once();
    } catch (error) {
      const broke =
        error instanceof McpctlError &&
        (error.code === 'UNAVAILABLE' || error.code === 'SERVER_EXITED') &&
        error.details?.status !== 429 &&
        this.life.state.status !== 'error';
      if (!broke || signal.aborted) throw error;
      return once();
    }
  }

  #toolsChanged(): void {
    this.cache.toolsChanged();
    this.#changes.announced();
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
    if (this.parts.longLived && this.life.current) this.#changes.announced();
    return (await this.#recall.forgetTools()) ? Math.max(count, 1) : count;
  }

  snapshot(): ServerStatus {
    const { config, life, endpoints } = this;
    const { foremost } = endpoints;
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
      lastCheckedAt: foremost.health.lastCheckedAt,
      lastError: life.lastError,
      attempt: life.failures,
      retryAt: state.status === 'error' ? state.retryAt : null,
      generation: state.generation,
      health: this.#healthWord(),
      breaker: foremost.breakers.status().breaker,
      auth: this.#authState(),
      protocol: current?.protocol ?? null,
      serverInfo: current?.serverInfo ?? null,
      pid: current?.pid ?? null,
      tools: known?.tools.length ?? null,
      toolsAgeMs: known ? Math.max(0, this.parts.clock.date().getTime() - known.at) : null,
      latencyMs: foremost.latency.summary(),
      pool: endpoints.pool,
      endpoints: endpoints.status(),
    };
  }

  /** As of the last look at what is stored. What is stored counts by its times until the server refuses it. */
  #authState(): ServerStatus['auth'] {
    const known = this.parts.logins?.known(this.config);
    const isRefused = this.life.state.status === 'needs-auth';
    return {
      state: isRefused ? 'required' : known ? loginState(known, this.parts.clock.date()) : 'none',
      expiresAt: known?.expiresAt ?? null,
      scopes: known?.scopes ?? [],
      account: known?.account ?? null,
    };
  }

  #healthWord(): ServerStatus['health'] {
    const { status } = this.life.state;
    const { foremost, all } = this.endpoints;
    const { state } = foremost.breakers;
    const isWhole = all.every(({ life, isClosed }) => (all.length === 1 || life.current !== undefined) && !isClosed);
    if (status === 'connected' && state !== 'open')
      return foremost.health.failures > 0 || state === 'half-open' || !isWhole ? 'degraded' : 'healthy';
    return state === 'open' || status === 'error' || status === 'needs-auth' ? 'unhealthy' : 'unknown';
  }

  /** Lets its calls end for `drainMs` milliseconds, then goes for good; the rest of them end with `reason`. */
  async leave(drainMs: number, reason: McpctlError): Promise<void> {
    await this.calls.drain(this.parts.clock, drainMs, reason);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#changes.cancel();
    this.cache[Symbol.dispose]();
    this.#lifetime.abort(
      new McpctlError('UNAVAILABLE', `The connection to "${this.config.name}" was closed`, {
        server: this.config.name,
        delivered: 'maybe',
      }),
    );
    await this.endpoints[Symbol.asyncDispose]();
  }
}
