/** Alert rules and dashboard in docs/observability: well formed, about metrics that exist, and each alert fires when it should and only then. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { registry } from '../src/cli/registry.js';
import { root } from './support/doc-examples.js';
import { needs } from './support/needs.js';
import {
  alertRules,
  alertsText,
  alertTestsText,
  dashboard,
  filledIn,
  folder,
  hastenedAlerts,
  knownSeries,
  namedIn,
  panelQueries,
  strangersIn,
} from './support/observability.js';

function promtool(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: folder, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

/** What promtool says of these rules; they may be JSON. */
function checkRules(text: string): { status: number | null; output: string } {
  const path = mkdtempSync(join(tmpdir(), 'mcpctl-rules-'));
  try {
    const file = join(path, 'rules.yml');
    writeFileSync(file, text);
    return promtool('check', 'rules', file);
  } finally {
    rmSync(path, { recursive: true });
  }
}

describe('the alert rules', () => {
  const rules = alertRules();

  it('are one for each thing that an operator wants to hear of', () => {
    expect(rules.map(({ name }) => name)).toEqual([
      'McpctlDown',
      'McpServerDown',
      'McpHighErrorRate',
      'McpLowCacheHitRate',
      'McpPoolExhausted',
      'McpBreakerFlapping',
      'McpLoginExpiring',
    ]);
    expect(alertsText.match(/\balert:/g)).toHaveLength(rules.length);
  });

  it('pass promtool check rules', needs('prometheus'), () => {
    expect(promtool('check', 'rules', 'alerts.yml')).toMatchObject({
      status: 0,
      output: expect.stringContaining(`SUCCESS: ${rules.length} rules found`),
    });
  });

  it('pass promtool test rules', needs('prometheus'), () => {
    expect(promtool('test', 'rules', 'alerts.test.yml')).toMatchObject({ status: 0, output: expect.stringContaining('SUCCESS') });
  });

  it.each(rules)('$name has a severity, a time to wait, a summary, and the next command, which exists', (rule) => {
    expect(rule.for).toMatch(/^\d+m$/);
    expect(['critical', 'warning', 'info']).toContain(rule.severity);
    expect(rule.summary).toMatch(/\{\{ \$labels\.(?:server|instance) \}\}/);
    const [, next] = /Next: (mcpctl .+)$/.exec(rule.description)!;
    const commands = [...next!.matchAll(/mcpctl ([\w-]+)/g)].map(([, command]) => command);
    expect(registry.map(({ name }) => name)).toEqual(expect.arrayContaining(commands));
  });

  it.each(rules)('$name is tested to fire, and not to fire', ({ name }) => {
    expect(alertTestsText).toMatch(new RegExp(`alertname: ${name}\\n +exp_alerts:`));
    expect(alertTestsText).toMatch(new RegExp(`alertname: ${name} \\}`));
  });

  it.each(rules)('$name names only metrics and labels that exist', ({ expr }) => {
    expect(namedIn(expr).series.length).toBeGreaterThan(0);
    expect(strangersIn(expr)).toEqual([]);
  });

  it('are those of a clock 60 times as fast once every minute is a second', needs('prometheus'), () => {
    const hastened = hastenedAlerts();
    expect(hastened.replace(/^ *#.*\n|description:.*|summary:.*/gm, '')).not.toMatch(/\b\d+m\b/);
    expect(checkRules(hastened)).toMatchObject({ status: 0 });
  });
});

describe('docs/observability.md', () => {
  it('lists every alert with the severity it has, in the order of the file', () => {
    const page = readFileSync(join(root, 'docs', 'observability.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name, severity]) => [name, severity]);
    expect(rows).toEqual(alertRules().map(({ name, severity }) => [name, severity]));
  });
});

describe('the dashboard', () => {
  const { panels, templating } = dashboard;
  const queries = panelQueries();

  it('has a row for each part, and a panel below each', () => {
    const rows = panels.filter(({ type }) => type === 'row');
    expect(rows.map(({ title }) => title)).toEqual([
      'Overview',
      'Errors by class',
      'Tools',
      'Connections and pool',
      'Circuit breaker',
      'Caches',
      'Logins',
      'Traffic',
    ]);
    for (const row of rows) expect(panels[panels.indexOf(row) + 1]?.type).not.toMatch(/^(row|undefined)$/);
    for (const quantile of ['0.5', '0.95', '0.99'])
      expect(queries.some(({ expr }) => expr.startsWith(`histogram_quantile(${quantile}, sum by (le, server)`))).toBe(true);
  });

  it('has panels with ids and titles of their own, inside a grid of 24 columns, that do not overlap', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      const { x, y, w, h } = gridPos;
      expect([title, x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 24]).toEqual([title, true]);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          expect([title, taken.get(`${column} ${line}`)]).toEqual([title, undefined]);
          taken.set(`${column} ${line}`, title);
        }
      }
    }
  });

  it('asks the data source that is chosen, and uses no variable that is not there', () => {
    const variables = templating.list.map(({ name, type }) => [name, type]);
    expect(variables).toEqual([
      ['datasource', 'datasource'],
      ['instance', 'query'],
      ['server', 'query'],
    ]);
    for (const { type, datasource, targets = [] } of panels) {
      if (type === 'row') continue;
      expect(targets.length).toBeGreaterThan(0);
      for (const source of [datasource, ...targets.map((target) => target.datasource)])
        expect(source).toEqual({ type: 'prometheus', uid: '${datasource}' });
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    }
    const names = new Set(['__rate_interval', ...templating.list.map(({ name }) => name)]);
    const text = readFileSync(join(folder, 'mcpctl-dashboard.json'), 'utf8');
    const used = [...text.matchAll(/\$\{?(\w+)\}?/g)].map(([, name]) => name!);
    expect(used.filter((name) => !names.has(name) && name !== '__all')).toEqual([]);
  });

  it.each(queries)('$where names only metrics and labels that exist', ({ expr, legend }) => {
    expect(namedIn(expr).series.length).toBeGreaterThan(0);
    expect(strangersIn(expr, legend)).toEqual([]);
  });

  it('fills its variables from metrics and labels that exist', () => {
    for (const { type, query } of templating.list) {
      if (type !== 'query' || typeof query === 'string') continue;
      const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(query.query)!;
      expect(strangersIn(selector!, `{{${label}}}`)).toEqual([]);
    }
  });

  it('has only expressions that Prometheus can read', needs('prometheus'), () => {
    const rules = queries.map(({ expr }, index) => ({ record: `panel:${index}`, expr: filledIn(expr, '1m') }));
    expect(JSON.stringify(rules)).not.toContain('$');
    expect(checkRules(JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))).toMatchObject({
      status: 0,
      output: expect.stringContaining(`SUCCESS: ${queries.length} rules found`),
    });
  });

  it('shows every metric of ours but other names of one that it shows, rates since the start, and what alone says little', () => {
    const shown = new Set(
      [...queries, ...alertRules()].flatMap(({ expr }) => namedIn(expr).series.map(({ name }) => name.replace(/_bucket$/, ''))),
    );
    const rest = [...knownSeries().keys()].filter((name) => !/_(bucket|sum|count)$/.test(name) && !shown.has(name));
    expect(rest).toEqual([
      'mcp_client_calls_success_total',
      'mcp_client_calls_success',
      'mcp_client_calls_failed_total',
      'mcp_client_calls_failed',
      'mcp_client_error_rate',
      'mcp_client_connected',
      'mcp_client_discoveries_total',
      'mcp_cache_hit_rate',
      'mcp_connection_pool_size',
      'mcp_pool_connections_total',
      'mcp_pool_connections_acquired_total',
      'mcp_pool_connections_released_total',
      'mcp_pool_wait_duration_seconds',
      'mcp_circuit_breaker_state_changes',
      'mcp_circuit_breaker_failure_rate',
    ]);
  });
});

describe('what is named in an expression', () => {
  it('is found: series with their labels, labels of groups, and what does not exist', () => {
    const expr =
      'sum by (server, nope) (rate(mcp_cache_hits_total{server=~"a|mcp_x",tool_name!="b"}[5m])) / wrong_total offset 1m and 2e3';
    expect(namedIn(expr)).toEqual({
      series: [
        { name: 'mcp_cache_hits_total', labels: ['server', 'tool_name'] },
        { name: 'wrong_total', labels: [] },
      ],
      grouping: ['server', 'nope'],
    });
    expect(strangersIn(expr, '{{server}} {{other}}')).toEqual([
      'mcp_cache_hits_total has no label tool_name',
      'no metric wrong_total',
      'nothing here has a label nope',
      'nothing here has a label other',
    ]);
  });
});
