/** One process at a time changes a stored login: a lock beside the state, and what the last holder failed with. */
import { join } from 'node:path';
import type { Clock } from '../core/clock.js';
import { type ErrorCode, McpctlError } from '../core/errors.js';
import { readTextIfExists, writeFileAtomic } from '../io/atomic-file.js';
import { withFileLock } from '../io/file-lock.js';

export interface RenewalLockOptions {
  readonly stateDir: string;
  /** Of the login; becomes a file name. */
  readonly id: string;
  readonly clock: Clock;
  readonly pid: number;
}

/** Without the provider's words: they stand in a file, where nobody masks them. */
export interface RenewalFailure {
  /** Of the login that was not renewed. */
  readonly generation: string;
  /** Wall clock, in milliseconds. */
  readonly at: number;
  readonly code: 'AUTH_UNAVAILABLE' | 'AUTH_FAILED';
}

/**
 * In milliseconds. A holder asks once (10 s at most) and reads and writes the store (a few seconds each). Where nobody can look up whether
 * it lives, its lock is free after `abandonedAfterMs`; whoever waits longer than `waitMs` is told so.
 */
const limits = { abandonedAfterMs: 30_000, waitMs: 35_000 };

export class RenewalLock {
  readonly #options: RenewalLockOptions;

  constructor(options: RenewalLockOptions) {
    this.#options = options;
  }

  /** @throws McpctlError `AUTH_UNAVAILABLE` when another process holds it for too long; what `work` throws; `signal.reason` */
  async hold<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { clock, pid } = this.#options;
    let isHeld = false;
    try {
      return await withFileLock(
        this.#path('lock'),
        { clock, pid, signal, timeoutMs: limits.waitMs, abandonedAfterMs: limits.abandonedAfterMs },
        () => {
          isHeld = true;
          return work();
        },
      );
    } catch (error) {
      if (isHeld || !(error instanceof McpctlError) || error.code !== 'TIMEOUT') throw error;
      throw new McpctlError('AUTH_UNAVAILABLE', 'Another process has been renewing this login for too long', {
        cause: error,
        hint: error.hint,
        delivered: 'no',
      });
    }
  }

  /** For those who wait: they need not ask again what was just answered. */
  async noteFailure({ generation, code }: { generation: string; code: ErrorCode }): Promise<void> {
    const failure = { generation, code, at: this.#options.clock.date().getTime() };
    await writeFileAtomic(this.#path('failed'), JSON.stringify(failure), { durable: false }).catch(() => {});
  }

  /** What somebody failed with since `since`, with this generation of the login. */
  async failureSince(since: number, generation: string): Promise<RenewalFailure | undefined> {
    const text = await readTextIfExists(this.#path('failed'), { maxBytes: 4096 }).catch(() => undefined);
    try {
      const failure = JSON.parse(text ?? 'null') as RenewalFailure | null;
      const isOurs =
        failure?.generation === generation && failure.at >= since && /^AUTH_(UNAVAILABLE|FAILED)$/.test(failure.code);
      return isOurs ? failure : undefined;
    } catch {
      return undefined;
    }
  }

  #path(kind: 'lock' | 'failed'): string {
    return join(this.#options.stateDir, 'logins', `${this.#options.id}.${kind}`);
  }
}
