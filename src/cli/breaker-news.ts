/** A change of a circuit breaker in one line, for notices, notes and logs. */

import { sanitizeLine } from '../core/sanitize.js';
import type { ManagerEvent } from '../manager/server-status.js';

type BreakerEvent = Extract<ManagerEvent, { type: 'breaker-changed' }>;

/** `github: circuit open after 5 failures in a row, no calls until 12:00:30 UTC`. */
export function breakerNews({ server, tool, to, openUntil, failures }: BreakerEvent): string {
  const subject = tool === null ? server : `${server}/${sanitizeLine(tool, 60)}`;
  switch (to) {
    case 'open': {
      if (openUntil === null) return `${subject}: circuit opened by hand, no calls`;
      const why = failures > 1 ? ` after ${failures} failures in a row` : '';
      return `${subject}: circuit open${why}, no calls until ${timeOfDay(openUntil)}`;
    }
    case 'half-open':
      return `${subject}: circuit half-open, a few calls find out whether it is back`;
    case 'closed':
      return `${subject}: circuit closed, calls go through again`;
  }
}

export function timeOfDay(iso: string): string {
  return `${iso.slice(11, 19)} UTC`;
}
