/** Runs a list of checks in order: each timed and bounded, and skipped when one that it needs has failed. */
import type { Clock } from '../../core/clock.js';
import { formatDuration } from '../../core/duration.js';
import { McpctlError, rootMessage } from '../../core/errors.js';
import { withSignal } from '../server-lifecycle.js';
import { type DoctorCode, type Verdict, verdictOf } from './codes.js';

/** What a check found out. */
export interface Finding {
  readonly code: DoctorCode;
  /** Short, for a person; no secret in it. */
  readonly finding: string;
  /** The next command, or the field to set. */
  readonly fix?: string | undefined;
  /** Where the time of the step is another one than that of the check, in milliseconds. */
  readonly ms?: number;
}

export interface Step {
  readonly step: string;
  readonly verdict: Verdict;
  readonly code: DoctorCode;
  readonly finding: string;
  readonly fix: string | null;
  readonly ms: number;
}

export interface Check<S> {
  readonly step: string;
  /** Steps before it, without which there is nothing to look at. */
  readonly needs?: readonly string[];
  readonly limitMs: number | ((subject: S) => number);
  /** Found when the limit is over. */
  readonly onLimit?: DoctorCode;
  /** A rejection is a finding too: `STEP_FAILED`, for what no check foresaw. */
  readonly run: (subject: S, signal: AbortSignal) => Promise<Finding> | Finding;
}

export const found = (code: DoctorCode, finding: string, fix?: string | undefined): Finding => ({ code, finding, fix });

/** The same words as an error has. */
export const foundError = (code: DoctorCode, { message, hint }: McpctlError): Finding => ({ code, finding: message, fix: hint });

/** @throws `signal.reason` */
export async function runChain<S>(
  checks: readonly Check<S>[],
  subject: S,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Step[]> {
  const steps: Step[] = [];
  for (const check of checks) {
    const missing = steps.find(({ step, code, verdict }) => check.needs?.includes(step) && isDeadEnd(code, verdict));
    const startedAt = clock.now();
    const finding = missing
      ? found(
          'SKIPPED',
          `not looked at: ${missing.code === 'SKIPPED' ? missing.finding.replace(/^not looked at: /, '') : `${missing.step} ${missing.verdict}`}`,
        )
      : await inTime(check, subject, clock, signal);
    const { code, fix = null, ms = clock.now() - startedAt } = finding;
    steps.push({ step: check.step, verdict: verdictOf(code), code, finding: finding.finding, fix, ms: Math.round(ms * 10) / 10 });
  }
  return steps;
}

/** What was not needed keeps nobody from going on. */
function isDeadEnd(code: DoctorCode, verdict: Verdict): boolean {
  return verdict === 'failed' || code === 'SKIPPED' || code === 'SERVER_DISABLED';
}

async function inTime<S>(check: Check<S>, subject: S, clock: Clock, signal: AbortSignal): Promise<Finding> {
  signal.throwIfAborted();
  const limitMs = typeof check.limitMs === 'number' ? check.limitMs : check.limitMs(subject);
  const limit = new AbortController();
  const late = new McpctlError('TIMEOUT', `no end within ${formatDuration(limitMs)}`);
  const cancel = clock.after(limitMs, () => limit.abort(late));
  const both = AbortSignal.any([signal, limit.signal]);
  try {
    return await withSignal(Promise.resolve(check.run(subject, both)), both);
  } catch (error) {
    signal.throwIfAborted();
    if (error === late)
      return found(check.onLimit ?? 'STEP_TIMEOUT', late.message, 'mcpctl doctor again; if it stays, ask those who run it');
    if (error instanceof McpctlError) return foundError('STEP_FAILED', error);
    return found('STEP_FAILED', rootMessage(error), 'this is a bug in mcpctl');
  } finally {
    cancel();
  }
}
