/** What happened in a soak, in order, and what of it must not have: the invariants that need more than one process to see. */
import type { Report } from './manager-process.js';

/** Lines kept; those before a violation are what one wants to read. */
const keptLines = 400;
/** A trusted tool runs once for each try at most. */
const maxTries = 3;

type End = Extract<Report, { type: 'end' }>;

export class Ledger {
  readonly violations: string[] = [];
  readonly outcomes: Record<string, number> = {};
  readonly heapBytes: number[] = [];
  /** Keys of calls to how often they ran. */
  readonly #executions = new Map<string, number>();
  /** Calls of which was said that they did not run, and those that were answered. */
  readonly #undelivered = new Set<string>();
  #answered: End[] = [];
  #lines: string[] = [];
  /** The history up to the first violation and a little beyond. */
  #told: string[] | undefined;
  readonly #startedAt = performance.now();

  constructor(readonly trusted: ReadonlySet<string>) {}

  note(text: string): void {
    this.#lines.push(`${((performance.now() - this.#startedAt) / 1000).toFixed(3).padStart(9)} s  ${text}`);
    if (this.#lines.length > 2 * keptLines) this.#lines = this.#lines.slice(-keptLines);
  }

  violate(invariant: string, text: string): void {
    this.note(`!!! ${invariant}: ${text}`);
    this.violations.push(`${invariant}: ${text}`);
    this.#told ??= this.#lines;
  }

  /** Takes note of what the process says. */
  hear(report: Report): void {
    if (report.type === 'call')
      this.note(`${report.what} begins (${report.timeoutMs} ms${report.isReady ? '' : ', not connected'})`);
    else if (report.type === 'end') this.#ended(report);
    else if (report.type === 'event') this.note(report.text);
    else if (report.type === 'violation') this.violate(report.invariant, report.text);
    else if (report.type === 'memory') this.heapBytes.push(report.heapBytes);
    else this.note(JSON.stringify(report));
  }

  #ended(end: End): void {
    const { server, tool, key, ms, outcome, delivered, why } = end;
    const told = [outcome, ...(delivered ? [`delivered: ${delivered}`] : []), ...(why ? [why] : [])].join(', ');
    this.note(`${server}/${tool} ${key} ended after ${ms} ms: ${told}`);
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
    if (tool !== 'record' && tool !== 'leak' && tool !== 'die') return;
    if (delivered === 'no') {
      this.#undelivered.add(key);
      if (this.#executions.has(key)) this.violate('I3', `${server}/${tool} ${key} ran, and the caller is told that it did not`);
    }
    if (outcome === 'ok') this.#answered.push(end);
  }

  /** @param lines `<server> <key>` each */
  executed(lines: readonly string[]): void {
    for (const line of lines) {
      const [server = '', key = ''] = line.split(' ');
      const times = (this.#executions.get(key) ?? 0) + 1;
      this.#executions.set(key, times);
      if (times > (this.trusted.has(server) ? maxTries : 1)) this.violate('I3', `${server} ran ${key} ${times} times`);
      if (this.#undelivered.has(key)) this.violate('I3', `${server} ran ${key}, and the caller is told that it did not`);
    }
    // Written before they were answered, so they stand there by now.
    for (const { server, tool, key } of this.#answered)
      if (!this.#executions.has(key)) this.violate('I3', `${server}/${tool} ${key} was answered and never ran`);
    this.#answered = [];
  }

  get executions(): number {
    return this.#executions.size;
  }

  /** Invariant 5: what is in use after a collection, in bytes: the median of the last third of the run less that of the first third. */
  heapGrowth(): number {
    const third = Math.floor(this.heapBytes.length / 3);
    return third === 0 ? 0 : median(this.heapBytes.slice(-third)) - median(this.heapBytes.slice(0, third));
  }

  history(): string {
    return (this.#told ?? this.#lines).slice(-keptLines).join('\n');
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
