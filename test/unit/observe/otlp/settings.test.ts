/** What the OTEL_* variables ask for: defaults, which of two wins, and what is told of values that make no sense. */
import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../../src/observe/otlp/settings.js';

const base = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
const read = (env: Record<string, string>) => readSettings(env, { version: '9.9.9' });

describe('the targets', () => {
  it('put the path of the signal behind the endpoint, as protobuf, within 10 s, and begin every trace', () => {
    expect(read(base)).toMatchObject({
      traces: { url: 'http://collector:4318/v1/traces', headers: {}, timeoutMs: 10_000, encoding: 'protobuf' },
      metrics: { url: 'http://collector:4318/v1/metrics' },
      sampler: { followsParent: true, ratio: 1 },
      spanDelayMs: 5000,
      spanQueue: 2048,
      spanBatch: 512,
      metricIntervalMs: 60_000,
      problems: [],
    });
  });

  it.each([
    ['http://c:1/', 'http://c:1/v1/traces'],
    ['http://c:1/otlp', 'http://c:1/otlp/v1/traces'],
    ['https://c/otlp/?key=1', 'https://c/otlp/v1/traces?key=1'],
  ])('%s leads to %s', (endpoint, url) => {
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).traces!.url).toBe(url);
  });

  it('take the value of the one signal where there is one, the URL as it stands', () => {
    const { traces, metrics } = read({
      ...base,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc,x-b= two ',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t/here',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-key=1',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '50',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_TIMEOUT: '60',
    });
    expect(traces).toEqual({ url: 'http://t/here', headers: { 'x-key': '1' }, timeoutMs: 50, encoding: 'json' });
    const headers = { authorization: 'Bearer abc', 'x-b': 'two' };
    expect(metrics).toEqual({ url: 'http://collector:4318/v1/metrics', headers, timeoutMs: 60, encoding: 'protobuf' });
  });

  it('are absent for a signal that is switched off, or has no endpoint', () => {
    expect(read({ ...base, OTEL_TRACES_EXPORTER: 'none' })).toMatchObject({ traces: undefined, metrics: {}, problems: [] });
    expect(read({ ...base, OTEL_METRICS_EXPORTER: 'none' })).toMatchObject({ traces: {}, metrics: undefined, problems: [] });
    expect(read({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c' })).toMatchObject({ traces: undefined, metrics: {} });
    expect(read({ ...base, OTEL_TRACES_EXPORTER: 'otlp,console' }).traces).toBeDefined();
  });
});

describe('what cannot be done', () => {
  const problemsOf = (env: Record<string, string>) => read({ ...base, ...env }).problems;

  it('grpc is one sentence that says what to set instead, and nothing is sent', () => {
    const { traces, problems } = read({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4317',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    });
    expect(traces).toBeUndefined();
    expect(problems).toEqual([expect.stringMatching(/^OTEL_EXPORTER_OTLP_PROTOCOL asks for grpc .*http\/protobuf.*4318/)]);
  });

  it.each([
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'not a url' },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'file:///etc' },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://me:hidden-word@c' },
    { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'hidden-word' },
    { OTEL_TRACES_EXPORTER: 'hidden-word' },
  ])('%j: no traces, one sentence without the value', (env) => {
    const { traces, metrics, problems } = read({ ...base, ...env });
    expect(traces).toBeUndefined();
    expect(metrics).toBeDefined();
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/(no traces are|nothing is|is not) sent/);
    expect(problems.join()).not.toMatch(/hidden-word|\/etc/);
  });

  it.each([
    [{ OTEL_TRACES_SAMPLER: 'xray' }, /OTEL_TRACES_SAMPLER names/],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }, /OTEL_TRACES_SAMPLER_ARG/],
    [{ OTEL_BSP_SCHEDULE_DELAY: '-1' }, /OTEL_BSP_SCHEDULE_DELAY is not a whole number from 1 on: 5000 counts/],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'a=1,b' }, /OTEL_RESOURCE_ATTRIBUTES has parts/],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'a=%' }, /OTEL_RESOURCE_ATTRIBUTES has parts/],
    [{ OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'other' }, /TEMPORALITY_PREFERENCE/],
  ])('%j is told once, and the default counts', (env, sentence) => {
    expect(problemsOf(env)).toEqual([expect.stringMatching(sentence)]);
  });

  it('of both signals is told once', () => {
    const both = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TIMEOUT: 'x' };
    expect(problemsOf(both)).toHaveLength(1);
    expect(problemsOf({ ...both, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })).toHaveLength(1);
  });

  it('leaves out headers that no request could have', () => {
    const { traces, problems } = read({ ...base, OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a b=1,x=1%0d%0ay:2,good=1' });
    expect(traces!.headers).toEqual({ good: '1' });
    expect(problems).toHaveLength(1);
  });
});

describe('the resource and the sampler', () => {
  it('is named mcpctl unless OTEL_SERVICE_NAME, or else a resource attribute, says otherwise', () => {
    expect(read(base).resource).toEqual({ 'service.name': 'mcpctl', 'service.version': '9.9.9' });
    const attributes = 'service.name=from-attributes,team=a%20b';
    const named = { ...base, OTEL_RESOURCE_ATTRIBUTES: attributes };
    expect(read(named).resource).toMatchObject({ 'service.name': 'from-attributes', team: 'a b' });
    expect(read({ ...named, OTEL_SERVICE_NAME: 'own' }).resource).toMatchObject({ 'service.name': 'own', team: 'a b' });
  });

  it.each([
    ['always_on', undefined, { followsParent: false, ratio: 1 }],
    ['always_off', undefined, { followsParent: false, ratio: 0 }],
    ['traceidratio', '0.25', { followsParent: false, ratio: 0.25 }],
    ['parentbased_always_off', undefined, { followsParent: true, ratio: 0 }],
    ['parentbased_traceidratio', '0', { followsParent: true, ratio: 0 }],
  ])('%s with %s', (name, arg, sampler) => {
    const env = { ...base, OTEL_TRACES_SAMPLER: name, ...(arg === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: arg }) };
    expect(read(env).sampler).toEqual(sampler);
  });
});
