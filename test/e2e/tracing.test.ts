/** Traces as users meet them: the environment of a command, what the collector gets, what it costs when it is not there, and no secret in it. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startHttpServer } from '../support/http-server.js';
import { startCollector, treeOf } from '../support/otlp-collector.js';
import { runCli, startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { errorOf, faultServer, homeWith } from './kit.js';
import { callArrived, managerIn } from './managed.js';

const fault = { fault: faultServer() };
const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const parent = { TRACEPARENT: `00-${traceId}-${spanId}-01`, TRACESTATE: 'vendor=1' };

describe('a single command', () => {
  it('is one trace, from the command to its requests, and goes on with the one it was started in', async () => {
    await using collector = await startCollector();
    await using home = await homeWith(fault);
    const { code, stdout, stderr } = await runCli(['call', 'fault/echo', 'text=hi'], {
      home,
      env: { ...collector.env, ...parent },
    });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'hi\n', stderr: '' });
    expect(treeOf(collector.spans())).toEqual([['mcpctl call', ['initialize', 'tools/list', 'tools/call echo']]]);
    for (const span of collector.spans()) expect(span).toMatchObject({ traceId, traceState: 'vendor=1' });
    expect(await collector.span('mcpctl call')).toMatchObject({ kind: 'internal', parentSpanId: spanId, isError: false });
    expect(collector.points().map(({ attributes }) => attributes['mcp.method.name'])).toEqual(
      expect.arrayContaining(['initialize', 'tools/list', 'tools/call']),
    );
  });

  it('that fails is a failed span, and its output is what it is without traces', async () => {
    await using collector = await startCollector();
    await using home = await homeWith(fault);
    const [plain, traced] = [
      await runCli(['call', 'fault/tool-error'], { home }),
      await runCli(['call', 'fault/tool-error'], { home, env: collector.env }),
    ];
    expect({ ...traced, ms: 0 }).toEqual({ ...plain, ms: 0 });
    expect(traced.code).toBe(5);
    expect(await collector.span('mcpctl call')).toMatchObject({ isError: true, attributes: { 'error.type': 'TOOL_ERROR' } });
  });

  it('that asks no server sends nothing', async () => {
    await using collector = await startCollector();
    await using home = await homeWith(fault);
    expect((await runCli(['servers'], { home, env: collector.env })).code).toBe(0);
    expect(collector.requests).toEqual([]);
  });

  it('prints nothing but its result and one warning when the collector is gone, and with --json no warning', async () => {
    await using gone = await startHttpServer(() => {});
    await gone[Symbol.asyncDispose]();
    await using home = await homeWith(fault);
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gone.url };
    const { code, stdout, stderr } = await runCli(['call', 'fault/echo', 'text=hi'], { home, env });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'hi\n' });
    expect(stderr).toMatch(/^warning: telemetry could not be sent to http:\/\/127\.0\.0\.1:\d+: [^\n]+; 4 spans are lost\n$/);
    const failed = await runCli(['call', 'fault/tool-error', '--json'], { home, env });
    expect(errorOf(failed).code).toBe('TOOL_ERROR');
  });

  it('ends within a few seconds at Ctrl-C while the collector hangs', async () => {
    await using collector = await startCollector(() => {});
    await using home = await homeWith(fault);
    await using cli = startCli(['call', 'fault/hang', 'said=arrived'], { home, env: collector.env });
    await callArrived(home, 'arrived');
    const startMs = performance.now();
    cli.kill('SIGINT');
    expect((await cli.exited).code).toBe(130);
    // 3 s is when the end is forced; the rest is for a busy machine.
    expect(performance.now() - startMs).toBeLessThan(8_000);
  });

  it('without a collector in its environment loads nothing for it; with one it does', async () => {
    await using collector = await startCollector();
    await using home = await homeWith(fault);
    const loaded = async (env: Record<string, string>) => {
      const folder = join(home.path, `coverage-${Math.random()}`);
      await mkdir(folder);
      const run = await runCli(['call', 'fault/echo', 'text=hi'], { home, env: { ...env, NODE_V8_COVERAGE: folder } });
      expect(run.code).toBe(0);
      const files = await readdir(folder);
      const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
      const urls = texts.flatMap((text) => (JSON.parse(text) as { result: { url: string }[] }).result.map(({ url }) => url));
      expect(urls.some((url) => url.endsWith('dist/program.cjs'))).toBe(true);
      return urls.filter((url) => /\/otlp|opentelemetry/i.test(url)).length;
    };
    expect(await loaded({})).toBe(0);
    expect(await loaded({ ...collector.env, OTEL_SDK_DISABLED: 'true' })).toBe(0);
    expect(await loaded({ OTEL_SERVICE_NAME: 'x', ...parent })).toBe(0);
    expect(await loaded(collector.env)).toBeGreaterThan(0);
  });
});

describe('a manager', () => {
  it('goes on with the trace of each command that asks it, and not with its own', async () => {
    await using collector = await startCollector();
    await using home = await homeWith(fault);
    const own = { ...collector.env, TRACEPARENT: '00-11111111111111111111111111111111-2222222222222222-01' };
    await using it = await managerIn(home, [], { env: own });
    await it.run('call fault/echo text=hi', { env: parent });
    const command = await collector.span('mcpctl call');
    const call = await collector.span('tools/call echo');
    expect(command).toMatchObject({ traceId, parentSpanId: spanId, traceState: 'vendor=1' });
    expect(call).toMatchObject({ traceId, parentSpanId: command.spanId });
    await it.run('call fault/echo text=hi', { env: {} });
    const other = await collector.span('mcpctl call', (span) => span.traceId !== traceId);
    expect(other.parentSpanId).toBeUndefined();
    const connect = await collector.span('initialize');
    expect([traceId, '1'.repeat(32)]).not.toContain(connect.traceId);
    expect((await it.run('down')).code).toBe(0);
    expect(new Set(collector.spans().map(({ resource }) => resource['service.instance.id'])).size).toBe(1);
  });

  it('in a REPL has a trace for each line', async () => {
    await using collector = await startCollector();
    await using home = await homeWith(fault);
    await using terminal = startTerminal([], { home, env: collector.env });
    await terminal.waitFor('1 server');
    terminal.type('call fault/echo text=first-line\r');
    await collector.span('tools/call echo');
    terminal.type('call fault/pid\r');
    await collector.span('tools/call pid');
    const [first, second] = [await collector.span('tools/call echo'), await collector.span('tools/call pid')];
    expect(first.traceId).not.toBe(second.traceId);
    const lines = collector.spans().filter(({ name }) => name === 'mcpctl call');
    expect(lines.map((span) => span.traceId)).toEqual([first.traceId, second.traceId]);
    terminal.type('/exit\r');
    expect((await terminal.exited).code).toBe(0);
  });
});

describe('what a collector gets', () => {
  const canary = (name: string) => `cnry-${name}-Zq7x9`;
  const planted = ['argument', 'result', 'header', 'query', 'env', 'said', 'password'].map(canary);

  it('has no argument, no result, no header, no query, no text of a server and no text of an error', async () => {
    await using collector = await startCollector();
    await using server = await startHttpServer((_, response) => void response.writeHead(500).end(canary('said')));
    await using home: TempHome = await homeWith({
      fault: { ...faultServer(), env: { API_TOKEN: canary('env') } },
      web: { url: `${server.url}/mcp?key=${canary('query')}`, headers: { 'x-key': canary('header') } },
    });
    const run = (line: string) => runCli(line.split(' '), { home, env: collector.env });
    expect((await run(`call fault/echo text=${canary('argument')}`)).stdout).toContain(canary('argument'));
    await run(`call fault/no-such-tool password=${canary('password')}`);
    await run(`call fault/exit stderr=${canary('result')}`);
    await run('call web/echo');
    await run('status');
    const sent = collector.requests.map(({ path, body }) => path + body).join('\n');
    expect(collector.spans().map(({ name }) => name)).toEqual(
      expect.arrayContaining(['tools/call echo', 'tools/call exit', 'mcpctl status']),
    );
    expect(
      collector.spans().filter(({ attributes }) => attributes['mcpctl.server'] === 'web' && attributes['error.type']),
    ).not.toEqual([]);
    for (const word of planted) expect(sent).not.toContain(word);
  });
});
