/** The connections of one endpoint: the one that its life keeps, and for a server without state more of them, lent out by a pool. */

import type { ServerConfig } from '../config/schema.js';
import type { Connection } from '../mcp/connection.js';
import { Pool, type PoolCounters } from '../policy/pool.js';
import type { ManagerParts } from './manager-parts.js';
import type { ServerLifecycle } from './server-lifecycle.js';

/** Counts since the pool was made. */
export type PoolLeases = Pick<PoolCounters, 'acquired' | 'released' | 'waits' | 'waitMs'>;

export class ConnectionPool implements AsyncDisposable {
  /** Absent for a server that keeps state: its one connection serves everybody. */
  readonly #pool: Pool<Connection> | undefined;
  /** Lent out already: the connection that the life of the endpoint keeps is the first member. */
  readonly #members = new Set<Connection>();

  constructor(
    readonly life: ServerLifecycle,
    parts: Pick<ManagerParts, 'clock' | 'random' | 'longLived'>,
    config: () => ServerConfig,
  ) {
    const { name, stateless, pool, health } = config();
    if (!stateless || pool.max === 1) return;
    // A single command opens nothing ahead, and keeps nothing.
    const limits = parts.longLived ? pool : { ...pool, min: 0 };
    const checkMs = parts.longLived ? health.intervalMs : 0;
    this.#pool = new Pool<Connection>(
      { ...limits, sharing: 1, checkMs },
      {
        name,
        clock: parts.clock,
        random: parts.random,
        open: (signal) => this.#open(signal),
        close: (member) => this.#close(member),
        ended: ({ closed }) => closed,
        check: (member) => {
          const limit = new AbortController();
          const cancel = parts.clock.after(config().health.timeoutMs, () => limit.abort(new Error('no sign of life')));
          return member.ping(limit.signal).finally(cancel);
        },
      },
    );
  }

  async use<T>(signal: AbortSignal, request: (connection: Connection) => Promise<T>): Promise<T> {
    if (!this.#pool) return request(this.life.current ?? (await this.life.connection(signal)));
    const lease = await this.#pool.acquire(signal);
    try {
      return await request(lease.member);
    } finally {
      lease.release();
    }
  }

  /** Opens what is to be there ahead; the endpoint is connected. */
  fill(): void {
    this.#pool?.fill();
  }

  status(inFlight: number): Pick<PoolCounters, 'open' | 'idle' | 'inUse' | 'waiting'> {
    const isUp = this.life.current !== undefined;
    if (!this.#pool) {
      const open = isUp ? 1 : 0;
      const inUse = Math.min(open, inFlight);
      return { open, idle: open - inUse, inUse, waiting: 0 };
    }
    const { open, idle, inUse, waiting } = this.#pool.counters;
    // Kept by its life, though nobody has asked for it yet.
    const spare = isUp && !this.#members.has(this.life.current!) ? 1 : 0;
    return { open: open + spare, idle: idle + spare, inUse, waiting };
  }

  /** Leases since the start; a server with one connection for everybody lends nothing. */
  get leases(): PoolLeases {
    const { acquired, released, waits, waitMs } = this.#pool?.counters ?? { acquired: 0, released: 0, waits: 0, waitMs: 0 };
    return { acquired, released, waits, waitMs };
  }

  async #open(signal: AbortSignal): Promise<Connection> {
    // Whoever comes first brings the endpoint up; what is wrong with it is wrong for all.
    const first = await this.life.connection(signal);
    const member = this.#members.has(first) ? await this.life.another(signal) : first;
    this.#members.add(member);
    return member;
  }

  async #close(member: Connection): Promise<void> {
    this.#members.delete(member);
    // The one that the life keeps stays: it is how one knows that the endpoint is there.
    if (member !== this.life.current) await member[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.[Symbol.asyncDispose]();
  }
}
