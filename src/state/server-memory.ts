/** What mcpctl remembers of a server between runs: its protocol era, its tools, its circuit breakers. One file a server, named by the hash of its definition. */

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '../core/clock.js';
import { readTextIfExists, writeFileAtomic } from '../io/atomic-file.js';
import { type BreakerMemory, isBreakerMemories, newerBreakers } from './breaker-memory.js';
import type { OnWriteFailure } from './write-failures.js';

/** A tool as the protocol describes it; kept as received, in the order of its keys. */
export interface RememberedTool {
  readonly name: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

export interface ServerMemory {
  readonly era?: {
    readonly kind: 'legacy' | 'modern';
    /** Which HTTP transport answered. */
    readonly transport: 'stdio' | 'http' | 'sse';
    /** The answer to `server/discover`, for the modern era. */
    readonly discover?: Readonly<Record<string, unknown>>;
    /** Epoch milliseconds. */
    readonly at: number;
  };
  /** When it was seen, in epoch milliseconds, that the server does not leave at the end of its input. */
  readonly lingers?: number;
  readonly tools?: {
    readonly list: readonly RememberedTool[];
    readonly at: number;
    readonly ttlMs: number;
    /** Whose list it is: absent without a login, and for a list that is public. */
    readonly login?: string | undefined;
    readonly isPublic?: true | undefined;
  };
  /** By tool; the one of the server itself under the empty name. */
  readonly breakers?: Readonly<Record<string, BreakerMemory>>;
}

/** 20 MB: ten thousand tools with large schemas. A larger file is not ours. */
const maxBytes = 20 * 1024 ** 2;

/** How a file begins in which a breaker is not closed. */
const openMark = '{"version":1,"open":true,';

/** How long a write waits for that of another process, in milliseconds; nobody holds the lock for longer than one write. */
const lockTimeoutMs = 2000;

/** The files of all servers. Reading a missing, broken or foreign file gives nothing; writing never fails a command. */
export class ServerMemories {
  readonly #pending = new Map<string, Promise<unknown>>();

  constructor(
    readonly dir: string,
    readonly onWriteFailure: OnWriteFailure = () => {},
    readonly clock: Clock = systemClock,
  ) {}

  /** What is known of the server with this definition hash (`at` fields are epoch milliseconds). */
  async read(hash: string): Promise<ServerMemory> {
    try {
      const text = await readTextIfExists(this.#path(hash), { maxBytes });
      if (text === undefined) return {};
      const { version, era, lingers, tools, breakers } = JSON.parse(text) as Partial<Record<string, unknown>>;
      const isOurs =
        version === 1 &&
        (lingers === undefined || typeof lingers === 'number') &&
        (era === undefined || isEra(era)) &&
        (tools === undefined || isToolList(tools)) &&
        (breakers === undefined || isBreakerMemories(breakers));
      return isOurs
        ? ({
            ...(era !== undefined && { era }),
            ...(lingers !== undefined && { lingers }),
            ...(tools !== undefined && { tools }),
            ...(breakers !== undefined && { breakers }),
          } as ServerMemory)
        : {};
    } catch {
      // A cache that cannot be read is rebuilt by the next write.
      return {};
    }
  }

  /**
   * Whether a breaker of the server may not be closed, at a glance, which takes 50 µs: a program is started before the
   * rest of its file has been read. The glance is a synchronous one because a turn of the event loop would take a millisecond.
   */
  hasOpenBreaker(hash: string): boolean {
    let file: number | undefined;
    try {
      // Not blocking: whatever lies there instead of a file must not stop everything.
      file = openSync(this.#path(hash), constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const bytes = Buffer.alloc(openMark.length);
      readSync(file, bytes, 0, bytes.length, 0);
      return bytes.toString('latin1') === openMark;
    } catch {
      return false;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /**
   * Stores what is known now; writes of one server follow each other, those of other processes included. What another process
   * found out about the breakers meanwhile stays. Not fsynced: a lost cache costs one round trip.
   *
   * @returns whether it could be written; never rejects
   */
  write(hash: string, memory: ServerMemory): Promise<boolean> {
    const before = this.#pending.get(hash) ?? Promise.resolve();
    const write = before
      .then(() => this.#replace(hash, memory))
      .then(
        () => true,
        (error: unknown) => {
          this.onWriteFailure(error);
          return false;
        },
      )
      .finally(() => {
        if (this.#pending.get(hash) === write) this.#pending.delete(hash);
      });
    this.#pending.set(hash, write);
    return write;
  }

  async #replace(hash: string, memory: ServerMemory): Promise<void> {
    const path = this.#path(hash);
    const { clock } = this;
    const { withFileLock } = await import('../io/file-lock.js');
    await withFileLock(`${path}.lock`, { clock, timeoutMs: lockTimeoutMs }, async () => {
      const { breakers: found } = await this.read(hash);
      const breakers = newerBreakers(found, memory.breakers, clock.date().getTime());
      const isOpen = Object.values(breakers ?? {}).some(({ state }) => state !== 'closed');
      const text = JSON.stringify({ version: 1, ...(isOpen && { open: true }), ...memory, ...(breakers && { breakers }) });
      await writeFileAtomic(path, `${text}\n`, { mode: 0o600, durable: false });
    });
  }

  /** Resolves when every write so far has ended. */
  async flush(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending.values());
  }

  #path(hash: string): string {
    return join(this.dir, 'servers', `${hash}.json`);
  }
}

// By hand: this is read on the way of every cold call, and a schema library would take the tools apart and put them together anew.
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEra = (era: unknown): boolean =>
  isRecord(era) &&
  (era.kind === 'legacy' || era.kind === 'modern') &&
  (era.transport === 'stdio' || era.transport === 'http' || era.transport === 'sse') &&
  (era.discover === undefined || isRecord(era.discover)) &&
  typeof era.at === 'number';

const isToolList = (tools: unknown): boolean =>
  isRecord(tools) &&
  typeof tools.at === 'number' &&
  typeof tools.ttlMs === 'number' &&
  (tools.login === undefined || typeof tools.login === 'string') &&
  (tools.isPublic === undefined || tools.isPublic === true) &&
  Array.isArray(tools.list) &&
  tools.list.every((tool) => isRecord(tool) && typeof tool.name === 'string' && isRecord(tool.inputSchema));
