/** How a line of a log is read, how those of a server's log look, and where that lies. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** How the lines of one kind of log are read. */
export interface LogFormat<L> {
  /** Undefined for what is no line of ours: a piece that a full disk left, or somebody's edit. */
  parse(line: string): L | undefined;
  /** ISO 8601, UTC. */
  timeOf(line: L): string;
  /** A line that tells the reader of a gap. */
  missing(text: string, time: string): L;
}

/** `err`: the server wrote it to stderr. `log`: a log message of the protocol. `mcp`: mcpctl says it about the server. */
export type LogKind = 'err' | 'log' | 'mcp';

export interface LogLine {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Of the mcpctl that wrote it: several may share a log. */
  readonly pid: number;
  readonly kind: LogKind;
  readonly text: string;
}

/** Behind a line that is only the beginning of a longer one. */
export const cutMark = ' …';

/** At most 20 MiB a server: the file that is written, and three old ones. */
export const logLimits = { fileBytes: 5 * 1024 ** 2, oldFiles: 3 } as const;

/** The log of the server that `file` defines under `name`. Of two servers with one name, in two files, each has its own. */
export function logPath(stateDir: string, name: string, file: string): string {
  const hash = createHash('sha256').update(`${file}\0${name}`).digest('hex').slice(0, 16);
  return join(stateDir, 'logs', `${name}-${hash}.log`);
}

/** The file that is written and the old ones, newest first. */
export function logFiles(path: string): string[] {
  return [path, ...Array.from({ length: logLimits.oldFiles }, (_, i) => `${path}.${i + 1}`)];
}

/** The beginning of a line; its text follows. */
export function linePrefix(at: string, pid: number, kind: LogKind): string {
  return `${at} ${pid} ${kind} `;
}

const pattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\d{1,10}) (err|log|mcp) (.*)$/s;

export function parseLine(line: string): LogLine | undefined {
  const match = pattern.exec(line);
  return match ? { at: match[1]!, pid: Number(match[2]), kind: match[3] as LogKind, text: match[4]! } : undefined;
}

export const serverLines: LogFormat<LogLine> = {
  parse: parseLine,
  timeOf: ({ at }) => at,
  // Nobody wrote it.
  missing: (text, at) => ({ at, pid: 0, kind: 'mcp', text }),
};
