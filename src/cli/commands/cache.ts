/** `cache`: what is kept of each server and how much it helps; `cache clear` forgets it. */

import * as z from 'zod/mini';
import { formatDuration } from '../../core/duration.js';
import { McpctlError } from '../../core/errors.js';
import type { ClearedCache } from '../../manager/clear-caches.js';
import type { CachedThing, CacheStatus } from '../../manager/manager.js';
import type { Run, Text, TextOptions } from '../command.js';
import { paint, table } from '../render.js';

export const args = z.object({ action: z.optional(z.enum(['clear'])), server: z.optional(z.string()) });

interface ShowData {
  readonly servers: readonly CacheStatus[];
}
interface ClearData {
  readonly cleared: readonly ClearedCache[];
}
export type CacheData = ShowData | ClearData;

export const run: Run<typeof args, CacheData> = async ({ action, server }, { manager, signal }) => {
  await manager.remembered();
  if (action === undefined) return { data: { servers: manager.caches() } };
  const { cleared, failures } = await manager.clearCaches(server === undefined ? manager.names() : [server]);
  signal.throwIfAborted();
  const [first] = failures;
  if (!first) return { data: { cleared } };
  const others = failures.length - 1;
  const message = others === 0 ? first.message : `${first.message}, nor that of ${others} more`;
  const { code, hint, server: of, details } = first;
  const error = new McpctlError(code, message, { cause: first, hint, server: of, details });
  if (cleared.length === 0) throw error;
  return { data: { cleared }, error };
};

export const text: Text<CacheData, typeof args> = (data, options) => {
  if ('cleared' in data) {
    const emptied = data.cleared.filter(({ entries }) => entries > 0);
    if (emptied.length === 0) return 'Nothing was kept.';
    return emptied
      .map(({ server, entries }) => `${server}: ${entries} ${entries === 1 ? 'entry' : 'entries'} cleared`)
      .join('\n');
  }
  const { servers } = data;
  if (servers.length === 0) return 'No servers.';
  return [countersTable(servers, options), ...entriesTable(servers, options)].join('\n');
};

function countersTable(servers: readonly CacheStatus[], options: TextOptions): string {
  const right = { align: 'right' } as const;
  const heads = [
    { head: 'SERVER', flexible: true },
    { head: 'ENTRIES', ...right },
    { head: 'SIZE', ...right },
    { head: 'HITS', ...right },
    { head: 'MISSES', ...right },
    { head: 'EVICTED', ...right },
    { head: 'EXPIRED', ...right },
    { head: 'KEEPS' },
  ];
  const rows = servers.map((one) => [
    one.server,
    String(one.size),
    formatBytes(one.bytes),
    ...[one.hits, one.misses, one.evictions, one.expirations].map(String),
    one.enabled ? `${one.maxSize}, ${one.policy}, ${formatDuration(one.ttlMs)}` : 'off',
  ]);
  return table(heads, rows, options);
}

/** A screenful for each server; --json has all of them. */
const rowsPerServer = 20;

function entriesTable(servers: readonly CacheStatus[], options: TextOptions): string[] {
  const chalk = paint(options.color);
  const right = { align: 'right' } as const;
  const heads = [
    { head: 'SERVER', flexible: true },
    { head: 'KEPT', flexible: true },
    { head: 'AGE', ...right },
    { head: 'LEFT', ...right },
    { head: 'HITS', ...right },
    { head: 'SIZE', ...right },
  ];
  // The last used, or the newest, first.
  const shown = servers.flatMap(({ server, entries }) =>
    entries
      .toReversed()
      .slice(0, rowsPerServer)
      .map((entry) => [
        server,
        nameOf(entry),
        formatDuration(entry.ageMs),
        entry.ttlLeftMs > 0 ? formatDuration(entry.ttlLeftMs) : chalk.yellow('stale'),
        String(entry.hits),
        formatBytes(entry.bytes),
      ]),
  );
  if (shown.length === 0) return [];
  const hidden = servers.reduce((sum, { entries }) => sum + Math.max(0, entries.length - rowsPerServer), 0);
  const more = hidden > 0 ? [chalk.dim(`and ${hidden} more: --json has all of them`)] : [];
  return ['', table(heads, shown, options), ...more];
}

function nameOf({ kind, tool, tools }: CachedThing): string {
  return kind === 'result' ? `result of ${tool}` : `list of ${tools} ${tools === 1 ? 'tool' : 'tools'}`;
}

function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 ** 2 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}
