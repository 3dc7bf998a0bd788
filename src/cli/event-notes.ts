/** What the manager tells on stderr: warnings always, everything with `--verbose`, the states of servers in a manager's own log. */

import { formatDuration } from '../core/duration.js';
import { unreachable } from '../core/errors.js';
import type { Emitter } from '../core/events.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { ManagerEvent } from '../manager/server-status.js';
import { breakerNews } from './breaker-news.js';
import { configNews } from './config-news.js';

/** What a manager's own log tells. */
const stateEvents: ReadonlySet<ManagerEvent['type']> = new Set<ManagerEvent['type']>([
  'server-state',
  'breaker-changed',
  'config-changed',
]);

export interface NoteOptions {
  readonly level: 'warnings' | 'states' | 'all';
  readonly note: (line: string) => void;
  /** Before a long text is cut: half of a secret is one that nobody recognises. */
  readonly redact: (text: string) => string;
}

/** Writes events as lines. */
export function noteEvents(events: Emitter<ManagerEvent>, { level, note, redact }: NoteOptions): Disposable {
  const safe = (text: string, maxCharacters?: number) => sanitizeLine(redact(text), maxCharacters);
  return events.onAny((event) => {
    const line = lineFor(event, level, safe);
    if (line !== undefined) note(line);
  });
}

function lineFor(
  event: ManagerEvent,
  level: NoteOptions['level'],
  safe: (text: string, maxCharacters?: number) => string,
): string | undefined {
  if (event.type === 'warning') return `warning: ${event.server === null ? '' : `${event.server}: `}${safe(event.message)}`;
  if (event.type === 'config-problem' || event.type === 'approval-needed') return `warning: ${configNews(event)}`;
  if (level === 'warnings' || (level === 'states' && !stateEvents.has(event.type))) return undefined;
  switch (event.type) {
    case 'server-state': {
      const took = event.durationMs === null ? '' : ` after ${formatDuration(event.durationMs)}`;
      const why = event.error ? `: ${safe(event.error.message)}` : '';
      return `${event.server}: ${event.to}${took}${why}`;
    }
    case 'server-stderr':
      return `${event.server} stderr: ${safe(event.line)}`;
    case 'server-log':
      return `${event.server} log: [${safe(event.level, 20)}] ${safe(event.text)}`;
    case 'tools-changed':
      return `${event.server}: ${event.count} tools`;
    case 'call-finished':
      return `${event.server}/${safe(event.tool)}: ${event.outcome} after ${formatDuration(event.durationMs)} (call ${event.callId})`;
    case 'call-retry': {
      const wait = formatDuration(event.waitMs);
      const next = `try ${event.attempt} of ${event.maxAttempts} in ${wait}`;
      return `${event.server}/${safe(event.tool)}: ${event.code}, ${next} (call ${event.callId})`;
    }
    case 'breaker-changed':
      return breakerNews(event);
    case 'config-changed':
      return configNews(event);
    case 'call-started':
    case 'call-progress':
    case 'health-checked':
    case 'tools-listed':
    case 'login-changed':
      return undefined;
    default:
      return unreachable(event);
  }
}
