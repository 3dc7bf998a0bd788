/** `logs`: what a server wrote to stderr and what happened to it, or what mcpctl did, from the log; with `--follow` also what comes. */

import * as z from 'zod/mini';
import { systemClock } from '../../core/clock.js';
import { McpctlError, rootMessage } from '../../core/errors.js';
import { isCallId } from '../../manager/call-id.js';
import { type LogFormat, type LogLine, logPath, serverLines } from '../../state/log-line.js';
import { type OwnLogLine, ownLines, ownLogPath } from '../../state/own-log.js';
import type { CommandContext, Outcome, Run, Text } from '../command.js';
import { paint } from '../render.js';

export const args = z.object({
  server: z.optional(z.string()),
  tail: z.optional(z.string()),
  since: z.optional(z.number()),
  follow: z._default(z.boolean(), false),
  call: z.optional(z.string()),
});

type Line = LogLine | OwnLogLine;

export interface LogsData<L extends Line = Line> {
  /** Null: the log of mcpctl itself. */
  readonly server: string | null;
  /** The file that is written; the older ones lie beside it with `.1`, `.2`, `.3` at their end. */
  readonly file: string;
  readonly lines: readonly L[];
}

/** One log, and which of its lines are wanted. */
interface Source<L extends Line> {
  readonly server: string | null;
  readonly file: string;
  readonly format: LogFormat<L>;
  readonly isWanted?: (line: L) => boolean;
  /** What to say when there is no line at all. */
  readonly none: string;
}

/** New lines go below the old ones. */
export const live = 'append';

const defaultLines = 50;
/** What one answer holds at most: the log itself is bounded, but many short lines take more room here than there. */
const maxLines = 100_000;

export const run: Run<typeof args, LogsData | Line> = (input, context) => {
  const { server, call, follow: isFollowed } = input;
  if (server === undefined) {
    const source = ownSource(call, context);
    return isFollowed ? follow(source, input, context) : once(source, input, context);
  }
  const show = (source: Source<LogLine>) => (isFollowed ? follow(source, input, context) : once(source, input, context));
  return show(serverSource(server, call, context));
};

async function once<L extends Line>(
  source: Source<L>,
  input: z.infer<typeof args>,
  context: CommandContext,
): Promise<Outcome<LogsData<L>>> {
  const { server, file, format, isWanted, none } = source;
  const { readTail } = await import('../../state/log-reader.js');
  const lines = await readTail(file, { ...range(input), format, ...(isWanted && { isWanted }) }).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  if (lines.length === 0) {
    const { existsSync } = await import('node:fs');
    if (isWanted || !existsSync(file)) context.note(none);
  } else if (lines.length === maxLines) context.note(`these are the last ${maxLines} lines; all of them are in ${file}*`);
  return { data: { server, file, lines } };
}

async function* follow<L extends Line>(
  { server, file, format, isWanted }: Source<L>,
  input: z.infer<typeof args>,
  { manager, signal }: CommandContext,
): AsyncGenerator<L> {
  // Without one nothing would come of a server; of mcpctl itself, other commands may write.
  if (server !== null && !manager.longLived) {
    throw new McpctlError('NO_MANAGER', 'logs --follow needs a manager that stays, and none is running', { hint: 'mcpctl up' });
  }
  const { followLog } = await import('../../state/log-follower.js');
  try {
    yield* followLog(file, { ...range(input), format, ...(isWanted && { isWanted }), clock: systemClock, signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : unreadable(file, error);
  }
  signal.throwIfAborted();
}

function ownSource(call: string | undefined, { config }: CommandContext): Source<OwnLogLine> {
  const own = { server: null, file: ownLogPath(config.places.stateDir), format: ownLines };
  if (call === undefined) return { ...own, none: 'mcpctl has no log yet' };
  if (!isCallId(call)) {
    throw new McpctlError('USAGE', '--call takes the 12 letters and digits that name a call', {
      hint: 'errors have them with --json (details.callId) and with --verbose',
    });
  }
  const none = `nothing is kept of the call ${call}; of calls that succeed in single commands nothing ever is`;
  return { ...own, isWanted: ({ callId }) => callId === call, none };
}

/** @throws McpctlError `UNKNOWN_SERVER`, `USAGE` */
function serverSource(name: string, call: string | undefined, { manager, config }: CommandContext): Source<LogLine> {
  manager.snapshot([name]);
  if (call !== undefined) {
    const message = 'Servers do not say which call a line belongs to; --call looks into the log of mcpctl itself';
    throw new McpctlError('USAGE', message, { hint: `mcpctl logs --call ${call}` });
  }
  const file = logPath(config.places.stateDir, name, config.servers.get(name)!.file);
  return { server: name, file, format: serverLines, none: `${name} has no log yet` };
}

function range({ tail, since, call }: z.infer<typeof args>): { lines: number; sinceMs: number | undefined } {
  const sinceMs = since === undefined ? undefined : systemClock.date().getTime() - since;
  if (tail === undefined) return { lines: since === undefined && call === undefined ? defaultLines : maxLines, sinceMs };
  if (tail === 'all') return { lines: maxLines, sinceMs };
  if (!/^\d{1,9}$/.test(tail)) {
    throw new McpctlError('USAGE', `--tail takes a number of lines or "all", not "${tail}"`, { hint: 'for example --tail 100' });
  }
  return { lines: Math.min(Number(tail), maxLines), sinceMs };
}

function unreadable(file: string, error: unknown): McpctlError {
  return new McpctlError('UNAVAILABLE', `Cannot read the log ${file}: ${rootMessage(error)}`, {
    cause: error,
    hint: 'make it a readable file, or remove it',
  });
}

export const text: Text<LogsData | Line> = (data, { color }) => {
  const chalk = paint(color);
  const inColor = { error: chalk.red, warn: chalk.yellow, info: chalk.reset, debug: chalk.dim };
  return ('lines' in data && 'file' in data ? (data as LogsData).lines : [data as Line])
    .map((line) => {
      if (!isOwn(line)) {
        const { at, kind, text } = line;
        return kind !== 'mcp' ? `${chalk.dim(at)}  ${text}` : chalk.dim(`${at}  [mcpctl] ${text}`);
      }
      const { time, level, pid: _, msg, ...fields } = line;
      const more = Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`);
      const paintLevel = Object.hasOwn(inColor, level) ? inColor[level] : chalk.reset;
      return `${chalk.dim(time)}  ${paintLevel(level.padEnd(5))}  ${msg}${chalk.dim(more.join(''))}`;
    })
    .join('\n');
};

function isOwn(line: Line): line is OwnLogLine {
  return 'msg' in line;
}

/** As one word; what is more than one stands in quotes. A later version may write objects: they stay JSON. */
function shown(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value;
  return Array.isArray(value) ? value.map(shown).join(',') : JSON.stringify(value);
}
