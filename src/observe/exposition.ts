/** The text that Prometheus reads (exposition format 0.0.4). */

import { type Family, families, type ServerSample, type Value } from './families.js';
import { bucketEnds, bucketsOf, column, sumColumn } from './tally.js';

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

export interface Exposition {
  /** Epoch milliseconds. */
  readonly at: number;
  /** When counting began; undefined for the figures of a day. */
  readonly startedAt: number | undefined;
  readonly samples: readonly ServerSample[];
}

/** Every family that has a value, in a fixed order. */
export function exposition({ at, startedAt, samples }: Exposition): string {
  const lines: string[] = [];
  for (const family of families(at)) {
    const values = samples.flatMap((sample) => linesOf(family, sample));
    if (values.length === 0) continue;
    lines.push(`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`, ...values);
  }
  if (startedAt !== undefined) {
    const { name, help } = startTime;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${startedAt / 1000}`);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** The one without a server. */
export const startTime = {
  name: 'mcpctl_start_time_seconds',
  help: 'When this manager began to count, in seconds since 1970.',
} as const;

function linesOf(family: Family, sample: ServerSample): string[] {
  const { server, tally } = sample;
  if (family.type !== 'histogram') {
    const found = family.values(sample);
    const values: readonly Value[] = typeof found === 'number' ? [{ value: found }] : (found ?? []);
    return values.map(({ labels, value }) => line(family.name, { server, ...labels }, value));
  }
  let total = 0;
  const buckets = bucketsOf(tally.row, family.histogram).map((count, index) => {
    total += count;
    return line(`${family.name}_bucket`, { server, le: String(bucketEnds[index] ?? '+Inf') }, total);
  });
  const seconds = tally.row[column[sumColumn[family.histogram]]]! / 1000;
  return [...buckets, line(`${family.name}_sum`, { server }, seconds), line(`${family.name}_count`, { server }, total)];
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}{${pairs.join(',')}} ${value}`;
}

/** What the format escapes in the value of a label. */
function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}
