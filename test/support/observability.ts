/** The files of docs/observability as the tests need them: the rules one by one, the expressions of the dashboard, and what is named in an expression. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTime } from '../../src/observe/exposition.js';
import { families } from '../../src/observe/families.js';
import { root } from './doc-examples.js';

export const folder = join(root, 'docs', 'observability');
const read = (file: string) => readFileSync(join(folder, file), 'utf8');

export const alertsText = read('alerts.yml');
export const alertTestsText = read('alerts.test.yml');

export interface AlertRule {
  readonly name: string;
  readonly expr: string;
  readonly for: string;
  readonly severity: string;
  readonly summary: string;
  readonly description: string;
}

/** The rules of alerts.yml. It is written in one way, so that it can be read line by line; promtool reads it as YAML. */
export function alertRules(): AlertRule[] {
  const [, ...parts] = alertsText.replace(/^ *#.*\n/gm, '').split(/^ {6}- alert: /m);
  return parts.map((part) => {
    const field = (name: string) => new RegExp(`^ +${name}: ('?)(.+)\\1$`, 'm').exec(part)?.[2] ?? '';
    const block = /^ {8}expr: \|\n((?: {10}.*\n)+)/m.exec(part)?.[1];
    return {
      name: part.split('\n')[0]!,
      expr: block ?? field('expr'),
      for: field('for'),
      severity: field('severity'),
      summary: field('summary'),
      description: field('description'),
    };
  });
}

/** `alerts.yml` for a clock that runs 60 times as fast: whatever stands there in minutes is meant in seconds. */
export function hastenedAlerts(): string {
  return alertsText.replace(/(\[|\boffset |\bfor: )(\d+)m\b/g, '$1$2s');
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: { readonly type: string; readonly uid: string };
  }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { name: string; type: string; query: string | { query: string } }[] };
  readonly panels: readonly Panel[];
}

export const dashboard = JSON.parse(read('mcpctl-dashboard.json')) as Dashboard;

export interface PanelQuery {
  /** `<title>: <refId>`. */
  readonly where: string;
  readonly expr: string;
  readonly legend: string;
}

export function panelQueries(): PanelQuery[] {
  return dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr, legendFormat }) => ({ where: `${title}: ${refId}`, expr, legend: legendFormat })),
  );
}

/** An expression with the variables of Grafana filled in: everything, and ranges of `range`. */
export function filledIn(expr: string, range: string): string {
  return expr.replaceAll('$__rate_interval', range).replace(/\$(?:server|instance)\b/g, '.*');
}

/** What Prometheus adds to each series. */
const ofTarget = ['job', 'instance'];

/** Every series that can be asked for, and its labels: those of our exposition, and two of Prometheus itself. */
export function knownSeries(): ReadonlyMap<string, ReadonlySet<string>> {
  const known = new Map<string, ReadonlySet<string>>();
  for (const { name, type, labels = [] } of families(0)) {
    const all = ['server', ...labels, ...ofTarget];
    if (type !== 'histogram') known.set(name, new Set(all));
    else {
      known.set(`${name}_bucket`, new Set([...all, 'le']));
      for (const part of ['sum', 'count']) known.set(`${name}_${part}`, new Set(all));
    }
  }
  known.set(startTime.name, new Set(ofTarget));
  known.set('up', new Set(ofTarget));
  known.set('ALERTS', new Set(['alertname', 'alertstate', 'severity', 'server', ...ofTarget]));
  return known;
}

export interface Named {
  /** With the labels that its selector names. */
  readonly series: readonly { readonly name: string; readonly labels: readonly string[] }[];
  /** In `by (…)` and the like. */
  readonly grouping: readonly string[];
}

const words = /^(?:and|or|unless|by|without|on|ignoring|offset|bool|group_left|group_right)$/;

/** The series and labels that an expression names. Whatever is no operator, function, label or number counts as a series. */
export function namedIn(expr: string): Named {
  const series: { name: string; labels: string[] }[] = [];
  const grouping: string[] = [];
  const bare = expr
    .replace(/"[^"]*"/g, '""')
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g, (_, list: string) => {
      grouping.push(...list.split(',').flatMap((label) => label.trim() || []));
      return '';
    });
  for (const [, name, selector = '', call] of bare.matchAll(/(?<![\w:.])([a-zA-Z_:][\w:]*)(?:\{([^}]*)\})?(\s*\()?/g)) {
    if (call !== undefined || words.test(name!)) continue;
    series.push({ name: name!, labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!) });
  }
  return { series, grouping };
}

/** What an expression names that is not there, as one sentence each. */
export function strangersIn(expr: string, legend = ''): string[] {
  const known = knownSeries();
  const { series, grouping } = namedIn(expr);
  const problems: string[] = [];
  const labels = new Set<string>();
  for (const one of series) {
    const own = known.get(one.name);
    if (!own) problems.push(`no metric ${one.name}`);
    for (const label of own ?? []) labels.add(label);
    for (const label of one.labels) if (own && !own.has(label)) problems.push(`${one.name} has no label ${label}`);
  }
  const shown = [...legend.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, label]) => label!);
  for (const label of [...grouping, ...shown]) if (!labels.has(label)) problems.push(`nothing here has a label ${label}`);
  return problems;
}
