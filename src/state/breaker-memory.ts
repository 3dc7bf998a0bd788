/** What is remembered of circuit breakers, and which of two memories is the newer one: several processes write the same file. */

/** As `BreakerRecord` of the policy; times in epoch milliseconds. */
export interface BreakerMemory {
  readonly state: 'closed' | 'open' | 'half-open';
  /** When the state began; 0 = it never changed. */
  readonly since: number;
  /** When something was counted last. */
  readonly at: number;
  readonly until: number | null;
  readonly cause: 'reach' | 'request';
  readonly failures: number;
  readonly openings: number;
  readonly successes: number;
  readonly window: readonly { readonly at: number; readonly ok: number; readonly failed: number }[];
  readonly rejected: number;
  readonly lastFailureAt: number | null;
  readonly lastSuccessAt: number | null;
}

type Memories = Readonly<Record<string, BreakerMemory>>;

/** Of each breaker the newer memory: an opening that another process saw is not lost to one that only counted. */
export function newerBreakers(found: Memories | undefined, ours: Memories | undefined, now: number): Memories | undefined {
  if (!found || !ours) return ours ?? found;
  const both = new Map(Object.entries(found));
  for (const [name, own] of Object.entries(ours)) {
    const other = both.get(name);
    if (!other || isNewer(own, other, now)) both.set(name, own);
  }
  return Object.fromEntries(both);
}

function isNewer(own: BreakerMemory, other: BreakerMemory, now: number): boolean {
  const [ownSince, otherSince] = [sinceOf(own, now), sinceOf(other, now)];
  if (ownSince !== otherSince) return ownSince > otherSince;
  if (own.state !== other.state) return own.state === 'open';
  return own.at >= other.at;
}

/** What was written before the clock was set back must not win for as long as that was. */
const sinceOf = ({ since }: BreakerMemory, now: number) => (since > now ? 0 : since);

/** By hand, as everything that a cold call reads. */
export function isBreakerMemories(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every(isBreakerMemory);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;

const isTimeOrNull = (value: unknown): boolean => value === null || isTime(value);

/** One that `Date` can hold. */
const isTime = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 8.64e15;

const maxSlices = 100;

function isBreakerMemory(value: unknown): boolean {
  return (
    isRecord(value) &&
    (value.state === 'closed' || value.state === 'open' || value.state === 'half-open') &&
    (value.cause === 'reach' || value.cause === 'request') &&
    isTime(value.since) &&
    isTime(value.at) &&
    isTimeOrNull(value.until) &&
    isTimeOrNull(value.lastFailureAt) &&
    isTimeOrNull(value.lastSuccessAt) &&
    [value.failures, value.openings, value.successes, value.rejected].every(isCount) &&
    Array.isArray(value.window) &&
    value.window.length <= maxSlices &&
    value.window.every((slice) => isRecord(slice) && isTime(slice.at) && isCount(slice.ok) && isCount(slice.failed))
  );
}
