/** 10 000 tools, some with hostile names, all of them called: what Prometheus gets stays small, can be read, and counts every call. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { defaultMetrics } from '../../src/config/metrics-endpoint.js';
import { systemClock } from '../../src/core/clock.js';
import { HttpEndpoint } from '../../src/gateway/http.js';
import { Observation } from '../../src/observe/observation.js';
import { never, rig } from '../fixtures/http-rig.js';
import { needs } from '../support/needs.js';
import { tempHome } from '../support/temp-home.js';

const server = fileURLToPath(new URL('../fixtures/servers/hostile-tools.mjs', import.meta.url));
const tools = 10_000;

it('10 000 tools with hostile names that are called make at most 2000 series, and promtool can read them', {
  timeout: 90_000,
  ...needs('prometheus'),
}, async () => {
  await using home = await tempHome();
  await using it = await rig({ command: process.execPath, args: [server, `${tools}`] }, { longLived: true, home });
  const { manager } = it;
  await using observation = await new Observation({
    manager,
    stateDir: home.stateDir,
    clock: systemClock,
    pid: process.pid,
    fileOf: () => undefined,
    problem: () => null,
    redact: (text) => text,
    onWriteFailure: () => {},
  }).start();
  await it.connect();
  const list = await manager.listTools('it', never);
  expect(list.tools).toHaveLength(tools);
  const left = [...list.tools];
  const outcomes = { answered: 0, reported: 0 };
  const caller = async () => {
    for (let tool = left.shift(); tool; tool = left.shift()) {
      const { isError } = await manager.call({ server: 'it', tool, args: {}, signal: never });
      outcomes[isError ? 'reported' : 'answered']++;
    }
  };
  await Promise.all(Array.from({ length: 32 }, caller));
  expect(outcomes).toEqual({ answered: tools / 2, reported: tools / 2 });

  await using endpoint = await HttpEndpoint.open({
    options: { ...defaultMetrics, port: 0 },
    observation,
    redactor: { redact: (text) => text, redactData: (data) => data },
  });
  const bytes = Buffer.from(await (await fetch(`${endpoint.url}/metrics`)).arrayBuffer());
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: bytes, encoding: 'utf8' });
  expect([status, stdout, stderr]).toEqual([0, '', '']);

  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  expect(bytes.length).toBeLessThan(200_000);
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f\u200b\u202e]/);
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(series.length).toBeGreaterThan(400);
  expect(series.length).toBeLessThanOrEqual(2000);
  // Two lines with the same name and labels would make Prometheus refuse all of it.
  const names = series.map((line) => line.slice(0, line.lastIndexOf(' ')));
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);

  const byTool = series.filter((line) => line.startsWith('mcp_tool_executions_total{'));
  expect(byTool.length).toBeLessThanOrEqual(402);
  for (const label of byTool.map((line) => /tool_name="((?:[^"\\]|\\.)*)"/.exec(line)![1]!))
    expect(label.replace(/\\./g, '.').length).toBeLessThanOrEqual(128);
  const sum = byTool.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  expect(sum).toBe(tools);
  expect(text).toContain(`mcp_client_calls_total{server="it"} ${tools}\n`);
  expect(text).toContain(`mcp_client_errors_total{server="it",class="tool"} ${tools / 2}\n`);
});
