/** The columns of `top`: what stands in them, how wide they are, and which of them a narrow terminal does without. */

import type { ChalkInstance } from 'chalk';
import { formatDuration } from '../../core/duration.js';
import { hueOf, marks } from '../status-look.js';
import { fill, shortCount, shortRate, shortSpan } from './cells.js';
import type { TopRow } from './model.js';
import type { SortBy } from './view.js';

export interface CellContext {
  readonly chalk: ChalkInstance;
  /** Epoch milliseconds of the look. */
  readonly at: number;
  /** Columns there are for the sparkline, one slot each. */
  readonly slots: number;
  /** Makes a name or a message safe to print, on one line. */
  readonly safe: (text: string) => string;
}

/** Plain text, and the colour it gets once it has its width. */
interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

interface ColumnSpec {
  readonly head: (slots: number, slotMs: number) => string;
  readonly width: number;
  /** Its width where there is room between columns. */
  readonly wide?: number;
  readonly align?: 'right';
  readonly sort?: SortBy;
  readonly cell: (row: TopRow, context: CellContext) => Cell;
}

function rowHue({ status, health }: TopRow, chalk: ChalkInstance): (text: string) => string {
  return status === 'connected' && health === 'degraded' ? chalk.yellow : hueOf(status, chalk);
}

const left = (until: string | null, at: number) => (until === null ? '' : ` ${shortSpan(Date.parse(until) - at)}`);
const duration = (ms: number | undefined | null): Cell => ({ text: ms === undefined || ms === null ? '-' : formatDuration(ms) });

const specs = {
  server: {
    head: () => 'SERVER',
    width: 12,
    sort: 'name',
    cell: (row, { safe }) => ({ text: `${marks[row.status]} ${safe(row.name)}` }),
  },
  state: {
    head: () => 'STATE',
    width: 12,
    cell: (row, { chalk, at }) => {
      const isDegraded = row.status === 'connected' && row.health === 'degraded';
      const text = isDegraded
        ? 'degraded'
        : row.status === 'error' && row.retryAt
          ? `error,${left(row.retryAt, at)}`
          : row.status;
      return { text, paint: rowHue(row, chalk) };
    },
  },
  rate: {
    head: () => 'CALLS/S',
    width: 7,
    align: 'right',
    sort: 'calls',
    cell: ({ callsPerSecond }) => ({ text: callsPerSecond === null ? '-' : shortRate(callsPerSecond) }),
  },
  errors: {
    head: () => 'ERRORS',
    width: 6,
    align: 'right',
    sort: 'errors',
    cell: ({ failed }, { chalk }) => ({ text: shortCount(failed), ...(failed > 0 && { paint: chalk.red }) }),
  },
  p95: {
    head: () => 'P95',
    width: 6,
    align: 'right',
    sort: 'latency',
    cell: ({ latencyMs }) => duration(latencyMs?.p95),
  },
  series: {
    head: (slots, slotMs) => `P95 ${shortSpan(slots * slotMs)}`,
    width: 8,
    cell: ({ latencySeries }, { slots }) => ({ text: latencySeries ? sparkline(latencySeries.p95, slots) : '' }),
  },
  breaker: {
    head: () => 'BREAKER',
    width: 9,
    cell: ({ breaker: { state, openUntil } }, { chalk, at }) => ({
      text: state === 'open' ? `open${left(openUntil, at)}` : state,
      ...(state !== 'closed' && { paint: chalk.yellow }),
    }),
  },
  login: { head: () => 'LOGIN', width: 7, cell: loginCell },
  pool: {
    head: () => 'POOL',
    width: 5,
    // `10/10+256`: cut, such figures would be wrong ones.
    wide: 9,
    cell: ({ pool: { inUse, open, waiting } }, { chalk }) => ({
      text: `${inUse}/${open}${waiting > 0 ? `+${waiting}` : ''}`,
      ...(waiting > 0 && { paint: chalk.yellow }),
    }),
  },
  p50: { head: () => 'P50', width: 6, align: 'right', cell: ({ latencyMs }) => duration(latencyMs?.p50) },
  calls: { head: () => 'CALLS', width: 6, align: 'right', cell: ({ calls }) => ({ text: shortCount(calls) }) },
  share: {
    head: () => 'ERR %',
    width: 5,
    align: 'right',
    cell: ({ calls, errorRate }) => ({ text: calls === 0 ? '-' : shortRate(errorRate) }),
  },
  ping: { head: () => 'PING', width: 6, align: 'right', cell: ({ pingMs }) => duration(pingMs) },
  note: {
    head: () => '',
    width: 20,
    cell: (row, { chalk, safe }) =>
      row.lastError
        ? { text: safe(`${row.lastError.code}: ${row.lastError.message}`) }
        : { text: safe(row.target), paint: chalk.dim },
  },
} as const satisfies Record<string, ColumnSpec>;
type Name = keyof typeof specs;

/** From left to right. */
const order: readonly Name[] = 'server state rate calls errors share p50 p95 series ping breaker pool login note'.split(
  ' ',
) as Name[];
/** Who gets room first; what does not fit any more is left out. */
const importance: readonly Name[] = 'server state rate errors p95 series breaker login pool p50 calls share ping note'.split(
  ' ',
) as Name[];

export interface Column {
  readonly name: Name;
  readonly width: number;
}

/** Where there is no room between columns to waste. */
const tight = 100;
const maxServer = 40;
const maxSlots = 20;

/** The columns that fit into so many, by their usual widths alone, so that nothing jumps while figures change. */
export function columnsFor(columns: number, longestName: number): { readonly columns: readonly Column[]; readonly gap: number } {
  const isTight = columns < tight;
  const gap = isTight ? 1 : 2;
  const widths = new Map<Name, number>();
  let room = columns + gap;
  for (const name of importance) {
    const { width: least, wide = least }: ColumnSpec = specs[name];
    const width = Math.min(isTight ? least : wide, columns);
    if (widths.size > 0 && width + gap > room) continue;
    widths.set(name, width);
    room -= width + gap;
  }
  const grow = (name: Name, most: number) => {
    const width = widths.get(name);
    if (width === undefined || room <= 0) return;
    const by = Math.max(0, Math.min(room, most - width));
    widths.set(name, width + by);
    room -= by;
  };
  // With its mark.
  grow('server', Math.min(longestName + 2, maxServer));
  grow('series', maxSlots);
  grow('note', Number.POSITIVE_INFINITY);
  return { columns: order.flatMap((name) => (widths.has(name) ? [{ name, width: widths.get(name)! }] : [])), gap };
}

/** The heads, with an arrow at the one that decides on the order. */
export function headLine(
  { columns, gap }: ReturnType<typeof columnsFor>,
  slotMs: number,
  { by, isReversed }: { by: SortBy; isReversed: boolean },
  chalk: ChalkInstance,
): string {
  const heads = columns.map(({ name, width }) => {
    const spec: ColumnSpec = specs[name];
    const isSorted = spec.sort === by;
    // Names run from A to Z, figures from the largest down.
    const arrow = isSorted ? ((by === 'name') !== isReversed ? '▲' : '▼') : '';
    const text = fill(spec.head(width, slotMs).slice(0, width - arrow.length) + arrow, width, spec.align);
    return isSorted ? chalk.bold(text) : chalk.dim(text);
  });
  return heads.join(' '.repeat(gap));
}

/** @param isSelected shown in reverse (which is no colour: NO_COLOR has it too), without colours of its own, from edge to edge */
export function rowLine(
  row: TopRow,
  { columns, gap }: ReturnType<typeof columnsFor>,
  context: Omit<CellContext, 'slots'>,
  { isSelected, total }: { isSelected: boolean; total: number },
): string {
  const { chalk } = context;
  const cells = columns.map(({ name, width }) => {
    const spec: ColumnSpec = specs[name];
    const { text, paint } = spec.cell(row, { ...context, slots: width });
    const fitted = fill(text, width, spec.align);
    if (isSelected) return fitted;
    // The name is read in the terminal's own colour, its mark in that of the state.
    if (name === 'server') return rowHue(row, chalk)(fitted.slice(0, 1)) + fitted.slice(1);
    return paint ? paint(fitted) : fitted;
  });
  const line = cells.join(' '.repeat(gap));
  return isSelected ? `\x1b[7m${fill(line, total)}\x1b[27m` : line;
}

function loginCell({ auth: { state, expiresAt } }: TopRow, { chalk, at }: CellContext): Cell {
  switch (state) {
    case 'none':
      return { text: '-', paint: chalk.dim };
    case 'required':
      return { text: 'log in', paint: chalk.red };
    case 'expired':
      return { text: 'expired', paint: chalk.yellow };
    default: {
      if (expiresAt === null) return { text: 'valid' };
      const text = shortSpan(Date.parse(expiresAt) - at);
      return state === 'expiring' ? { text, paint: chalk.yellow } : { text };
    }
  }
}

const bars = '▁▂▃▄▅▆▇█';

/** The last of the values, one column each, the largest of them being the highest bar; a dot where there is none. */
export function sparkline(values: readonly (number | null)[], columns: number): string {
  const shown = values.slice(-columns);
  const most = Math.max(...shown.map((value) => value ?? 0));
  const bar = (value: number) => bars[Math.max(0, Math.ceil((value / (most || 1)) * bars.length) - 1)];
  return shown.map((value) => (value === null ? '·' : bar(value))).join('');
}
