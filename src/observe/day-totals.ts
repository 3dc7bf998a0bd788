/** What single commands count, added up in one file a day: `<state>/metrics/<day>.json`, by server and hour. All times are UTC. */

import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/clock.js';
import { readTextIfExists, writeFileAtomic } from '../io/atomic-file.js';
import { withFileLock } from '../io/file-lock.js';
import { ensureFolder } from '../io/folders.js';
import type { CountedEvent } from './counted-events.js';
import { sumUp } from './sum-up.js';
import { addTally, callsOf, newTally, type Tally, type ToolCounts, width } from './tally.js';
import { type Reading, type ServerReading, seriesLength, type TallySource } from './tally-source.js';
import { otherTools, toolLabelLimits } from './tool-labels.js';

const hourMs = 3_600_000;
/** This many days can be looked back on. */
const keptDays = 8;
const maxBytes = 16 * 1024 ** 2;
/** Nobody holds the lock for longer than one write. */
const lockTimeoutMs = 2000;

/** By server (see `serverKey`), then by hour of the day. */
type Day = Map<string, Map<number, Tally>>;

export interface DayTotalsOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly pid: number;
  /** The configuration file that defines a server: of two with one name, in two files, each counts on its own. */
  readonly fileOf: (server: string) => string | undefined;
  readonly redact: (text: string) => string;
}

export class DayTotals implements TallySource {
  readonly from = 'day';
  readonly startedAt = undefined;
  readonly #options: DayTotalsOptions;

  constructor(options: DayTotalsOptions) {
    this.#options = options;
  }

  /**
   * Adds what happened in one process, under a lock: of commands that end at the same time all count.
   *
   * @param connected servers that were connected before; those that connect are added
   * @throws the file system's errors; McpctlError `TIMEOUT` when the lock is not to be had
   */
  async add(events: readonly CountedEvent[], connected: Set<string>): Promise<void> {
    const counted = sumUp(events, connected, this.#options.redact);
    if (counted.size === 0) return;
    const now = this.#now();
    const hour = new Date(now).getUTCHours();
    await this.#change(now, (day) => {
      for (const [server, tally] of counted) {
        const key = this.#key(server);
        if (key === undefined) continue;
        let hours = day.get(key);
        if (!hours) {
          hours = new Map();
          day.set(key, hours);
        }
        const total = hours.get(hour) ?? newTally();
        addTally(total, tally);
        hours.set(hour, { row: total.row, tools: bounded(total.tools) });
      }
    });
  }

  async read(servers: readonly string[], sinceMs: number | undefined): Promise<Reading> {
    const until = this.#now();
    const midnight = new Date(until).setUTCHours(0, 0, 0, 0);
    // An hour is counted as a whole.
    const wanted = sinceMs === undefined ? midnight : Math.floor((until - sinceMs) / hourMs) * hourMs;
    const since = Math.max(wanted, midnight - (keptDays - 1) * 24 * hourMs);
    const days: [number, Day][] = [];
    for (let at = new Date(since).setUTCHours(0, 0, 0, 0); at <= until; at += 24 * hourMs) days.push([at, await this.#load(at)]);
    // Hours are whole here too, the one that has begun included.
    const end = Math.ceil((until + 1) / hourMs) * hourMs;
    const seriesMs = Math.max(end - since, seriesLength * hourMs);
    const partMs = seriesMs / seriesLength;
    const readings = new Map<string, ServerReading>();
    for (const server of servers) {
      const tally = newTally();
      const series: number[] = new Array(seriesLength).fill(0);
      const key = this.#key(server);
      for (const [start, day] of days) {
        for (const [hour, one] of (key !== undefined && day.get(key)) || []) {
          const at = start + hour * hourMs;
          if (at < since) continue;
          addTally(tally, one);
          const part = seriesLength - 1 - Math.floor((end - 1 - at) / partMs);
          series[Math.min(Math.max(part, 0), seriesLength - 1)]! += callsOf(one.row);
        }
      }
      readings.set(server, { tally, series });
    }
    return { since, until, seriesMs, servers: readings, hasTools: true };
  }

  /** Takes the servers out of the file of the day. */
  async reset(servers: readonly string[]): Promise<void> {
    await this.#change(this.#now(), (day) => {
      for (const server of servers) {
        const key = this.#key(server);
        if (key !== undefined) day.delete(key);
      }
    });
  }

  async totals(servers: readonly string[]): Promise<ReadonlyMap<string, Tally>> {
    const { servers: readings } = await this.read(servers, undefined);
    return new Map([...readings].map(([server, { tally }]) => [server, tally]));
  }

  async #change(now: number, change: (day: Day) => void): Promise<void> {
    const path = this.#path(now);
    const { clock, pid } = this.#options;
    await ensureFolder(this.#folder);
    let isFirst = false;
    await withFileLock(join(this.#folder, 'lock'), { clock, pid, timeoutMs: lockTimeoutMs }, async () => {
      const text = await readTextIfExists(path, { maxBytes }).catch(() => '');
      isFirst = text === undefined;
      const day = parse(text ?? '');
      change(day);
      await writeFileAtomic(path, format(day), { mode: 0o600, durable: false });
    });
    if (isFirst) await this.#removeOld(now);
  }

  async #removeOld(now: number): Promise<void> {
    const oldest = `${dayName(now - (keptDays - 1) * 24 * hourMs)}.json`;
    const old = (await readdir(this.#folder)).filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name) && name < oldest);
    await Promise.all(old.map((name) => rm(join(this.#folder, name), { force: true })));
  }

  /** A file that cannot be read, or is not ours, is a day without figures: it is written anew by the next command. */
  async #load(at: number): Promise<Day> {
    const text = await readTextIfExists(this.#path(at), { maxBytes }).catch(() => undefined);
    return parse(text ?? '');
  }

  get #folder(): string {
    return join(this.#options.stateDir, 'metrics');
  }

  #path(at: number): string {
    return join(this.#folder, `${dayName(at)}.json`);
  }

  #key(server: string): string | undefined {
    const file = this.#options.fileOf(server);
    return file === undefined ? undefined : serverKey(server, file);
  }

  #now(): number {
    return this.#options.clock.date().getTime();
  }
}

function serverKey(server: string, file: string): string {
  return `${server}-${createHash('sha256').update(`${file}\0${server}`).digest('hex').slice(0, 16)}`;
}

const dayName = (at: number) => new Date(at).toISOString().slice(0, 10);

/** Several processes may each bring tools of their own: together they stay within the bound. */
function bounded(tools: Map<string, ToolCounts>): Map<string, ToolCounts> {
  if (tools.size <= toolLabelLimits.perServer) return tools;
  const kept = new Map<string, ToolCounts>();
  const rest: ToolCounts = [0, 0];
  for (const [tool, counts] of tools) {
    if (kept.size < toolLabelLimits.perServer && tool !== otherTools) kept.set(tool, counts);
    else {
      rest[0] += counts[0];
      rest[1] += counts[1];
    }
  }
  return kept.set(otherTools, rest);
}

/** `{"version":1,"width":77,"servers":{"<key>":{"<hour>":{"row":[…],"tools":{"<name>":[successes, errors]}}}}}` */
function format(day: Day): string {
  const servers = Object.fromEntries(
    [...day].map(([key, hours]) => [
      key,
      Object.fromEntries(
        [...hours].map(([hour, { row, tools }]) => [hour, { row: Array.from(row), tools: Object.fromEntries(tools) }]),
      ),
    ]),
  );
  return `${JSON.stringify({ version: 1, width, servers })}\n`;
}

/** By hand, because every command that counted something reads it. */
function parse(text: string): Day {
  const day: Day = new Map();
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return day;
  }
  if (!isRecord(found) || found.version !== 1 || found.width !== width || !isRecord(found.servers)) return day;
  for (const [key, hours] of Object.entries(found.servers)) {
    if (!isRecord(hours)) continue;
    const own = new Map<number, Tally>();
    for (const [hour, one] of Object.entries(hours)) {
      if (!/^(1?\d|2[0-3])$/.test(hour) || !isRecord(one) || !isCounts(one.row, width) || !isRecord(one.tools)) continue;
      const tools = Object.entries(one.tools).filter(([, counts]) => isCounts(counts, 2)) as [string, ToolCounts][];
      own.set(Number(hour), { row: [...one.row], tools: new Map(tools) });
    }
    day.set(key, own);
  }
  return day;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCounts = (value: unknown, length: number): value is number[] =>
  Array.isArray(value) &&
  value.length === length &&
  value.every((one) => typeof one === 'number' && one >= 0 && one <= Number.MAX_SAFE_INTEGER);
