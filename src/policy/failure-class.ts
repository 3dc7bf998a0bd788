/** What kind of failure an error is, judged by its code and details and never by its text. */

import { McpctlError } from '../core/errors.js';

/**
 * `network`: the connection failed or broke. `timeout`: something took too long. `throttled`: the server said "not now".
 * `retryable`: it answered that it is broken at the moment. `non-retryable`: the next try would end in the same way.
 */
export type FailureClass = 'network' | 'timeout' | 'throttled' | 'retryable' | 'non-retryable';

/** Reasons that time alone does not change, or that have a cure of their own (a new session, the other era). */
const hopelessReasons: ReadonlySet<unknown> = new Set([
  'session-lost',
  'era-changed',
  'not-found',
  'tls',
  'command-not-found',
  'interpreter-not-found',
  'not-executable',
  'cwd-not-found',
  'too-large',
]);

/** The name does not exist, which is another thing than a resolver that does not answer. */
const unknownHosts: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'EAI_NONAME', 'EAI_NODATA']);

/** HTTP statuses of a server, or of what stands before it, that is broken at the moment. */
const brokenNow: ReadonlySet<unknown> = new Set([500, 502, 503, 504, 520, 521, 522, 523, 524, 529]);

export function failureClass(error: unknown): FailureClass {
  if (!(error instanceof McpctlError)) return 'non-retryable';
  const { status, reason, code, retryAfterMs } = error.details ?? {};
  switch (error.code) {
    case 'SERVER_EXITED':
      return 'network';
    case 'TIMEOUT':
      return 'timeout';
    case 'UNAVAILABLE':
      if (status === 429 || (status === 503 && retryAfterMs !== undefined)) return 'throttled';
      if (status !== undefined) return brokenNow.has(status) ? 'retryable' : 'non-retryable';
      return hopelessReasons.has(reason) || (reason === 'dns' && unknownHosts.has(code)) ? 'non-retryable' : 'network';
    default:
      return 'non-retryable';
  }
}
