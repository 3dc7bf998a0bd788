/** The endpoints of one server: made from its configuration, chosen from for each call, compared with each other. */

import { hashOf } from '../config/canonical.js';
import type { EndpointAddress, ServerConfig } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { Emitter } from '../core/events.js';
import type { TrafficBytes } from '../io/traffic.js';
import type { Connection, Tool } from '../mcp/connection.js';
import { Balancer } from '../policy/balancer.js';
import type { Attempt, Policy } from '../policy/policy.js';
import type { PoolLeases } from './connection-pool.js';
import { Endpoint, type PoolStatus } from './endpoint.js';
import { GroupLife } from './group-life.js';
import type { ManagerParts } from './manager-parts.js';
import type { BreakersOfServer, BreakerVerb } from './server-breakers.js';
import type { ServerLife } from './server-life.js';
import type { ServerStatusName } from './server-state.js';
import type { EndpointStatus, ManagerEvent } from './server-status.js';

export interface EndpointSetOptions {
  readonly config: ServerConfig;
  readonly parts: ManagerParts;
  readonly after?: Promise<unknown> | undefined;
  readonly ready: () => Promise<unknown>;
  /** The tools that the others are measured by; undefined = not known yet. */
  readonly tools: () => readonly Tool[] | undefined;
  readonly onConnected: () => void;
  readonly onLost: () => void;
  readonly onToolsChanged: () => void;
}

/** One call on its way: where it has been. */
export interface Route {
  readonly tried: Set<string>;
}

export class EndpointSet implements AsyncDisposable {
  readonly life: ServerLife;
  readonly #options: EndpointSetOptions;
  #config: ServerConfig;
  #endpoints: Endpoint[];
  #balancer: Balancer;
  /** Endpoints that the configuration has no more, until they are gone. */
  readonly #leaving = new Set<Promise<void>>();
  /** Of a server that keeps state: where its session is. */
  #active: Endpoint | undefined;
  /** The last state of the server as a whole that listeners heard of. */
  #told: ServerStatusName | undefined;

  constructor(options: EndpointSetOptions) {
    const { config, parts } = options;
    this.#options = options;
    this.#config = config;
    this.#balancer = new Balancer(config.balance, parts.random);
    const several = config.endpoints.length > 1;
    this.#endpoints = several
      ? config.endpoints.map((address) => this.#make(address))
      : [new Endpoint(this.#partsOf(config, 1, parts))];
    this.life = several
      ? new GroupLife({
          endpoints: () => this.#endpoints,
          pick: (tried) => this.#pick(tried),
          keepsAll: () => parts.longLived && this.#config.stateless,
        })
      : this.first.life;
  }

  get all(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** What is remembered of the server as a whole is remembered of this one. */
  get first(): Endpoint {
    return this.#endpoints[0]!;
  }

  /** The one that speaks for the server: connected, if any is. */
  get foremost(): Endpoint {
    return this.#endpoints.find(({ life }) => life.current) ?? this.first;
  }

  /**
   * Takes over a new configuration whose first address is the same. An address that is new joins, one that is gone ends its calls; the
   * others do not notice.
   */
  adopt(config: ServerConfig): void {
    if (config.balance !== this.#config.balance) this.#balancer = new Balancer(config.balance, this.#options.parts.random);
    this.#config = config;
    if (config.endpoints.length < 2 && this.#endpoints.length < 2) {
      this.first.adopt(config, 1);
      return;
    }
    const before = new Map(this.#endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.#endpoints = config.endpoints.map((address) => {
      const own = endpointConfig(config, address);
      const present = before.get(own.hash);
      before.delete(own.hash);
      present?.adopt(own, address.weight);
      return present ?? this.#make(address);
    });
    // Those that are new are connected like the others.
    if (this.life.current && this.#options.parts.longLived) void this.life.connection(new AbortController().signal);
    for (const endpoint of before.values()) {
      const leaving = endpoint[Symbol.asyncDispose]().finally(() => this.#leaving.delete(leaving));
      this.#leaving.add(leaving);
    }
  }

  /**
   * Runs a request on the endpoint whose turn it is, behind its circuit breaker. What one endpoint provably did not get is sent to the
   * next at once; what it may have got is for others to judge.
   */
  async use<T>(
    { tool, route, attempt }: { tool?: string; route: Route; attempt: Attempt },
    request: (connection: Connection, attempt: Attempt, endpoint: Endpoint) => Promise<T>,
  ): Promise<T> {
    const pick = () => (tool === undefined ? this.#pickToList(route.tried) : this.#pick(route.tried));
    let endpoint = pick();
    if (!endpoint) {
      // All have had their turn, or none can take a call: the refusal of its breaker says why.
      route.tried.clear();
      endpoint = pick() ?? this.foremost;
    }
    for (;;) {
      const chosen: Endpoint = endpoint;
      route.tried.add(chosen.id);
      const guard: Policy = chosen.breakers.guard(tool);
      try {
        return await guard(
          (current) => chosen.use(current.signal, (connection) => request(connection, current, chosen)),
          attempt,
        );
      } catch (error) {
        const next = !attempt.signal.aborted && isPassedOn(error) ? pick() : undefined;
        if (!next) throw error;
        endpoint = next;
      }
    }
  }

  /** Of all endpoints together. */
  get pool(): PoolStatus {
    const sum = { open: 0, idle: 0, inUse: 0, waiting: 0 };
    for (const { pool } of this.#endpoints)
      for (const key of ['open', 'idle', 'inUse', 'waiting'] as const) sum[key] += pool[key];
    return sum;
  }

  /** Of all endpoints together; of one that is gone nothing is left. */
  get leases(): PoolLeases {
    const sum = { acquired: 0, released: 0, waits: 0, waitMs: 0 };
    for (const { leases } of this.#endpoints)
      for (const key of ['acquired', 'released', 'waits', 'waitMs'] as const) sum[key] += leases[key];
    return sum;
  }

  get traffic(): TrafficBytes {
    const sum = { sent: 0, received: 0 };
    for (const { bytes } of this.#endpoints.map(({ traffic }) => traffic)) {
      sum.sent += bytes.sent;
      sum.received += bytes.received;
    }
    return sum;
  }

  /** The circuit breakers: of the endpoint that speaks for the server, and of each one where there are several. */
  breakers(): BreakersOfServer {
    const several = this.#endpoints.length > 1 ? this.#endpoints : [];
    const endpoints = several.map(({ config, breakers }) => ({ target: config.target, ...breakers.status().breaker }));
    return { ...this.foremost.breakers.status(), endpoints };
  }

  steer(verb: BreakerVerb): void {
    for (const { breakers } of this.#endpoints) breakers.steer(verb);
  }

  /** Empty for a server with one. */
  status(): EndpointStatus[] {
    if (this.#endpoints.length < 2) return [];
    return this.#endpoints.map(({ config, weight, life, score, breakers, inFlight, isEjected, leftOut }) => ({
      target: config.target,
      weight,
      status: life.state.status,
      healthScore: Math.round(score * 100) / 100,
      breaker: breakers.status().breaker,
      inFlight,
      leftOut: leftOut ?? (isEjected ? 'it fails too often at the moment' : null),
    }));
  }

  #pick(tried: ReadonlySet<string>): Endpoint | undefined {
    if (this.#endpoints.length === 1) return tried.size === 0 ? this.first : undefined;
    if (this.#config.stateless) {
      const up = this.#endpoints.filter(({ life }) => life.current);
      // One that is not connected is asked only where no connected one is left: the caller would wait for it.
      return this.#balancer.pick(up, tried) ?? this.#balancer.pick(this.#endpoints, tried);
    }
    if (this.#active && !this.#active.isClosed && !tried.has(this.#active.id) && this.#endpoints.includes(this.#active))
      return this.#active;
    this.#active = this.#endpoints.find((endpoint) => !endpoint.isClosed && !tried.has(endpoint.id));
    return this.#active;
  }

  /** Lists take nobody's turn away from a call, and come from the same endpoint as long as it is there. */
  #pickToList(tried: ReadonlySet<string>): Endpoint | undefined {
    const { foremost } = this;
    return tried.has(foremost.id) || foremost.isClosed ? this.#pick(tried) : foremost;
  }

  /** The list of tools by which the endpoints are measured is another one, or an endpoint is there that was not. */
  compareTools(): void {
    if (this.#endpoints.length < 2 || !this.#options.parts.longLived) return;
    for (const endpoint of this.#endpoints) void this.#compare(endpoint).catch(() => {});
  }

  /** Leaves out an endpoint whose tools are not those of the server: a call would mean something else there. Told once. */
  async #compare(endpoint: Endpoint): Promise<void> {
    const connection = endpoint.life.current;
    if (!connection || !this.#options.tools()) return;
    const limit = new AbortController();
    const { parts } = this.#options;
    const cancel = parts.clock.after(this.#config.timeouts.listMs, () => limit.abort(new Error('no list in time')));
    const { tools } = await connection.listTools(limit.signal).finally(cancel);
    const expected = this.#options.tools();
    const difference = expected ? differenceOf(expected, tools) : null;
    if (difference !== null && difference !== endpoint.leftOut) {
      const { name } = this.#config;
      const message = `${endpoint.config.target} of "${name}" gets no calls: ${difference}`;
      parts.events.emit({ type: 'warning', server: name, message });
    }
    endpoint.leftOut = difference;
  }

  #make(address: EndpointAddress): Endpoint {
    const { parts } = this.#options;
    // What happens to one of several is news of the server only when the server as a whole has changed by it.
    const events = new Emitter<ManagerEvent>();
    const endpoint = new Endpoint(
      this.#partsOf(endpointConfig(this.#config, address), address.weight, { ...parts, events }, () => this.#connected(endpoint)),
    );
    events.onAny((event) => {
      if (event.type !== 'server-state') return parts.events.emit(event);
      const { status } = this.life.state;
      const from = this.#told ?? event.from;
      this.#told = status;
      if (status !== from) parts.events.emit({ ...event, from, to: status });
    });
    return endpoint;
  }

  #connected(endpoint: Endpoint): void {
    this.#options.onConnected();
    if (this.#options.parts.longLived) void this.#compare(endpoint).catch(() => {});
  }

  #partsOf(config: ServerConfig, weight: number, parts: ManagerParts, onConnected?: () => void) {
    const { after, ready, onLost, onToolsChanged } = this.#options;
    const own = onConnected ?? this.#options.onConnected;
    return { config, weight, parts, after, ready, onConnected: own, onLost, onToolsChanged };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#endpoints.map((endpoint) => endpoint[Symbol.asyncDispose]()), ...this.#leaving]);
  }
}

/** The configuration of one address alone: the rest of mcpctl cannot tell it from a server with one. */
export function endpointConfig(config: ServerConfig, { url, target }: EndpointAddress): ServerConfig {
  const { definition, protocol } = config;
  if (definition.type === 'stdio' || definition.url === url) return { ...config, target };
  const own = { ...definition, url };
  return { ...config, definition: own, target, hash: hashOf({ definition: own, protocol }) };
}

/** In what the tools differ, for a person; null = a call means the same on both. */
function differenceOf(expected: readonly Tool[], found: readonly Tool[]): string | null {
  const shapeOf = ({ inputSchema, outputSchema }: Tool) => hashOf({ inputSchema, outputSchema });
  const there = new Map(found.map((tool) => [tool.name, shapeOf(tool)]));
  const missing = expected.filter(({ name }) => !there.has(name));
  if (missing.length > 0) return `it lacks the tool ${JSON.stringify(missing[0]!.name)}`;
  const other = expected.find((tool) => there.get(tool.name) !== shapeOf(tool));
  if (other) return `its tool ${JSON.stringify(other.name)} takes other arguments`;
  const known = new Set(expected.map(({ name }) => name));
  const more = found.find(({ name }) => !known.has(name));
  return more ? `it has a tool ${JSON.stringify(more.name)} that the others lack` : null;
}

/** Nothing of the request has reached the endpoint, and another one may be better off. */
function isPassedOn(error: unknown): boolean {
  return error instanceof McpctlError && error.delivered === 'no' && elsewhere.has(error.code);
}

const elsewhere: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'SERVER_EXITED',
  'TIMEOUT',
  'CIRCUIT_OPEN',
  'OVERLOADED',
  'CRASH_LOOP',
]);
