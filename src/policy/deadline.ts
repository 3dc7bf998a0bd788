/** Bounds an operation: by silence, which progress ends, and by a hard limit, which nothing extends. */

import type { Clock } from '../core/clock.js';
import { formatDuration } from '../core/duration.js';
import { McpctlError } from '../core/errors.js';
import type { Policy } from './policy.js';

export interface DeadlineOptions {
  /** Milliseconds without an answer or a progress notification. */
  readonly idleMs: number;
  /** Milliseconds in all, whatever progress is reported (MCP specification, lifecycle, "Timeouts": SHOULD). */
  readonly totalMs: number;
  /** Names the operation in the error: `call everything/echo`. */
  readonly what: string;
  readonly server: string;
  /** What to do about it; by default the flag of the command line. */
  readonly hint?: string;
}

/**
 * Aborts the attempt when it is silent for `idleMs` or has taken `totalMs`.
 *
 * @throws McpctlError `TIMEOUT` (delivered: maybe), through the operation, which rejects with the reason of its signal.
 */
export function deadline(options: DeadlineOptions, clock: Clock): Policy {
  const { idleMs, totalMs } = options;
  return async (operation, attempt) => {
    const startedAt = clock.now();
    let touchedAt = startedAt;
    const expire = () => {
      const now = clock.now();
      const dueAt = Math.min(touchedAt + idleMs, startedAt + totalMs);
      if (now < dueAt) cancelTimer = clock.after(dueAt - now, expire);
      else attempt.abort(timeout(options, now - startedAt));
    };
    let cancelTimer = clock.after(Math.min(idleMs, totalMs), expire);
    const touch = () => {
      touchedAt = clock.now();
      attempt.touch();
    };
    try {
      return await operation({ signal: attempt.signal, abort: attempt.abort, attempt: attempt.attempt, touch });
    } finally {
      cancelTimer();
    }
  };
}

function timeout({ what, server, idleMs, totalMs, hint }: DeadlineOptions, elapsedMs: number): McpctlError {
  const why = elapsedMs >= totalMs ? `no answer within ${formatDuration(totalMs)}` : `silent for ${formatDuration(idleMs)}`;
  return new McpctlError('TIMEOUT', `${what}: ${why}`, {
    server,
    hint: hint ?? 'give it longer with --timeout, e.g. --timeout 5m',
    details: { idleMs, totalMs, elapsedMs: Math.round(elapsedMs) },
    delivered: 'maybe',
  });
}
