/** `metrics`: calls, errors and latencies of each server, for people, scripts and Prometheus. */

import * as z from 'zod/mini';
import { formatDuration } from '../../core/duration.js';
import { McpctlError } from '../../core/errors.js';
import { toSafeJson } from '../../core/sanitize.js';
import type { MetricsReport, ServerReport } from '../../observe/report.js';
import type { Run, Text, TextOptions } from '../command.js';
import { paint, table } from '../render.js';

export const args = z.object({
  server: z.optional(z.string()),
  format: z._default(z.enum(['table', 'json', 'prometheus']), 'table'),
  since: z.optional(z.number()),
  reset: z._default(z.boolean(), false),
});

export interface ExpositionData {
  readonly format: 'prometheus';
  readonly text: string;
}
export type MetricsData = MetricsReport | ExpositionData;

export const run: Run<typeof args, MetricsData> = async ({ server, format, since, reset }, { manager, observation, note }) => {
  const names = server === undefined ? manager.names() : [server];
  manager.snapshot(names);
  if (format === 'prometheus' && since !== undefined) {
    throw new McpctlError('USAGE', 'Prometheus reads totals: --since does not go with --format prometheus', {
      hint: 'leave --since out; Prometheus works it out with rate() and increase()',
    });
  }
  if (since === 0) throw new McpctlError('USAGE', '--since needs a time above 0', { hint: 'for example --since 1h' });
  if (format === 'prometheus') await manager.remembered();
  const source = await observation.source();
  const data: MetricsData =
    format === 'prometheus'
      ? { format, text: await observation.exposition(names) }
      : (await import('../../observe/report.js')).reportOf(source.from, await source.read(names, since));
  if (reset) {
    await source.reset(names);
    note(`counting begins anew${server === undefined ? '' : ` for ${server}`}`);
  }
  // No secret is in the figures; a password that is an ordinary word would take names and numbers apart.
  return 'format' in data ? { data, verbatim: true } : { data };
};

export const text: Text<MetricsData, typeof args> = (data, options, { format, server, since }) => {
  if ('format' in data) return data.text;
  if (format === 'json') return toSafeJson(data, 2);
  if (data.servers.length === 0) return 'No servers are configured. Add one: mcpctl add <name> <command or URL>';
  const chalk = paint(options.color);
  const only = server === undefined ? undefined : data.servers[0];
  return [
    overview(data.servers, options),
    ...(only ? details(only, options) : []),
    '',
    chalk.dim(spanOf(data, since !== undefined)),
  ].join('\n');
};

const right = { align: 'right' } as const;

function overview(servers: readonly ServerReport[], options: TextOptions): string {
  const chalk = paint(options.color);
  const heads = [
    { head: 'SERVER', flexible: true },
    { head: 'CALLS', ...right },
    { head: 'FAILED', ...right },
    { head: 'ERRORS', ...right },
    { head: 'P50', ...right },
    { head: 'P95', ...right },
    { head: 'P99', ...right },
    { head: 'RETRIES', ...right },
    { head: `LAST ${spanText(servers[0]!.series.spanMs)}` },
  ];
  const rows = servers.map(({ server, calls, failed, errorRate, latencyMs, retries, series }) => [
    server,
    String(calls),
    failed > 0 ? chalk.red(String(failed)) : '0',
    calls === 0 ? '-' : `${Math.round(errorRate * 10) / 10} %`,
    ...(['p50', 'p95', 'p99'] as const).map((name) => (latencyMs ? formatDuration(latencyMs[name]) : '-')),
    String(retries),
    sparkline(series.calls),
  ]);
  return table(heads, rows, options);
}

/** What there is to tell of one server alone. */
function details({ errors, connects, restarts, tools }: ServerReport, options: TextOptions): string[] {
  const reasons = Object.entries(errors).map(([reason, count]) => `${count} ${reason}`);
  const connected = `${many(connects.success, 'connect')}, ${connects.failed} failed, ${many(restarts, 'restart')}`;
  const lines = ['', ...(reasons.length > 0 ? [`failed: ${reasons.join(', ')}`] : []), connected];
  if (!tools || tools.length === 0) return lines;
  const rows = tools
    .toSorted((a, b) => b.success + b.failed - a.success - a.failed)
    .map(({ tool, success, failed }) => [tool, String(success + failed), String(failed)]);
  const heads = [
    { head: 'TOOL', flexible: true },
    { head: 'CALLS', ...right },
    { head: 'FAILED', ...right },
  ];
  return [...lines, '', table(heads, rows, options)];
}

const many = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

function spanOf({ from, since }: MetricsReport, isAsked: boolean): string {
  const start = `${since.slice(0, 16).replace('T', ' ')} UTC`;
  if (from === 'manager') return `Since ${start}, of the manager that runs.`;
  return `Since ${start}, of single commands${isAsked ? ' (whole hours)' : ''}. A manager (mcpctl up) counts its own.`;
}

const bars = '▁▂▃▄▅▆▇█';

/** One bar for each part of the time; a dot where nothing was called. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 0);
  return values.map((value) => (value === 0 ? '·' : bars[Math.ceil((value / most) * bars.length) - 1])).join('');
}

/** Whole units read better in a heading: `1 H`, `24 H`. */
function spanText(ms: number): string {
  return formatDuration(ms)
    .toUpperCase()
    .replace(/^60 M$/, '1 H');
}
