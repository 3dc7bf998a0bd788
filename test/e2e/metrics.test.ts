/** Figures and health as users, scripts and Prometheus meet them: the commands, the files of the day, and the endpoint with its guards. */
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HealthReport } from '../../src/observe/health.js';
import type { MetricsReport } from '../../src/observe/report.js';
import { needs } from '../support/needs.js';
import { runCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, faultServer, homeWith } from './kit.js';
import { managerIn } from './managed.js';

const fault = { fault: faultServer() };
const one =
  (home: TempHome) =>
  (line: string, more: object = {}) =>
    runCli(line.split(' '), { home, ...more });
const figures = async (run: (line: string) => ReturnType<typeof runCli>, line = 'metrics --json') =>
  documentOf(await run(line)) as MetricsReport;
const dayFiles = ({ stateDir }: TempHome) => readdir(join(stateDir, 'metrics')).catch(() => []);

describe('metrics of single commands', () => {
  it('counts all of 12 commands that end at the same time, and those of a script with the lines before it', async () => {
    await using home = await homeWith(fault);
    const run = one(home);
    await run('tools fault');
    await Promise.all(Array.from({ length: 12 }, (_, i) => run(i < 9 ? 'call fault/echo text=hi' : 'call fault/tool-error')));
    const { from, servers } = await figures(run);
    expect(from).toBe('day');
    expect(servers).toHaveLength(1);
    expect(servers[0]).toMatchObject({ server: 'fault', calls: 12, success: 9, failed: 3, errorRate: 25, errors: { tool: 3 } });
    expect(servers[0]!.connects.success).toBe(13);
    expect(servers[0]!.series.calls.reduce((sum, count) => sum + count)).toBe(12);
    const script = await runCli(['--keep-going'], { home, input: 'call fault/echo text=1\nmetrics --json\n' });
    expect((JSON.parse(script.stdout.slice(script.stdout.indexOf('{'))) as MetricsReport).servers[0]!.calls).toBe(13);
    const { stdout } = await run('metrics fault');
    expect(stdout).toMatch(/^fault +13 +3 +23\.1 % +\S+ m?s +\S+ m?s +\S+ m?s +0 {2}·*█$/m);
    expect(stdout).toMatch(/^failed: 3 tool$/m);
    expect(stdout).toMatch(/^echo +10 +0$/m);
  });

  it('begins anew with --reset, and with a file that is broken; a folder that cannot be is one warning', async () => {
    await using home = await homeWith(fault);
    const run = one(home);
    await run('call fault/echo text=hi');
    expect((await figures(run, 'metrics --reset --json')).servers[0]!.calls).toBe(1);
    expect((await figures(run)).servers[0]!.calls).toBe(0);
    const [file] = (await dayFiles(home)).filter((name) => name.endsWith('.json'));
    const path = join(home.stateDir, 'metrics', file!);
    for (const text of ['{"version":1,"wid', '[]', '{"version":1,"width":77,"servers":{"x":{"0":{"row":["1"]}}}}']) {
      await writeFile(path, text);
      expect((await figures(run)).servers[0]!.calls).toBe(0);
      await run('call fault/echo text=hi');
      expect((await figures(run)).servers[0]!.calls).toBe(1);
      expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ version: 1 });
    }
    await using other = await homeWith(fault);
    await mkdir(other.stateDir, { recursive: true });
    await writeFile(join(other.stateDir, 'metrics'), '');
    const result = await one(other)('call fault/echo text=hi');
    expect(result).toMatchObject({ code: 0, stdout: 'hi\n' });
    expect(result.stderr).toMatch(/^warning: cannot write to .+\n$/);
    expect((await one(other)('metrics')).code).toBe(0);
  });

  it('refuses a time of 0, and --since for Prometheus, and a server that does not exist', async () => {
    await using home = await homeWith(fault);
    for (const line of [
      'metrics --since 0s',
      'metrics --since 1h --format prometheus',
      'metrics --format xml',
      'metrics --since 5',
    ])
      expect(errorOf(await one(home)(`${line} --json`)).code).toBe('USAGE');
    expect(errorOf(await one(home)('metrics nope --json')).code).toBe('UNKNOWN_SERVER');
  });
});

describe('health', () => {
  it('is degraded with one of two servers gone, and unhealthy with exit code 4 without any, in one shot and beside a manager', async () => {
    const gone = { command: '/nowhere/at-all' };
    await using home = await homeWith({ ...fault, gone, off: { ...gone, enabled: false } }, { metrics: { enabled: false } });
    const alone = await one(home)('health --json');
    expect(alone.code).toBe(0);
    const report = documentOf(alone) as HealthReport;
    expect(report).toMatchObject({ status: 'degraded', ready: true, endpoint: null });
    expect(report.components.map(({ name, status }) => [name, status])).toEqual([
      [null, 'healthy'],
      ['fault', 'healthy'],
      ['gone', 'unhealthy'],
    ]);
    expect(report.components[2]!.reasons.join()).toContain('/nowhere/at-all');
    expect((await one(home)('health')).stdout).toMatch(/^degraded\n\nCOMPONENT +HEALTH\n/);

    await using it = await managerIn(await homeWith({ gone }, { metrics: { enabled: false } }));
    await waitFor(async () => (await it.run('health --json')).code === 4);
    const beside = await it.run('health --json');
    expect(documentOf(beside)).toMatchObject({ status: 'unhealthy', ready: false, endpoint: null });
    expect(errorOf(beside).code).toBe('UNAVAILABLE');
  });
});

/** A manager whose endpoint has a port of its own. */
async function offered(metrics: object = {}, env: Record<string, string> = {}) {
  const it = await managerIn(await homeWith(fault, { metrics: { port: 0, ...metrics } }), [], { env });
  const { endpoint } = documentOf(await it.run('health --json')) as HealthReport;
  const { port } = new URL(endpoint!);
  /** Sends what no client would, and returns the status. */
  const raw = (text: string) =>
    new Promise<number>((resolve, reject) => {
      let answer = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(text.replaceAll('\n', '\r\n')));
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        answer += chunk;
      });
      socket.on('error', reject).on('close', () => resolve(Number(answer.split(' ')[1])));
    });
  return { ...it, url: endpoint!, port, raw, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() };
}

/** A server over stdio whose one tool is called like the token it was given. */
const serverWithTool = `
import { createInterface } from 'node:readline';
const answers = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'it', version: '1' } },
  'tools/list': { tools: [{ name: process.env.API_TOKEN, inputSchema: { type: 'object' } }] },
  'tools/call': { content: [] },
};
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method] ?? {} }) + '\\n');
});
`;

const paths = ['/metrics', '/health', '/health/live', '/health/ready'];

describe('the endpoint of up', () => {
  it('has the figures and the health that the commands show', async () => {
    await using it = await offered();
    await it.run('call fault/echo text=hi');
    await it.run('call fault/tool-error');
    const text = await (await fetch(`${it.url}/metrics`)).text();
    expect(text).toContain('mcp_client_calls_total{server="fault"} 2\n');
    expect(text).toContain('mcp_tool_executions_total{server="fault",tool_name="echo",status="success"} 1\n');
    expect(text).toContain('mcp_server_up{server="fault"} 1\n');
    for (const way of ['sent', 'received'])
      expect(text).toMatch(new RegExp(`^mcp_client_${way}_bytes_total\\{server="fault"\\} [1-9]\\d{2,}$`, 'm'));
    const names = (exposition: string) => [...exposition.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    expect(names((await it.run('metrics --format prometheus')).stdout)).toEqual(names(text));
    const { checkedAt: _, ...health } = (await (await fetch(`${it.url}/health`)).json()) as HealthReport;
    expect(health).toMatchObject({ status: 'healthy', ready: true });
    expect(documentOf(await it.run('health --json'))).toMatchObject(health);
    expect(await (await fetch(`${it.url}/health/live`)).json()).toEqual({ status: 'alive' });
    expect((await fetch(`${it.url}/health/ready`)).status).toBe(200);
    expect((await figures(it.run)).servers[0]).toMatchObject({ calls: 2, failed: 1 });
    expect((await figures(it.run, 'metrics --since 5m --reset --json')).servers[0]).toMatchObject({ calls: 2, tools: null });
    expect((await figures(it.run)).servers[0]!.calls).toBe(0);
    expect(await (await fetch(`${it.url}/metrics`)).text()).toContain('mcp_client_calls_total{server="fault"} 2\n');
  });

  it('and the files of the day tell no secret that a server calls its tool by, and passwords that are common words spoil nothing', async () => {
    await using home = await tempHome();
    const script = await home.write('server.mjs', serverWithTool);
    const env = { API_TOKEN: 'a-t0ken-of-somebody', PASSWORD: 'counter' };
    await home.writeConfig({ mcpServers: { it: { command: process.execPath, args: [script], env } }, metrics: { port: 0 } });
    const run = one(home);
    for (const isUp of [false, true]) {
      await using manager = isUp ? await managerIn(home) : undefined;
      expect((await runCli(['call', 'it', env.API_TOKEN], { home })).code).toBe(0);
      const { stdout } = await run('metrics --format prometheus');
      expect(stdout).toContain('mcp_tool_executions_total{server="it",tool_name="[redacted]",status="success"} 1\n');
      expect(stdout).toContain('# TYPE mcp_client_calls_total counter\n');
      if (!manager) continue;
      const { endpoint } = documentOf(await run('health --json')) as HealthReport;
      const text = await (await fetch(`${endpoint}/metrics`)).text();
      expect(text).toContain('{server="it",tool_name="[redacted]",status="success"} 1\n');
      expect(text).not.toContain(env.API_TOKEN);
    }
    for (const file of await dayFiles(home))
      expect(await readFile(join(home.stateDir, 'metrics', file), 'utf8')).not.toContain(env.API_TOKEN);
  });

  it('passes promtool check metrics', needs('prometheus'), async () => {
    await using it = await offered();
    await it.run('call fault/echo text=hi');
    const input = await (await fetch(`${it.url}/metrics`)).text();
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  });

  it('refuses pages in browsers, foreign names, two names, full addresses, and everything but reading', async () => {
    await using it = await offered();
    const { raw, port } = it;
    const get = (headers: string, target = '/metrics') => raw(`GET ${target} HTTP/1.1\n${headers}Connection: close\n\n`);
    const host = `Host: 127.0.0.1:${port}\n`;
    for (const path of paths) {
      expect(await get(host, path)).toBe(200);
      expect(await get('Host: evil.test\n', path)).toBe(403);
      expect(await get(`${host}Origin: null\n`, path)).toBe(403);
    }
    for (const name of ['127.0.0.1.nip.io', 'localhost.evil.test', '127.0.0.1@evil.test', '[::1', '0.0.0.0', 'evil.test:80'])
      expect([name, await get(`Host: ${name}\n`)]).toEqual([name, 403]);
    for (const name of ['localhost', 'LOCALHOST:1', '[::1]:9090', '127.0.0.1']) expect(await get(`Host: ${name}\n`)).toBe(200);
    expect(await get(`${host}Host: evil.test\n`)).toBe(400);
    expect(await get('')).toBe(400);
    expect(await get(host, `http://127.0.0.1:${port}/metrics`)).toBe(400);
    expect(await get(`${host}Origin: http://evil.test\n`)).toBe(403);
    expect(await get(`${host}Origin: http://127.0.0.1:${port}\n`)).toBe(403);
    expect(await get(`${host}Sec-Fetch-Site: cross-site\n`)).toBe(403);
    expect(await get(host, '/nope')).toBe(404);
    expect(await raw(`POST /metrics HTTP/1.1\n${host}Content-Length: 2\nConnection: close\n\n{}`)).toBe(405);
    expect(await raw(`OPTIONS /metrics HTTP/1.1\n${host}Connection: close\n\n`)).toBe(405);
    const answer = await fetch(`${it.url}/health`);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('with a token wants it for every path, and tells it to nobody', async () => {
    const token = 'a-token-of-24-characters';
    await using it = await offered({ host: '0.0.0.0', token: '${FIGURES_TOKEN}' }, { FIGURES_TOKEN: token });
    const at = (path: string, authorization?: string) =>
      fetch(`http://127.0.0.1:${it.port}${path}`, authorization === undefined ? {} : { headers: { authorization } });
    for (const path of [...paths, '/nope']) {
      for (const wrong of [undefined, 'Bearer', `Bearer ${token}x`, `Basic ${token}`, token])
        expect((await at(path, wrong)).status).toBe(401);
    }
    for (const path of paths) expect((await at(path, `Bearer ${token}`)).status).toBe(200);
    expect((await it.run('config show --json')).stdout).not.toContain(token);
    expect(await readFile(it.up.log, 'utf8')).not.toContain(token);
  });

  it('is refused on an address that others reach without a token, and with a token that is not there', async () => {
    await using open = await homeWith(fault, { metrics: { host: '0.0.0.0', port: 0 } });
    const refused = errorOf(await one(open)('up --json'));
    expect(refused.code).toBe('CONFIG_INVALID');
    expect(refused.message).toContain('metrics.host: can be reached from other machines, so it needs "token" beside it');
    await using missing = await homeWith(fault, { metrics: { host: '0.0.0.0', port: 0, token: '${NOT_THERE}' } });
    expect(errorOf(await one(missing)('up --json')).message).toContain('NOT_THERE');
    // Nobody else needs it.
    expect((await one(missing)('call fault/echo text=hi')).code).toBe(0);
  });

  it('keeps up from starting when its port is taken, and is one warning in a REPL', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await waitFor(() => blocker.listening);
    const { port } = blocker.address() as { port: number };
    try {
      await using home = await homeWith(fault, { metrics: { enabled: true, port } });
      const error = errorOf(await one(home)('up --json'));
      expect(error).toMatchObject({ code: 'UNAVAILABLE', hint: expect.stringContaining('"port"') });
      expect(error.message).toContain(`127.0.0.1:${port} is taken by another program`);
      await using terminal = startTerminal([], { home });
      await terminal.waitFor(`127.0.0.1:${port} is taken`);
      terminal.type('call fault/echo text=still-here\r');
      await terminal.waitFor(/^still-here/m);
    } finally {
      blocker.close();
    }
  });

  it('is not there with enabled: false, nor of a REPL that nobody asked for it', async () => {
    await using it = await managerIn(await homeWith(fault, { metrics: { enabled: false } }));
    expect(documentOf(await it.run('health --json'))).toMatchObject({ endpoint: null });
    await using home = await homeWith(fault, { metrics: { port: 0 } });
    await using session = startTerminal([], { home });
    await session.waitFor('mcp');
    await waitFor(async () => (documentOf(await one(home)('health --json')) as HealthReport).status === 'healthy');
    expect(documentOf(await one(home)('health --json'))).toMatchObject({ endpoint: null });
  });
});
