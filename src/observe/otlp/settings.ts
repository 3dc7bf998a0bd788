/** What the OTEL_* variables ask for, with the defaults of the OpenTelemetry specification and a sentence for what cannot be done. */

import type { TelemetryEnvironment } from '../telemetry.js';

export type Signal = 'traces' | 'metrics';

/** Where one signal goes, and how. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly encoding: 'json' | 'protobuf';
}

export interface SamplerSettings {
  /** The parent's decision counts, where there is a parent. */
  readonly followsParent: boolean;
  /** The share of traces that is kept: 0 to 1. */
  readonly ratio: number;
}

export interface OtlpSettings {
  /** Absent: not sent. */
  readonly traces: Target | undefined;
  readonly metrics: Target | undefined;
  readonly resource: Readonly<Record<string, string>>;
  readonly sampler: SamplerSettings;
  /** Of the sums of a single command; what stays sends totals since its start, unless told otherwise. */
  readonly temporality: 'cumulative' | 'delta' | undefined;
  readonly spanDelayMs: number;
  readonly spanQueue: number;
  readonly spanBatch: number;
  readonly metricIntervalMs: number;
  /** What is asked for and not done, one sentence each, without values. */
  readonly problems: readonly string[];
}

const samplers: Readonly<Record<string, { followsParent: boolean; ratio: number | undefined }>> = {
  always_on: { followsParent: false, ratio: 1 },
  always_off: { followsParent: false, ratio: 0 },
  traceidratio: { followsParent: false, ratio: undefined },
  parentbased_always_on: { followsParent: true, ratio: 1 },
  parentbased_always_off: { followsParent: true, ratio: 0 },
  parentbased_traceidratio: { followsParent: true, ratio: undefined },
};

/** Reads the environment. Never throws: what cannot be understood is a problem, and its default counts. */
export function readSettings(env: TelemetryEnvironment, { version }: { version: string }): OtlpSettings {
  const problems: string[] = [];
  const value = (name: string) => env[name]?.trim() || undefined;
  const number = (name: string, fallback: number, least: number) => {
    const text = value(name);
    if (text === undefined) return fallback;
    if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
    problems.push(`${name} is not a whole number from ${least} on: ${fallback} counts`);
    return fallback;
  };
  const pairsOf = (name: string, isGood: (key: string, text: string) => boolean = () => true) => {
    const { pairs, isWhole } = readPairs(value(name), isGood);
    if (!isWhole) problems.push(`${name} has parts that are not name=value: they are left out`);
    return pairs;
  };
  const target = (signal: Signal): Target | undefined => {
    const word = signal.toUpperCase();
    const own = (name: string) => `OTEL_EXPORTER_OTLP_${word}_${name}`;
    const nameOf = (name: string) => (value(own(name)) === undefined ? `OTEL_EXPORTER_OTLP_${name}` : own(name));
    const exporters = value(`OTEL_${word}_EXPORTER`)
      ?.split(',')
      .map((name) => name.trim()) ?? ['otlp'];
    if (!exporters.includes('otlp')) {
      if (!exporters.includes('none'))
        problems.push(`OTEL_${word}_EXPORTER names none of "otlp" and "none": no ${signal} are sent`);
      return undefined;
    }
    const url = targetUrl(value(own('ENDPOINT')), value('OTEL_EXPORTER_OTLP_ENDPOINT'), signal);
    if (url === undefined) return undefined;
    if (url === null) {
      problems.push(`${nameOf('ENDPOINT')} is not a plain http or https URL: what goes there is not sent`);
      return undefined;
    }
    const protocol = value(nameOf('PROTOCOL')) ?? 'http/protobuf';
    if (protocol !== 'http/protobuf' && protocol !== 'http/json') {
      const known = protocol === 'grpc' ? 'grpc' : 'a protocol';
      problems.push(
        `${nameOf('PROTOCOL')} asks for ${known} that mcpctl does not speak: nothing is sent by it (set http/protobuf, and the port for it, usually 4318)`,
      );
      return undefined;
    }
    const headers = pairsOf(nameOf('HEADERS'), isHeader);
    const timeoutMs = number(nameOf('TIMEOUT'), 10_000, 1);
    return { url, headers, timeoutMs, encoding: protocol === 'http/json' ? 'json' : 'protobuf' };
  };

  const named = pairsOf('OTEL_RESOURCE_ATTRIBUTES');
  const service = value('OTEL_SERVICE_NAME') ?? named['service.name'] ?? 'mcpctl';
  const spanQueue = number('OTEL_BSP_MAX_QUEUE_SIZE', 2048, 1);
  return {
    traces: target('traces'),
    metrics: target('metrics'),
    resource: { 'service.version': version, ...named, 'service.name': service },
    sampler: samplerOf(value('OTEL_TRACES_SAMPLER'), value('OTEL_TRACES_SAMPLER_ARG'), problems),
    temporality: temporalityOf(value('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'), problems),
    spanDelayMs: number('OTEL_BSP_SCHEDULE_DELAY', 5_000, 1),
    spanQueue,
    spanBatch: Math.min(number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 1), spanQueue),
    metricIntervalMs: number('OTEL_METRIC_EXPORT_INTERVAL', 60_000, 1),
    // Both signals may have run into the same variable.
    problems: [...new Set(problems)],
  };
}

/** The URL of one signal as it stands, that of all with the signal's path behind it. Null: none that can be asked. */
function targetUrl(own: string | undefined, base: string | undefined, signal: Signal): string | null | undefined {
  const text = own ?? base;
  if (text === undefined) return undefined;
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return null;
  if (own === undefined) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/${signal}`;
  return url.href;
}

/** `a=1,b=2`, percent-encoded (W3C Baggage without properties). */
function readPairs(text: string | undefined, isGood: (key: string, text: string) => boolean) {
  const pairs: Record<string, string> = Object.create(null);
  let isWhole = true;
  for (const part of text?.split(',') ?? []) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    const key = decoded(part.slice(0, Math.max(at, 0)));
    const own = decoded(part.slice(at + 1));
    if (key && own !== undefined && isGood(key, own)) pairs[key] = own;
    else isWhole = false;
  }
  return { pairs, isWhole };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return undefined;
  }
}

function isHeader(name: string, text: string): boolean {
  return /^[!#$%&'*+.^_`|~\w-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

function samplerOf(name = 'parentbased_always_on', arg: string | undefined, problems: string[]): SamplerSettings {
  const known = samplers[name.toLowerCase()];
  if (!known) {
    problems.push('OTEL_TRACES_SAMPLER names a sampler that mcpctl does not have: every trace is kept');
    return { followsParent: true, ratio: 1 };
  }
  if (known.ratio !== undefined) return { followsParent: known.followsParent, ratio: known.ratio };
  const ratio = Number(arg ?? 1);
  if (ratio >= 0 && ratio <= 1) return { followsParent: known.followsParent, ratio };
  problems.push('OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1: every trace is kept');
  return { followsParent: known.followsParent, ratio: 1 };
}

function temporalityOf(text: string | undefined, problems: string[]): OtlpSettings['temporality'] {
  const word = text?.toLowerCase();
  if (word === undefined || word === 'cumulative' || word === 'delta') return word;
  // Of histograms it means the same.
  if (word === 'lowmemory') return 'delta';
  problems.push('OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE is none of cumulative, delta and lowmemory: it is left out');
  return undefined;
}
