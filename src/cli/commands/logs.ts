/** `logs`: what a server wrote to stderr and what happened to it, from its log; with `--follow` also what comes. */

import * as z from 'zod/mini';
import { systemClock } from '../../core/clock.js';
import { McpctlError, rootMessage } from '../../core/errors.js';
import { type LogLine, logPath } from '../../state/log-line.js';
import type { CommandContext, Outcome, Run, Text } from '../command.js';
import { paint } from '../render.js';

export const args = z.object({
  server: z.string(),
  tail: z.optional(z.string()),
  since: z.optional(z.number()),
  follow: z._default(z.boolean(), false),
});

export interface LogsData {
  readonly server: string;
  /** The file that is written; the older ones lie beside it with `.1`, `.2`, `.3` at their end. */
  readonly file: string;
  readonly lines: readonly LogLine[];
}

/** New lines go below the old ones. */
export const live = 'append';

const defaultLines = 50;
/** What one answer holds at most: the log itself is bounded, but many short lines take more room here than there. */
const maxLines = 100_000;

export const run: Run<typeof args, LogsData | LogLine> = (input, context) =>
  input.follow ? follow(input, context) : once(input, context);

async function once(input: z.infer<typeof args>, context: CommandContext): Promise<Outcome<LogsData>> {
  const file = fileOf(input.server, context);
  const { readTail } = await import('../../state/log-reader.js');
  const wanted = range(input);
  const lines = await readTail(file, wanted).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  if (lines.length === 0) {
    const { existsSync } = await import('node:fs');
    if (!existsSync(file)) context.note(`${input.server} has no log yet`);
  } else if (lines.length === maxLines) context.note(`these are the last ${maxLines} lines; all of them are in ${file}*`);
  return { data: { server: input.server, file, lines } };
}

async function* follow(input: z.infer<typeof args>, context: CommandContext): AsyncGenerator<LogLine> {
  const { manager, signal } = context;
  const file = fileOf(input.server, context);
  if (!manager.longLived) {
    throw new McpctlError('NO_MANAGER', 'logs --follow needs a manager that stays, and none is running', { hint: 'mcpctl up' });
  }
  const { followLog } = await import('../../state/log-follower.js');
  try {
    yield* followLog(file, { ...range(input), clock: systemClock, signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : unreadable(file, error);
  }
  signal.throwIfAborted();
}

/** @throws McpctlError `UNKNOWN_SERVER` */
function fileOf(name: string, { manager, config }: CommandContext): string {
  manager.snapshot([name]);
  return logPath(config.places.stateDir, name, config.servers.get(name)!.file);
}

function range({ tail, since }: z.infer<typeof args>): { lines: number; sinceMs: number | undefined } {
  const sinceMs = since === undefined ? undefined : systemClock.date().getTime() - since;
  if (tail === undefined) return { lines: since === undefined ? defaultLines : maxLines, sinceMs };
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

export const text: Text<LogsData | LogLine> = (data, { color }) => {
  const chalk = paint(color);
  return ('lines' in data ? data.lines : [data])
    .map(({ at, kind, text: line }) => (kind !== 'mcp' ? `${chalk.dim(at)}  ${line}` : chalk.dim(`${at}  [mcpctl] ${line}`)))
    .join('\n');
};
