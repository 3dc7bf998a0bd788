/** `metrics`: calls, errors and latencies of each server, for people, scripts and Prometheus. */

import * as z from 'zod/mini';
import { displayWidth } from '../../core/display-width.js';
import { formatDuration } from '../../core/duration.js';
import { McpctlError } from '../../core/errors.js';
import { toSafeJson } from '../../core/sanitize.js';
import type { MetricsReport, ServerReport } from '../../observe/report.js';
import type { Run, Text, TextOptions } from '../command.js';
import { type Column, gap, paint, table } from '../render.js';
import { sparkline } from '../top/columns.js';

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

/** From wide to narrow: how many bars there are, and which columns there are not. A server stays one line. */
const layouts = [
  { bars: 24, without: [] },
  { bars: 12, without: [] },
  { bars: 8, without: [] },
  { bars: 8, without: ['RETRIES'] },
  { bars: 8, without: ['RETRIES', 'P99'] },
  { bars: 0, without: ['RETRIES', 'P99'] },
  { bars: 0, without: ['RETRIES', 'P99', 'P50'] },
  { bars: 0, without: ['RETRIES', 'P99', 'P50', 'ERRORS'] },
  { bars: 0, without: ['RETRIES', 'P99', 'P50', 'ERRORS', 'P95'] },
  { bars: 0, without: ['RETRIES', 'P99', 'P50', 'ERRORS', 'P95', 'CALLS'] },
] as const satisfies readonly { readonly bars: number; readonly without: readonly string[] }[];

function overview(servers: readonly ServerReport[], options: TextOptions): string {
  const all = layouts.map((layout) => gridOf(servers, layout, options));
  const { heads, rows } = all.find((grid) => widthOf(grid) <= options.columns) ?? all.at(-1)!;
  return table(heads, rows, options);
}

function gridOf(servers: readonly ServerReport[], { bars, without }: (typeof layouts)[number], options: TextOptions) {
  const chalk = paint(options.color);
  const time = (name: 'p50' | 'p95' | 'p99') => ({
    head: name.toUpperCase(),
    ...right,
    cell: ({ latencyMs }: ServerReport) => (latencyMs ? formatDuration(latencyMs[name]) : '-'),
  });
  const columns: readonly (Column & { readonly cell: (one: ServerReport) => string })[] = [
    { head: 'SERVER', flexible: true, cell: ({ server }) => server },
    { head: 'CALLS', ...right, cell: ({ calls }) => String(calls) },
    { head: 'FAILED', ...right, cell: ({ failed }) => (failed > 0 ? chalk.red(String(failed)) : '0') },
    { head: 'ERRORS', ...right, cell: ({ calls, errorRate }) => (calls === 0 ? '-' : `${Math.round(errorRate * 10) / 10} %`) },
    time('p50'),
    time('p95'),
    time('p99'),
    { head: 'RETRIES', ...right, cell: ({ retries }) => String(retries) },
    ...(bars === 0
      ? []
      : [
          {
            head: `LAST ${spanText(servers[0]!.series.spanMs)}`,
            cell: ({ series }: ServerReport) => barsOf(series.calls, bars),
          },
        ]),
  ];
  const shown = columns.filter(({ head }) => !without.some((name) => name === head));
  return { heads: shown, rows: servers.map((one) => shown.map(({ cell }) => cell(one))) };
}

/** In columns; a long name is cut rather than a figure left out. */
function widthOf({ heads, rows }: ReturnType<typeof gridOf>): number {
  const widths = heads.map(({ head, flexible }, i) => {
    const width = Math.max(displayWidth(head), ...rows.map((row) => displayWidth(row[i]!)));
    return flexible ? Math.min(width, longestName) : width;
  });
  return widths.reduce((sum, width) => sum + width + gap, -gap);
}

const longestName = 16;

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

/** One bar for each of `count` equal parts of the time; a dot where nothing was called. */
function barsOf(calls: readonly number[], count: number): string {
  const each = calls.length / count;
  const sums = Array.from({ length: count }, (_, i) => calls.slice(i * each, (i + 1) * each).reduce((sum, one) => sum + one, 0));
  return sparkline(
    sums.map((sum) => (sum === 0 ? null : sum)),
    count,
  );
}

/** Whole units read better in a heading: `1 H`, `24 H`. */
function spanText(ms: number): string {
  return formatDuration(ms)
    .toUpperCase()
    .replace(/^60 M$/, '1 H');
}
