/** One process at a time changes a stored login: a lock beside the state, and what the last holder failed with. */
import { dirname, join } from 'node:path';
import type { Clock } from '../core/clock.js';
import { type ErrorCode, McpctlError, rootMessage } from '../core/errors.js';
import { readTextIfExists, writeFileAtomic } from '../io/atomic-file.js';
import { withFileLock } from '../io/file-lock.js';
import { vaultError } from './vault.js';

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

export interface RenewalLock {
  /** Runs `work` when nobody else holds it. @throws McpctlError `AUTH_UNAVAILABLE` when another process holds it for too long, `CREDENTIAL_STORE` when it cannot be had; what `work` throws; `signal.reason` */
  hold<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** For those who wait: they need not ask again what was just answered. */
  noteFailure(failure: { generation: string; code: ErrorCode }): Promise<void>;
  /** What somebody failed with since `since`, with this generation of the login. */
  failureSince(since: number, generation: string): Promise<RenewalFailure | undefined>;
}

/** For what is in the memory of this process alone: needs no folder that can be written to. */
export class MemoryLock implements RenewalLock {
  #turn: Promise<unknown> = Promise.resolve();

  hold<T>(_signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async noteFailure(): Promise<void> {}

  async failureSince(): Promise<undefined> {}
}

export class FileRenewalLock implements RenewalLock {
  readonly #options: RenewalLockOptions;

  constructor(options: RenewalLockOptions) {
    this.#options = options;
  }

  async hold<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { clock, pid } = this.#options;
    const options = { clock, pid, signal, timeoutMs: limits.waitMs, abandonedAfterMs: limits.abandonedAfterMs };
    for (let attempt = 1; ; attempt++) {
      let isHeld = false;
      try {
        return await withFileLock(this.#path('lock'), options, () => {
          isHeld = true;
          return work();
        });
      } catch (error) {
        if (isHeld || signal.aborted) throw error;
        // Where processes cannot be looked up, who waits for long may be tidied away like the dead.
        if (attempt === 1 && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        throw unheld(error, this.#path('lock'));
      }
    }
  }

  async noteFailure({ generation, code }: { generation: string; code: ErrorCode }): Promise<void> {
    const failure = { generation, code, at: this.#options.clock.date().getTime() };
    await writeFileAtomic(this.#path('failed'), JSON.stringify(failure), { durable: false }).catch(() => {});
  }

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

function unheld(error: unknown, path: string): unknown {
  if (!(error instanceof McpctlError)) {
    return vaultError('unwritable', `The lock of a login cannot be made: ${rootMessage(error)}`, {
      cause: error,
      hint: `nothing was changed; make room or correct the permissions of ${dirname(path)}, then try again`,
      details: { path },
    });
  }
  if (error.code !== 'TIMEOUT') return error;
  return new McpctlError('AUTH_UNAVAILABLE', 'Another process has been renewing this login for too long', {
    cause: error,
    hint: error.hint,
    delivered: 'no',
  });
}
