/** Bounds an operation: by silence, which progress ends, and by a hard limit, which nothing extends. */

import type { Clock } from '../core/clock.js';
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
}

/**
 * Aborts the operation when it is silent for `idleMs` or has taken `totalMs`.
 *
 * @throws McpctlError `TIMEOUT` (delivered: maybe) at the deadline; the reason of the caller's signal at once when it aborts.
 */
export function deadline(options: DeadlineOptions, clock: Clock): Policy {
  return (operation, attempt) => {
    const controller = new AbortController();
    const startedAt = clock.now();
    let touchedAt = startedAt;
    const expire = () => {
      const now = clock.now();
      const dueAt = Math.min(touchedAt + options.idleMs, startedAt + options.totalMs);
      if (now < dueAt) cancelTimer = clock.after(dueAt - now, expire);
      else controller.abort(timeout(options, now - startedAt));
    };
    let cancelTimer = clock.after(Math.min(options.idleMs, options.totalMs), expire);
    const onAbort = () => controller.abort(attempt.signal.reason);
    if (attempt.signal.aborted) onAbort();
    else attempt.signal.addEventListener('abort', onAbort, { once: true });
    const touch = () => {
      touchedAt = clock.now();
      attempt.touch();
    };
    return new Promise((resolve, reject) => {
      const settle = () => {
        cancelTimer();
        attempt.signal.removeEventListener('abort', onAbort);
      };
      // The promise ends with the deadline even when the operation does not listen to its signal.
      const onExpire = () => {
        settle();
        reject(controller.signal.reason);
      };
      if (controller.signal.aborted) return onExpire();
      controller.signal.addEventListener('abort', onExpire, { once: true });
      operation({ signal: controller.signal, attempt: attempt.attempt, touch }).then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  };
}

function timeout({ what, server, idleMs, totalMs }: DeadlineOptions, elapsedMs: number): McpctlError {
  const seconds = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`);
  const why = elapsedMs >= totalMs ? `no answer within ${seconds(totalMs)}` : `silent for ${seconds(idleMs)}`;
  return new McpctlError('TIMEOUT', `${what}: ${why}`, {
    server,
    hint: 'give it longer with --timeout, e.g. --timeout 5m',
    details: { idleMs, totalMs, elapsedMs: Math.round(elapsedMs) },
    delivered: 'maybe',
  });
}
