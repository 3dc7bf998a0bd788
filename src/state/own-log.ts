/** How a line of mcpctl's own log looks, and where that log lies. */

import { join } from 'node:path';
import type { LogFormat } from './log-line.js';

/** As a line is written; the fields depend on what it is about. */
export interface OwnLogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Of the mcpctl that wrote it: all of a user share one log. */
  readonly pid: number;
  readonly msg: string;
  /** What the line is about, where that is a call. */
  readonly callId?: string;
  readonly [field: string]: unknown;
}

/** No server's log has this name: those end in a hash. */
export function ownLogPath(stateDir: string): string {
  return join(stateDir, 'logs', 'mcpctl.log');
}

const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const levels: ReadonlySet<unknown> = new Set<OwnLogLine['level']>(['error', 'warn', 'info', 'debug']);

export const ownLines: LogFormat<OwnLogLine> = {
  parse(text) {
    if (!text.startsWith('{')) return undefined;
    try {
      const line = JSON.parse(text) as Partial<OwnLogLine>;
      const { level, time, msg } = line;
      const isOurs = levels.has(level) && typeof time === 'string' && timePattern.test(time) && typeof msg === 'string';
      return isOurs ? (line as OwnLogLine) : undefined;
    } catch {
      return undefined;
    }
  },
  timeOf: ({ time }) => time,
  missing: (msg, time) => ({ level: 'warn', time, pid: 0, msg }),
};
