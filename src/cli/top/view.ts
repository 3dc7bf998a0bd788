/** What a person has done to the view: order, selection, page; and what a key changes in it. Pure. */

import type { TopRow } from './model.js';

export const sortKeys = { n: 'name', c: 'calls', e: 'errors', l: 'latency' } as const;
export type SortBy = (typeof sortKeys)[keyof typeof sortKeys];

export interface TopView {
  readonly sort: { readonly by: SortBy; readonly isReversed: boolean };
  /** A name: the selection stays with its server whatever the order. */
  readonly selected: string | undefined;
  readonly page: 'servers' | 'help' | 'log';
  /** A question that waits for y. */
  readonly asks: { readonly disable: string } | undefined;
  /** What was done, or went wrong; until the next key. */
  readonly message: string | undefined;
  /** Rows of the log above its end; 0 follows what comes. */
  readonly scrolled: number;
}

export const firstView: TopView = {
  sort: { by: 'name', isReversed: false },
  selected: undefined,
  page: 'servers',
  asks: undefined,
  message: undefined,
  scrolled: 0,
};

/** What is to be done besides showing something else. */
export type TopAction =
  | { readonly type: 'quit' }
  | { readonly type: 'reconnect' | 'enable' | 'disable' | 'open-log'; readonly server: string }
  | { readonly type: 'close-log' };

/** The rows in the order of the view. Busy, failing and slow servers come first; names go from A to Z. */
export function sorted(rows: readonly TopRow[], { by, isReversed }: TopView['sort']): TopRow[] {
  const order = (a: TopRow, b: TopRow) => compare[by](a, b) || compare.name(a, b);
  return rows.toSorted((a, b) => (isReversed ? order(b, a) : order(a, b)));
}

const compare: Record<SortBy, (a: TopRow, b: TopRow) => number> = {
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  calls: (a, b) => (b.callsPerSecond ?? 0) - (a.callsPerSecond ?? 0) || b.calls - a.calls,
  errors: (a, b) => b.failed - a.failed || b.errorRate - a.errorRate || Number(isTroubled(b)) - Number(isTroubled(a)),
  latency: (a, b) => (b.latencyMs?.p95 ?? -1) - (a.latencyMs?.p95 ?? -1),
};

const isTroubled = ({ status }: TopRow) => status === 'error' || status === 'needs-auth' || status === 'untrusted';

/** Where the selection stands: that of a server which has gone goes to the first. */
export function selectedIndex(rows: readonly TopRow[], { selected }: Pick<TopView, 'selected'>): number {
  return Math.max(
    0,
    rows.findIndex(({ name }) => name === selected),
  );
}

export interface Pressed {
  readonly view: TopView;
  readonly action?: TopAction;
}

/**
 * @param rows in the order in which they are shown
 * @param pageSize how many rows the key for a page goes
 */
export function press(view: TopView, key: string, rows: readonly TopRow[], pageSize: number): Pressed {
  const fresh = { ...view, message: undefined };
  if (view.asks) return answered(fresh, key);
  if (view.page === 'help') return { view: { ...fresh, page: 'servers' } };
  return view.page === 'log' ? inLog(fresh, key, pageSize) : inServers(fresh, key, rows, pageSize);
}

function answered(view: TopView, key: string): Pressed {
  const server = view.asks!.disable;
  const closed = { ...view, asks: undefined };
  return key === 'y' || key === 'Y' ? { view: closed, action: { type: 'disable', server } } : { view: closed };
}

function inLog(view: TopView, key: string, pageSize: number): Pressed {
  const by = moves(key, pageSize);
  if (by !== undefined) return { view: { ...view, scrolled: Math.max(0, view.scrolled - by) } };
  if (key === 'q' || key === 'escape' || key === 'left' || key === 'backspace')
    return { view: { ...view, page: 'servers', scrolled: 0 }, action: { type: 'close-log' } };
  return { view };
}

function inServers(view: TopView, key: string, rows: readonly TopRow[], pageSize: number): Pressed {
  const at = selectedIndex(rows, view);
  const row = rows[at];
  const by = moves(key, pageSize);
  if (by !== undefined) {
    const to = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
    return { view: { ...view, selected: to?.name } };
  }
  const sort = sortKeys[key as keyof typeof sortKeys];
  if (sort) return { view: { ...view, sort: { by: sort, isReversed: view.sort.by === sort && !view.sort.isReversed } } };
  // From here on the selection is what was meant: it stays there when the order changes.
  const kept = { ...view, selected: row?.name };
  switch (key) {
    case 'q':
    case 'escape':
      return { view, action: { type: 'quit' } };
    case '?':
    case 'h':
      return { view: { ...view, page: 'help' } };
    case 'r':
      return row ? { view: kept, action: { type: 'reconnect', server: row.name } } : { view };
    case 'd':
      if (!row) return { view };
      if (row.status === 'disabled') return { view: kept, action: { type: 'enable', server: row.name } };
      return { view: { ...kept, asks: { disable: row.name } } };
    case 'enter':
    case 'right':
    case 'o':
      return row ? { view: { ...kept, page: 'log', scrolled: 0 }, action: { type: 'open-log', server: row.name } } : { view };
    default:
      return { view };
  }
}

/** How far a key moves, down being positive; undefined for others. */
function moves(key: string, pageSize: number): number | undefined {
  switch (key) {
    case 'up':
    case 'k':
      return -1;
    case 'down':
    case 'j':
      return 1;
    case 'pageup':
    case 'ctrl-b':
      return -pageSize;
    case 'pagedown':
    case 'ctrl-f':
    case ' ':
      return pageSize;
    case 'home':
    case 'g':
      return Number.NEGATIVE_INFINITY;
    case 'end':
    case 'G':
      return Number.POSITIVE_INFINITY;
    default:
      return undefined;
  }
}
