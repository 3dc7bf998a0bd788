/** The screen of `top` as lines: pure, from what is shown, the size, and what the person has done to the view. */

import { displayWidth } from '../../core/display-width.js';
import { formatDuration } from '../../core/duration.js';
import { sanitizeLine } from '../../core/sanitize.js';
import type { LogLine } from '../../state/log-line.js';
import { paint } from '../render.js';
import { cut, fill, shortCount, shortRate, wrap } from './cells.js';
import { columnsFor, headLine, rowLine } from './columns.js';
import type { TopData, TopRow } from './model.js';
import { firstView, selectedIndex, sorted, type TopView } from './view.js';

export interface TopStyle {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
  /** Takes secrets out of what comes from elsewhere. */
  readonly redact: (text: string) => string;
}

/** From this height on there are empty lines between the parts, and one that tells of the selected server. */
const roomy = 12;
/** Below this there is no room for anything but the servers. */
const tiny = 5;
const maxText = 500;
const defaultSlotMs = 30_000;

/** How many servers, or rows of a log, are on the screen at once. */
export function pageSize(rows: number): number {
  return Math.max(1, rows - (rows >= roomy ? 6 : rows >= tiny ? 3 : 1));
}

/** How many rows of a log. */
export function logPageSize(rows: number): number {
  return Math.max(1, rows - (rows >= tiny ? 2 : 1));
}

/** Exactly as many lines as the screen has rows, none wider than it. */
export function screenLines(data: TopData, view: TopView, style: TopStyle, log: readonly LogLine[] = []): string[] {
  const lines =
    view.page === 'help' ? helpLines(style) : view.page === 'log' ? logLines(view, style, log) : serverLines(data, view, style);
  return Array.from({ length: style.rows }, (_, row) => lines[row] ?? '');
}

/** The same for a pipe: every server, and nothing about keys. */
export function plainText(data: TopData, { columns, color }: { columns: number; color: boolean }): string {
  const style: TopStyle = { columns, rows: Number.POSITIVE_INFINITY, color, redact: (text) => text };
  const time = `${data.at.slice(0, 19).replace('T', ' ')} UTC`;
  const body = data.servers.length === 0 ? [nothingText] : tableLines(data, firstView, style, data.servers.length, false);
  return [
    `${time}  ${titleLine(data, { ...style, columns: columns - time.length - 2 })}`,
    ...body.map((line) => line.trimEnd()),
    '',
    '',
  ].join('\n');
}

const nothingText = 'No servers are configured. Add one: mcpctl add <name> <command or URL>';

function serverLines(data: TopData, view: TopView, style: TopStyle): string[] {
  const { columns, rows } = style;
  const title = titleLine(data, style);
  if (data.servers.length === 0) return [title, '', cut(nothingText, columns), '', cut(keysText(columns), columns)];
  const shown = pageSize(rows);
  const table = tableLines(data, view, style, shown, true);
  if (rows < tiny) return [title, ...table.slice(1)];
  const body = [...table, ...new Array<string>(Math.max(0, shown + 1 - table.length)).fill('')];
  const chalk = paint(style.color);
  const keys = chalk.dim(cut(keysText(columns), columns));
  const told = messageLine(view, style);
  if (rows < roomy) return [title, ...body, told ?? keys];
  return [title, '', ...body, positionLine(data, view, style, shown), told ?? detailLine(data, view, style), keys];
}

/** The heads and the servers that are on the screen, around the selected one. */
function tableLines(data: TopData, view: TopView, style: TopStyle, shown: number, isSelecting: boolean): string[] {
  const { columns, color } = style;
  const chalk = paint(color);
  const safe = (text: string) => sanitizeLine(style.redact(text), maxText);
  const ordered = sorted(data.servers, view.sort);
  const layout = columnsFor(columns, Math.max(...ordered.map(({ name }) => displayWidth(safe(name)))));
  const slotMs = ordered.find(({ latencySeries }) => latencySeries)?.latencySeries?.slotMs ?? defaultSlotMs;
  const selected = selectedIndex(ordered, view);
  const first = firstShown(ordered.length, selected, shown);
  const at = Date.parse(data.at);
  const lines = ordered
    .slice(first, first + shown)
    .map((row, index) =>
      rowLine(row, layout, { chalk, at, safe }, { isSelected: isSelecting && first + index === selected, total: columns }),
    );
  return [headLine(layout, slotMs, view.sort, chalk), ...lines];
}

/** Whole pages, so that the list stands still while the selection moves within one. */
function firstShown(count: number, selected: number, shown: number): number {
  return Math.max(0, Math.min(Math.floor(selected / shown) * shown, count - shown));
}

/** As many of the parts as fill, the first ones first. */
function titleLine({ manager, health, ready, totals }: TopData, { columns, color }: Pick<TopStyle, 'columns' | 'color'>): string {
  const chalk = paint(color);
  const hue = { healthy: chalk.green, degraded: chalk.yellow, unhealthy: chalk.red }[health];
  const { counts, servers, callsPerSecond, calls, failed } = totals;
  const uptime = manager.uptimeMs === null ? '' : `, up ${formatDuration(manager.uptimeMs)}`;
  const others = Object.entries(counts).filter(([status]) => status !== 'connected');
  const parts: [text: string, shown: string][] = [
    both(`manager ${manager.pid}${uptime}`, chalk.bold),
    both(`${health}${ready ? '' : ', not ready'}`, hue),
    both(`${counts.connected ?? 0}/${servers} connected`),
    both(`${callsPerSecond === null ? '-' : shortRate(callsPerSecond)} calls/s`),
    both(`${shortCount(calls)} calls, ${shortCount(failed)} failed`),
    ...others.map(([status, count]) => both(`${count} ${status}`, chalk.dim)),
  ];
  let line = '';
  let used = 0;
  for (const [text, shown] of parts) {
    const gap = used === 0 ? '' : '  ';
    if (used + gap.length + text.length > columns) break;
    line += gap + shown;
    used += gap.length + text.length;
  }
  return line === '' ? cut(parts[0]![0], columns) : line;
}

const both = (text: string, hue: (text: string) => string = (plain) => plain): [string, string] => [text, hue(text)];

/** Which part of a long list is shown. */
function positionLine({ servers }: TopData, view: TopView, { columns, color }: TopStyle, shown: number): string {
  if (servers.length <= shown) return '';
  const first = firstShown(servers.length, selectedIndex(sorted(servers, view.sort), view), shown);
  return paint(color).dim(cut(`${first + 1}-${first + shown} of ${servers.length}`, columns));
}

/** What a question or the last action says. */
function messageLine({ asks, message }: TopView, { columns, color, redact }: TopStyle): string | undefined {
  const chalk = paint(color);
  const safe = (text: string) => sanitizeLine(redact(text), maxText);
  if (asks) return chalk.yellow(fitQuestion(safe(asks.disable), columns));
  return message === undefined ? undefined : chalk.cyan(cut(safe(message), columns));
}

/** The name gives way: what is asked has to be read to the end. */
function fitQuestion(name: string, columns: number): string {
  const [before, behind] = ['Disable ', '? Calls under way are lost. y/n'];
  const room = columns - before.length - behind.length;
  return room >= 8 ? before + cut(name, room) + behind : cut(`Disable ${cut(name, columns - 13)}? y/n`, columns);
}

/** What the selected server's row has no room for: why it is not well, and what to do. */
function detailLine(data: TopData, view: TopView, { columns, color, redact }: TopStyle): string {
  const chalk = paint(color);
  const rows = sorted(data.servers, view.sort);
  const row = rows[selectedIndex(rows, view)];
  if (!row) return '';
  const safe = (text: string) => sanitizeLine(redact(text), maxText);
  const { lastError, name, target } = row;
  const reasons = reasonsOf(row);
  if (lastError) {
    const hint = lastError.hint ? ` (${lastError.hint})` : '';
    return chalk.yellow(cut(safe(`${name}: ${lastError.code}: ${lastError.message}${hint}`), columns));
  }
  return chalk.dim(cut(safe(`${name}: ${reasons}${target}`), columns));
}

function reasonsOf({ errors }: TopRow): string {
  const all = Object.entries(errors).map(([reason, count]) => `${count} ${reason}`);
  return all.length === 0 ? '' : `failed: ${all.join(', ')}; `;
}

/** The most that fits of it. */
function keysText(columns: number): string {
  const texts = [
    'sort: n name, c calls, e errors, l latency   ↑↓ select   Enter log   r reconnect   d disable/enable   ? help   q quit',
    'n/c/e/l sort  ↑↓ select  Enter log  r reconnect  d disable  ? help  q quit',
    'n/c/e/l sort  Enter log  ? help  q quit',
    '? help  q quit',
  ];
  return texts.find((text) => text.length <= columns) ?? texts.at(-1)!;
}

const help = [
  ['↑ ↓ PgUp PgDn Home End', 'select a server (also j k, space, g G)'],
  ['n c e l', 'sort by name, calls, errors, latency; again: turn round'],
  ['Enter', 'open the log of the server; q or ← comes back'],
  ['r', 'reconnect the server'],
  ['d', 'disable until the manager ends, or enable again'],
  ['Ctrl-L', 'draw everything anew'],
  ['q Esc', 'leave; Ctrl-C too, with exit code 130'],
  ['', ''],
  ['CALLS/S', 'calls of the last interval; CALLS, ERRORS: of all time'],
  ['P50 P95', 'of calls of the last 10 minutes; bars: P95 of 30 s each'],
  ['PING', 'the last round trip of a check'],
  ['POOL', 'connections in use/open, +calls that wait for one'],
  ['LOGIN', 'how long the login is valid; it is renewed before'],
] as const;

function helpLines({ columns, rows, color }: TopStyle): string[] {
  const chalk = paint(color);
  const keyWidth = columns >= 70 ? 24 : 10;
  const lines = help.map(([key, text]) => chalk.bold(fill(key, Math.min(keyWidth, columns))) + cut(text, columns - keyWidth));
  const end = chalk.dim(cut('any key comes back', columns));
  return rows >= lines.length + 2 ? [...lines, '', end] : [...lines.slice(0, Math.max(0, rows - 1)), end];
}

/** The end of the log, or what stands `scrolled` rows above it. */
function logLines(view: TopView, style: TopStyle, log: readonly LogLine[]): string[] {
  const { columns, rows, color, redact } = style;
  const chalk = paint(color);
  const shown = logPageSize(rows);
  const all = logRows(log, columns, redact);
  const scrolled = Math.min(view.scrolled, Math.max(0, all.length - shown));
  const end = all.length - scrolled;
  const name = sanitizeLine(redact(view.selected ?? ''), maxText);
  const where = scrolled === 0 ? 'following' : `${scrolled} rows above the end`;
  const title = chalk.bold(cut(`log of ${name}  (${where}, times in UTC)`, columns));
  const body = all.slice(Math.max(0, end - shown), end);
  if (rows < tiny) return [title, ...body];
  const filled = body.length === 0 ? [cut('Nothing has been logged yet.', columns)] : body;
  const bottom = chalk.dim(cut('↑↓ PgUp PgDn Home End scroll   q back', columns));
  return [title, ...filled, ...new Array<string>(Math.max(0, shown - filled.length)).fill(''), bottom];
}

/** Long lines go on in the next row. The rows of a line are worked out once for each width: a log is long, and keys come fast. */
export function logRows(log: readonly LogLine[], columns: number, redact: (text: string) => string): string[] {
  return log.flatMap((line) => {
    const known = wrapped.get(line);
    if (known?.columns === columns) return known.rows;
    const { at, kind, text } = line;
    const safe = sanitizeLine(redact(text), 8 * maxText);
    const rows = wrap(`${at.slice(11, 19)} ${kind === 'mcp' ? '[mcpctl] ' : ''}${safe}`, columns);
    wrapped.set(line, { columns, rows });
    return rows;
  });
}

const wrapped = new WeakMap<LogLine, { readonly columns: number; readonly rows: string[] }>();
