/** Spans of a real manager with real servers, at a collector: what hangs together, how each way to end looks, what travels in `_meta`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { cancelled } from '../../src/core/errors.js';
import { Redactor } from '../../src/core/redact.js';
import { Otlp } from '../../src/observe/otlp/otlp.js';
import { openTelemetry } from '../../src/observe/telemetry.js';
import { faultServer } from '../e2e/kit.js';
import { failure, type Rig, rig, startFixture } from '../fixtures/http-rig.js';
import { startHttpServer } from '../support/http-server.js';
import { noLeftovers } from '../support/no-leftovers.js';
import { startCollector, treeOf } from '../support/otlp-collector.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const { env } = noLeftovers();

/** A manager with one server, `it`, and what came to the collector; `end` closes both as the program does. */
async function traced(definition: Record<string, unknown>, { more = {}, longLived = false, answer, home }: Options = {}) {
  const collector = await startCollector(answer);
  const warnings: string[] = [];
  const telemetry = Otlp.open({
    env: { ...collector.env, ...more },
    clock: systemClock,
    redactor: new Redactor(),
    version: '0.0.0-test',
    longLived,
    onWarning: (message) => warnings.push(message),
  });
  const own: Rig = await rig(definition, { env, longLived, tracer: telemetry.tracer, ...(home && { home }) });
  let ended: Promise<void> | undefined;
  const end = () =>
    (ended ??= (async () => {
      await own[Symbol.asyncDispose]();
      await telemetry[Symbol.asyncDispose]();
    })());
  return {
    ...own,
    collector,
    warnings,
    end,
    async [Symbol.asyncDispose]() {
      await end();
      await collector[Symbol.asyncDispose]();
    },
  };
}
interface Options {
  readonly more?: Record<string, string>;
  readonly longLived?: boolean;
  readonly answer?: Parameters<typeof startCollector>[0];
  readonly home?: TempHome;
}

const never = { circuitBreaker: { maxFailures: 1000, failureRateThreshold: 100 } };
const quick = { retry: { strategy: 'linear', baseDelay: '5ms', maxDelay: '5ms', maxAttempts: 3, jitter: 0 }, ...never };

describe('a call', () => {
  it('over stdio is one client span, with the connection as its child, and names what the conventions ask for', async () => {
    await using it = await traced(faultServer());
    await it.call('echo', { text: 'the argument' });
    await it.end();
    const spans = it.collector.spans();
    expect(treeOf(spans)).toEqual([['tools/call echo', ['initialize']]]);
    const [call, connect] = ['tools/call echo', 'initialize'].map((name) => spans.find((span) => span.name === name)!);
    expect(call).toMatchObject({
      kind: 'client',
      isError: false,
      resource: { 'service.name': 'mcpctl', 'service.version': '0.0.0-test' },
      attributes: {
        'mcp.method.name': 'tools/call',
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'echo',
        'mcp.protocol.version': expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
        'network.transport': 'pipe',
        'jsonrpc.request.id': expect.stringMatching(/^\d+$/),
        'mcpctl.server': 'it',
        'mcpctl.attempts': 1,
        'mcpctl.call.id': expect.stringMatching(/^[a-z2-7]{12}$/),
      },
      events: [{ name: 'attempt', attributes: { 'mcpctl.attempt': 1 } }],
    });
    expect(Object.keys(call!.attributes)).toHaveLength(9);
    expect(connect).toMatchObject({
      kind: 'client',
      attributes: { 'mcp.method.name': 'initialize', 'network.transport': 'pipe', 'mcpctl.server': 'it' },
    });
    expect(JSON.stringify(it.collector.requests)).not.toContain('the argument');
  });

  it('over HTTP tells host and port, and nothing of the session', async () => {
    await using server = await startFixture('http-fault');
    await using it = await traced({
      url: `${server.url}?key=the-query-key`,
      type: 'http',
      headers: { 'x-key': 'the-header-key' },
    });
    await it.call('echo', { message: 'hi' });
    await it.end();
    const port = Number(new URL(server.url).port);
    expect(await it.collector.span('tools/call echo')).toMatchObject({
      attributes: {
        'network.transport': 'tcp',
        'network.protocol.name': 'http',
        'server.address': '127.0.0.1',
        'server.port': port,
      },
    });
    expect(JSON.stringify(it.collector.requests)).not.toMatch(/the-session|the-query-key|the-header-key|mcp\.session/);
  });

  it('that is sent away twice and then runs is one span with its tries as events', async () => {
    await using server = await startFixture('http-fault');
    await using it = await traced({ url: server.url, type: 'http', ...quick });
    await it.connect();
    await server.do({ gate: { times: 2, status: 429, headers: {} } });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
    await it.end();
    const calls = it.collector.spans().filter(({ name }) => name === 'tools/call echo');
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject({ isError: false, attributes: { 'mcpctl.attempts': 3 } });
    expect(
      calls[0]!.events.map(({ name, attributes }) => [name, attributes['mcpctl.attempt'] ?? attributes['mcpctl.try']]),
    ).toEqual([
      ['attempt', 1],
      ['attempt failed', 1],
      ['retry', 2],
      ['attempt', 2],
      ['attempt failed', 2],
      ['retry', 3],
      ['attempt', 3],
    ]);
    expect(calls[0]!.events[2]!.attributes).toEqual({ 'mcpctl.try': 2, 'mcpctl.wait_ms': 5, 'error.type': 'UNAVAILABLE' });
  });

  it('that finds its first endpoint gone tells which it went to', async () => {
    await using gone = await startHttpServer(() => {});
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    await using server = await startFixture('http-fault');
    await using it = await traced({ endpoints: [{ url: `${url}/mcp` }, { url: server.url }], type: 'http', ...quick });
    expect(await it.call('echo', { message: 'hi' })).toBe('hi');
    await it.end();
    const call = await it.collector.span('tools/call echo');
    expect(call).toMatchObject({ isError: false, attributes: { 'server.port': Number(new URL(server.url).port) } });
    const connects = it.collector.spans().filter(({ parentSpanId }) => parentSpanId === call.spanId);
    expect(connects.map(({ isError, attributes }) => [isError, attributes['server.port']])).toEqual([
      [true, gone.port],
      [false, Number(new URL(server.url).port)],
    ]);
  });

  it.each([
    ['a tool error', 'tool-error', { 'error.type': 'tool_error' }],
    [
      'an error of the protocol',
      'protocol-error',
      { 'error.type': '-32602', 'rpc.response.status_code': '-32602', 'mcpctl.error.code': 'REQUEST_REFUSED' },
    ],
    ['a deadline', 'hang', { 'error.type': 'TIMEOUT' }],
    ['a server that dies', 'crash', { 'error.type': 'OUTCOME_UNKNOWN' }],
  ])('ends with %s', async (_, tool, attributes) => {
    await using it = await traced({ ...faultServer(), ...never });
    await it.connect();
    await it.call(tool, {}, { timeoutMs: 300 }).catch(() => {});
    await it.end();
    expect(await it.collector.span(`tools/call ${tool}`)).toMatchObject({ isError: true, attributes });
  });

  it('ends when it is cancelled, and when everything is closed under it', async () => {
    await using it = await traced(faultServer());
    await it.connect();
    const giveUp = new AbortController();
    const given = failure(it.call('hang', {}, { signal: giveUp.signal }));
    setTimeout(() => giveUp.abort(cancelled()), 50);
    expect((await given).code).toBe('CANCELLED');
    const closed = failure(it.call('hang'));
    await it.collector.span('tools/call hang');
    await it.end();
    await closed;
    const types = it.collector.spans().filter(({ name }) => name === 'tools/call hang');
    expect(types.map(({ attributes }) => attributes['error.type'])).toEqual(['CANCELLED', expect.stringMatching(/^[A-Z_]+$/)]);
  });

  it('that is refused by an open circuit, or for want of room, ends at once and is in no duration', async () => {
    await using it = await traced({ ...faultServer(), concurrency: { inFlight: 1, queue: 0 } });
    await it.connect();
    const giveUp = new AbortController();
    const hanging = failure(it.call('hang', {}, { signal: giveUp.signal }));
    expect((await failure(it.call('echo'))).code).toBe('OVERLOADED');
    giveUp.abort(cancelled());
    await hanging;
    it.manager.steerBreaker('it', 'open');
    expect((await failure(it.call('echo'))).code).toBe('CIRCUIT_OPEN');
    await it.end();
    const refused = it.collector.spans().filter(({ name }) => name === 'tools/call echo');
    expect(refused.map(({ attributes }) => attributes['error.type'])).toEqual(['OVERLOADED', 'CIRCUIT_OPEN']);
    expect(it.collector.points().filter(({ attributes }) => attributes['gen_ai.tool.name'] === 'echo')).toEqual([]);
  });

  it('that gets no connection fails, and so does the connection inside it', async () => {
    await using it = await traced({ command: '/nonexistent/server' });
    await failure(it.call('echo'));
    await it.end();
    expect(treeOf(it.collector.spans())).toEqual([['tools/call echo', ['connect']]]);
    expect(it.collector.spans().map(({ isError }) => isError)).toEqual([true, true]);
    expect(it.collector.spans()[0]!.attributes).not.toHaveProperty('mcp.method.name');
    expect(it.collector.points()).toEqual([]);
  });
});

describe('lists and pings', () => {
  it('are spans of their own, with the connection inside the one that needed it', async () => {
    await using it = await traced(faultServer());
    const { signal } = new AbortController();
    await it.manager.listTools('it', signal);
    await it.manager.ping('it', signal);
    await it.end();
    expect(treeOf(it.collector.spans())).toEqual([['tools/list', ['initialize']], 'ping']);
  });
});

describe('the durations', () => {
  it('have one histogram for each method, tool and outcome, counted from the sending', async () => {
    await using it = await traced(faultServer());
    for (let i = 0; i < 3; i++) await it.call('echo', { text: 'hi' });
    await it.call('sleep', { ms: 60 });
    await it.call('tool-error');
    await it.end();
    const points = it.collector.points();
    const counts = new Map<string, number>();
    for (const { attributes, count } of points) {
      const key = ['mcp.method.name', 'gen_ai.tool.name', 'error.type'].map((name) => attributes[name] ?? '').join(' ');
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
    expect(Object.fromEntries(counts)).toEqual({
      'initialize  ': 1,
      'tools/call echo ': 3,
      'tools/call sleep ': 1,
      'tools/call tool-error tool_error': 1,
    });
    expect(new Set(points.map(({ metric, unit, temporality }) => `${metric} ${unit} ${temporality}`))).toEqual(
      new Set(['mcp.client.operation.duration s 1']),
    );
    const slept = points.find(({ attributes }) => attributes['gen_ai.tool.name'] === 'sleep')!;
    expect(slept.sum).toBeGreaterThanOrEqual(0.06);
    expect(slept.bounds).toHaveLength(14);
    expect(slept.attributes).not.toHaveProperty('jsonrpc.request.id');
  });

  it('are totals since the start for a manager that stays, which has a name of its own', async () => {
    await using it = await traced(faultServer(), { longLived: true });
    await it.call('echo');
    await it.collector.span('tools/call echo');
    await it.call('echo');
    await it.end();
    const echo = it.collector.points().filter(({ attributes }) => attributes['gen_ai.tool.name'] === 'echo');
    expect(echo.at(-1)).toMatchObject({ count: 2, temporality: 2 });
    expect((await it.collector.span('tools/call echo')).resource).toHaveProperty('service.instance.id');
  });

  it('alone put nothing into requests', async () => {
    await using server = await startFixture('http-fault');
    await using it = await traced({ url: server.url, type: 'http' }, { more: { OTEL_TRACES_EXPORTER: 'none' } });
    await it.call('echo', { message: 'hi' });
    await it.end();
    expect(it.collector.spans()).toEqual([]);
    expect(it.collector.points().length).toBeGreaterThan(0);
    expect(JSON.stringify((await server.log()).map(({ meta }) => meta))).not.toContain('traceparent');
  });
});

describe('a modern server', () => {
  it('is asked once what it is, and the next time nothing; its own fields of `_meta` stay', async () => {
    await using server = await startFixture('http-sdk');
    await using home = await tempHome();
    const names: string[] = [];
    for (let run = 0; run < 2; run++) {
      await using it = await traced({ url: server.url, type: 'http' }, { home });
      await it.call('echo', { message: 'hi' });
      await it.end();
      names.push(it.collector.spans()[0]!.name);
    }
    expect(names).toEqual(['server/discover', 'connect']);
    const calls = (await server.log()).filter(({ rpc }) => rpc === 'tools/call');
    expect(calls).toHaveLength(2);
    for (const { meta } of calls)
      expect(Object.keys(meta!)).toEqual(expect.arrayContaining(['traceparent', 'io.modelcontextprotocol/protocolVersion']));
  });
});

describe('what a server gets', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const context = { TRACEPARENT: parent, TRACESTATE: 'vendor=1', BAGGAGE: 'who=me' };

  it('over HTTP: the context of its span in `_meta` of every message of a session, beside what was there', async () => {
    await using server = await startFixture('http-fault');
    await using it = await traced({ url: server.url, type: 'http' }, { more: context });
    await it.manager.listTools('it', new AbortController().signal);
    await it.call('echo', { message: 'hi' });
    await it.end();
    const idOf = async (name: string) => (await it.collector.span(name)).spanId;
    const log = (await server.log()).filter(({ rpc }) => rpc !== null);
    const expected: Record<string, string> = {
      'server/discover': await idOf('initialize'),
      initialize: await idOf('initialize'),
      'notifications/initialized': await idOf('initialize'),
      'tools/list': await idOf('tools/list'),
      'tools/call': await idOf('tools/call echo'),
    };
    expect(log.map(({ rpc }) => rpc)).toEqual(Object.keys(expected));
    for (const { rpc, meta } of log) {
      expect(meta, rpc!).toMatchObject({
        traceparent: `00-${parent.slice(3, 35)}-${expected[rpc!]}-01`,
        tracestate: 'vendor=1',
        baggage: 'who=me',
      });
    }
    expect(log.at(-1)!.meta).toHaveProperty('progressToken');
    expect(it.collector.spans().map(({ traceState }) => traceState)).toEqual(['vendor=1', 'vendor=1', 'vendor=1']);
  });

  it('over stdio: the same, also the cancellation of its own call', async () => {
    await using home = await tempHome();
    const heard = join(home.path, 'heard');
    await using it = await traced(faultServer(`heard=${heard}`));
    await failure(it.call('hang', {}, { timeoutMs: 200 }));
    await it.end();
    const call = await it.collector.span('tools/call hang');
    const messages = (await readFile(heard, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { method: string; params: { _meta: { traceparent: string } } });
    const own = messages.filter(({ method }) => method === 'tools/call' || method === 'notifications/cancelled');
    expect(own.map(({ method, params }) => [method, params._meta.traceparent])).toEqual([
      ['tools/call', `00-${call.traceId}-${call.spanId}-01`],
      ['notifications/cancelled', `00-${call.traceId}-${call.spanId}-01`],
    ]);
    expect(messages.every(({ params }) => params._meta.traceparent.startsWith(`00-${call.traceId}-`))).toBe(true);
  });

  it('when nobody wants traces: no context at all', async () => {
    const options = { env: context, clock: systemClock, redactor: new Redactor(), version: '1', longLived: false };
    const telemetry = await openTelemetry({ ...options, onWarning: () => {} });
    expect(telemetry).toBeUndefined();
    await using server = await startFixture('http-fault');
    await using it = await rig({ url: server.url, type: 'http' }, { env: context });
    await it.call('echo', { message: 'hi' });
    const metas = (await server.log()).map(({ meta }) => Object.keys(meta ?? {}));
    expect(metas.flat()).not.toEqual(expect.arrayContaining(['traceparent']));
    expect(metas.at(-1)).toEqual(['progressToken']);
  });
});

describe('a collector that', () => {
  const answers: Readonly<Record<string, Parameters<typeof startCollector>[0]>> = {
    'never answers': () => {},
    'answers 500': (response) => response.writeHead(500).end('secret-of-the-collector'),
    'answers 503 and wants to be asked in an hour': (response) => response.writeHead(503, { 'retry-after': '3600' }).end(),
    'answers 401': (response) => response.writeHead(401).end(),
    'sends elsewhere': (response, { headers }) => response.writeHead(307, { location: `http://${headers.host}/elsewhere` }).end(),
    'hangs up': (response) => response.destroy(),
    'answers 200 MB': (response) => {
      response.writeHead(500);
      const chunk = Buffer.alloc(1024 * 1024);
      let sent = 0;
      const more = () => {
        while (!response.destroyed && sent++ < 200) if (!response.write(chunk)) return void response.once('drain', more);
        response.end();
      };
      more();
    },
    'answers byte by byte': (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 5);
      response.on('close', () => clearInterval(timer));
    },
  };

  it.each(Object.keys(answers))('%s costs one warning at most, and no call', async (name) => {
    await using it = await traced(faultServer(), { answer: answers[name]!, longLived: true });
    for (let i = 0; i < 5; i++) expect(await it.call('echo', { text: 'hi' })).toBe('hi');
    const startMs = performance.now();
    await it.end();
    // 2 s for the collector, and what the server takes to end.
    expect(performance.now() - startMs).toBeLessThan(8_000);
    const [first, ...rest] = it.warnings;
    if (name === 'answers byte by byte') expect(first).toBeUndefined();
    else expect(first).toMatch(/^telemetry c(annot|ould not) be sent to http:\/\/127\.0\.0\.1:\d+: /);
    // How many that cost is told at the end.
    expect(rest).toEqual(rest.length === 0 ? [] : [expect.stringMatching(/^telemetry: \d+ spans? (is|are) lost that were for /)]);
    expect(it.warnings.join()).not.toContain('secret-of-the-collector');
    expect(it.collector.requests.every(({ path }) => path.startsWith('/v1/'))).toBe(true);
  });

  it('is not there is told once, with the number of spans that are lost', async () => {
    await using gone = await startHttpServer(() => {});
    await gone[Symbol.asyncDispose]();
    await using it = await traced(faultServer(), {
      more: { OTEL_EXPORTER_OTLP_ENDPOINT: gone.url, OTEL_BSP_SCHEDULE_DELAY: '60000', OTEL_METRIC_EXPORT_INTERVAL: '60000' },
    });
    await it.call('echo');
    await it.end();
    expect(it.warnings).toEqual([
      expect.stringMatching(new RegExp(`^telemetry could not be sent to ${gone.url}: .+; 2 spans are lost$`)),
    ]);
  });

  it('gets the headers that the environment has for it, and they are secrets', async () => {
    const redactor = new Redactor();
    await using collector = await startCollector();
    const more = { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20s3cret-token,x-key=0ther-s3cret' };
    const options = { env: { ...collector.env, ...more }, clock: systemClock, redactor, version: '1', longLived: false };
    const telemetry = (await openTelemetry({ ...options, onWarning: () => {} }))!;
    const span = { methods: ['ping'] as const, attributes: { leaked: 's3cret-token 0ther-s3cret' } };
    await telemetry.tracer!.run(span, async () => {});
    await telemetry[Symbol.asyncDispose]();
    expect(collector.requests[0]!.headers).toMatchObject({ authorization: 'Bearer s3cret-token', 'x-key': '0ther-s3cret' });
    expect(collector.spans()[0]!.attributes.leaked).toBe('[redacted] [redacted]');
  });

  it('speaks protobuf gets that unless JSON is asked for', async () => {
    await using collector = await startCollector();
    const { OTEL_EXPORTER_OTLP_PROTOCOL: _, ...rest } = collector.env;
    const options = { env: rest, clock: systemClock, redactor: new Redactor(), version: '1', longLived: false };
    const telemetry = (await openTelemetry({ ...options, onWarning: () => {} }))!;
    await telemetry.tracer!.run({ methods: ['ping'], attributes: {} }, async () => {});
    await telemetry[Symbol.asyncDispose]();
    expect(collector.requests.map(({ path, headers }) => [path, headers['content-type']])).toEqual([
      ['/v1/traces', 'application/x-protobuf'],
    ]);
    expect(collector.requests[0]!.body.startsWith('\n')).toBe(true);
  });

  it('is asked for over grpc is told once, and nothing is sent', async () => {
    const warnings: string[] = [];
    const grpc = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    const options = { env: grpc, clock: systemClock, redactor: new Redactor(), version: '1', longLived: false };
    const telemetry = (await openTelemetry({ ...options, onWarning: (text) => warnings.push(text) }))!;
    expect(telemetry.tracer).toBeUndefined();
    await telemetry[Symbol.asyncDispose]();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^telemetry: OTEL_EXPORTER_OTLP_PROTOCOL asks for grpc/);
  });
});
