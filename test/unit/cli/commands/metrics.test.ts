/** `metrics` on terminals of all widths. */
import { describe, expect, it } from 'vitest';
import { text } from '../../../../src/cli/commands/metrics.js';
import { displayWidth } from '../../../../src/core/display-width.js';
import type { MetricsReport, ServerReport } from '../../../../src/observe/report.js';

const one = (server: string, calls: readonly number[]): ServerReport => ({
  ...{ server, calls: 412, success: 400, failed: 12, errorRate: 2.9, errors: { tool: 12 }, retries: 4 },
  ...{ latencyMs: { mean: 100, p50: 84, p95: 390, p99: 1100 }, connects: { success: 1, failed: 0 }, restarts: 0 },
  ...{ series: { spanMs: 3_600_000, calls }, tools: null },
});
const calls = [...Array<number>(20).fill(0), 1, 1, 2, 8];

function shown(columns: number, ...names: string[]): string[] {
  const servers = names.map((name) => one(name, calls));
  const data: MetricsReport = { from: 'manager', since: '2026-01-01T00:00:00Z', until: '2026-01-01T01:00:00Z', servers };
  const lines = text(data, { columns, color: false }, { format: 'table', reset: false }).split('\n');
  return lines.slice(0, lines.indexOf(''));
}

describe('the table of metrics', () => {
  it('has every column and 24 bars where there is room', () => {
    expect(shown(100, 'github')).toEqual([
      'SERVER  CALLS  FAILED  ERRORS    P50     P95    P99  RETRIES  LAST 1 H',
      'github    412      12   2.9 %  84 ms  390 ms  1.1 s        4  ····················▁▁▂█',
    ]);
  });

  it('has fewer bars, each for a longer time, then fewer columns, and fits into every width from 24 on', () => {
    expect(shown(80, 'github')[1]).toMatch(/ 4 {2}·{10}▂█$/);
    expect(shown(72, 'github')[1]).toMatch(/ 4 {2}·{6}▁█$/);
    expect(shown(50, 'github')[0]).toBe('SERVER  CALLS  FAILED  ERRORS    P50     P95');
    for (let columns = 24; columns <= 120; columns++) {
      const lines = shown(columns, 'github', 'a server with a name that is much too long');
      expect([columns, lines.length, Math.max(...lines.map(displayWidth)) <= columns]).toEqual([columns, 3, true]);
    }
  });
});
