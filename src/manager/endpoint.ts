/** One address, or one program, of a server: its life, its connections, and how it has been doing. Knows no tools and no other endpoint. */

import type { ServerConfig } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { Traffic } from '../io/traffic.js';
import type { Connection, OpenOptions } from '../mcp/connection.js';
import type { EraVerdict } from '../mcp/era.js';
import type { Candidate } from '../policy/balancer.js';
import { verdictOf } from '../policy/circuit-breaker.js';
import { EndpointHealth } from '../policy/endpoint-health.js';
import type { PoolCounters } from '../policy/pool.js';
import { traceConnect } from './call-trace.js';
import { ConnectionPool, type PoolLeases } from './connection-pool.js';
import { HealthMonitor } from './health.js';
import { Latency } from './latency.js';
import type { ManagerParts } from './manager-parts.js';
import { ServerBreakers } from './server-breakers.js';
import { ServerLifecycle } from './server-lifecycle.js';
import { ServerRecall } from './server-recall.js';
import { StopPatience } from './stop-patience.js';

export interface EndpointOptions {
  /** Of this endpoint alone: its address is the one of the definition. */
  readonly config: ServerConfig;
  readonly weight: number;
  readonly parts: ManagerParts;
  /** Resolves when what has to be gone is gone before this one may start; never rejects. */
  readonly after?: Promise<unknown> | undefined;
  /** What has to be read before a connection is opened. */
  readonly ready: () => Promise<unknown>;
  readonly onConnected: () => void;
  readonly onLost: () => void;
  readonly onToolsChanged: () => void;
}

/** The connections of an endpoint, as `status` shows them. */
export type PoolStatus = Pick<PoolCounters, 'open' | 'idle' | 'inUse' | 'waiting'>;

/** What a log message says, in one text. */
function logText({ logger, data }: Parameters<NonNullable<OpenOptions['onLog']>>[0]): string {
  const text = typeof data === 'string' ? data : (JSON.stringify(data) ?? '');
  return logger === undefined ? text : `${logger}: ${text}`;
}

export class Endpoint implements AsyncDisposable, Candidate {
  readonly life: ServerLifecycle;
  readonly breakers: ServerBreakers;
  readonly recall: ServerRecall;
  readonly latency = new Latency();
  readonly traffic = new Traffic();
  readonly health: HealthMonitor;
  /** Why it gets no calls though it is there: its tools are not those of the others. */
  leftOut: string | null = null;
  weight: number;
  readonly #options: EndpointOptions;
  readonly #patience: StopPatience;
  readonly #pool: ConnectionPool;
  readonly #score: EndpointHealth;
  #config: ServerConfig;
  /** What is taken for granted of a server that has not answered yet; not remembered. */
  #assumed: EraVerdict | undefined;
  #inFlight = 0;

  constructor(options: EndpointOptions) {
    const { config, parts, weight, after } = options;
    const { clock, random, events, memories } = parts;
    this.#options = options;
    this.#config = config;
    this.weight = weight;
    this.#score = new EndpointHealth(clock);
    this.recall = new ServerRecall(config, memories);
    this.health = new HealthMonitor({
      clock,
      random,
      options: () => this.#config.health,
      check: (signal) => this.roundTrip((connection) => connection.ping(signal)),
      onResult: (ok, latencyMs) => events.emit({ type: 'health-checked', server: config.name, ok, latencyMs }),
      // A server that works on somebody's call is not taken away.
      isBusy: () => this.#inFlight > 0,
      onDead: (error) => this.#giveUp(error),
    });
    this.breakers = new ServerBreakers({
      config: () => this.#config,
      parts,
      mayBeOpen: () => memories.hasOpenBreaker(config.hash),
      remembered: this.recall.ready.then(({ breakers }) => breakers),
      remember: (breakers) => this.recall.remember({ breakers }),
      onChange: () => this.life.current && this.#watchHealth(),
    });
    this.#patience = new StopPatience(parts, {
      graceMs: () => this.#config.stop.graceMs,
      lingers: () => this.recall.memory.lingers,
      remember: (lingers) => this.recall.remember({ lingers }),
    });
    this.life = new ServerLifecycle(
      config,
      parts,
      {
        gate: this.breakers,
        open: (signal) => this.#open(signal),
        onConnected: (connection) => {
          this.#assumed = undefined;
          if (connection.verified) this.health.sawLife();
          this.recall.remember({ era: connection.verdict as never });
          this.#watchHealth();
          options.onConnected();
        },
        onLost: (reason) => {
          this.health.stop();
          if (reason.details?.reason === 'era-changed') this.recall.remember({ era: undefined });
          options.onLost();
        },
      },
      after,
    );
    this.#pool = new ConnectionPool(this.life, parts, () => this.#config);
  }

  get config(): ServerConfig {
    return this.#config;
  }

  /** The same address stays the same endpoint, also when the list around it changes. Two that differ only in a secret are two. */
  get id(): string {
    return this.#config.hash;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get score(): number {
    return this.#score.score;
  }

  get latencyMs(): number | null {
    return this.#score.latencyMs;
  }

  get isEjected(): boolean {
    return this.#score.isEjected;
  }

  get isClosed(): boolean {
    return this.leftOut !== null || this.breakers.state === 'open';
  }

  get pool(): PoolStatus {
    return this.#pool.status(this.#inFlight);
  }

  get leases(): PoolLeases {
    return this.#pool.leases;
  }

  /** Takes over options that a live connection can do without (`compareServers` knows which). */
  adopt(config: ServerConfig, weight: number): void {
    const isPaceNew = config.health.intervalMs !== this.#config.health.intervalMs;
    this.#config = config;
    this.weight = weight;
    this.life.config = config;
    if (isPaceNew && this.life.current) this.#watchHealth();
  }

  #watchHealth(): void {
    const isWanted = this.#options.parts.longLived && this.#config.health.intervalMs > 0 && this.breakers.state !== 'open';
    if (isWanted) this.health.start();
    else this.health.stop();
  }

  async #open(signal: AbortSignal): Promise<Connection> {
    const { parts, onToolsChanged, ready } = this.#options;
    const { config } = this;
    const opening = traceConnect(parts.tracer, config, () =>
      parts.openConnection({
        server: config,
        groups: parts.groups,
        env: parts.env,
        stop: this.#patience.stopOptions(),
        onStopped: (by) => this.#patience.sawStop(by),
        clock: parts.clock,
        clientVersion: parts.clientVersion,
        // Not awaited here: a process need not wait for it to be started.
        remembered: Promise.all([this.recall.ready, ready()]).then(
          () => this.#assumed ?? (this.recall.memory.era as EraVerdict | undefined),
        ),
        credentials: parts.logins?.credentialsFor(config),
        signal,
        traffic: this.traffic,
        onStderr: (line, isCut) => parts.events.emit({ type: 'server-stderr', server: config.name, line, isCut }),
        onLog: (message) =>
          parts.events.emit({ type: 'server-log', server: config.name, level: message.level, text: logText(message) }),
        onWarning: (message) => parts.events.emit({ type: 'warning', server: config.name, message }),
        // A one-shot is gone before a list can change; subscribing would cost it a request.
        ...(parts.longLived ? { onToolsChanged } : {}),
        tracer: parts.tracer,
      }),
    );
    return opening.catch((error: unknown) => {
      // It ended at the question for its era and again without it. The next attempts need not start it twice.
      if (error instanceof McpctlError && error.details?.starts === 2) {
        this.#assumed = { kind: 'legacy', transport: 'stdio', at: parts.clock.date().getTime() };
      }
      throw error;
    });
  }

  /** Runs a request on a live connection, and looks after the endpoint when it fails. */
  async use<T>(signal: AbortSignal, request: (connection: Connection) => Promise<T>): Promise<T> {
    const { clock } = this.#options.parts;
    this.#inFlight++;
    const startedAt = clock.now();
    try {
      const result = await this.#pool.use(signal, request);
      this.#score.succeeded(clock.now() - startedAt);
      return result;
    } catch (error) {
      if (error instanceof McpctlError && error.code === 'UNAVAILABLE') this.health.checkSoon();
      if (verdictOf(error) === 'failure') this.#score.failed(startedAt);
      throw error;
    } finally {
      this.#inFlight--;
    }
  }

  /** One question over the connection that is there. @returns milliseconds */
  async roundTrip(request: (connection: Connection) => Promise<void>): Promise<number> {
    const connection = this.life.current;
    if (!connection)
      throw new McpctlError('UNAVAILABLE', `Server "${this.config.name}" is not connected`, {
        server: this.config.name,
        delivered: 'no',
      });
    return (await this.timed(() => request(connection))).ms;
  }

  /** How long a request that changes nothing takes, for `status`. */
  async timed<T>(request: () => Promise<T>): Promise<{ result: T; ms: number }> {
    const { clock } = this.#options.parts;
    const startedAt = clock.now();
    const result = await request();
    const ms = clock.now() - startedAt;
    this.latency.add(ms);
    return { result, ms };
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.health.stop();
    await this.#pool[Symbol.asyncDispose]();
    await this.life[Symbol.asyncDispose]();
    this.breakers[Symbol.dispose]();
  }
}
