/** When a server wants to be asked again, from its Retry-After header (RFC 9110, section 10.2.3). */

/** A server that asks for more has not meant it. */
const mostMs = 365 * 24 * 3_600_000;

/** Names of days and months in front tell a date from the numbers and words that `Date.parse` also takes. */
const httpDate = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/**
 * Milliseconds to wait, at most a year; undefined when there is no such header or it makes no sense.
 *
 * @param now for a date: what the server's own clock says, where it says so, else ours
 */
export function retryAfterMs(headers: Pick<Headers, 'get'>, now: Date): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Math.min(mostMs, Number(value) * 1000);
  if (!httpDate.test(value)) return undefined;
  const at = Date.parse(value);
  if (Number.isNaN(at)) return undefined;
  const itsNow = Date.parse(headers.get('date') ?? '');
  return Math.min(mostMs, Math.max(0, at - (Number.isNaN(itsNow) ? now.getTime() : itsNow)));
}
