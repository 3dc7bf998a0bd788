/** Whether traces and measurements are to be sent to a collector: looked up in the environment, and what does it is loaded only then. */

import type { Clock } from '../core/clock.js';
import type { Redactor } from '../core/redact.js';
import type { Tracer } from '../core/tracing.js';

export type TelemetryEnvironment = Readonly<Record<string, string | undefined>>;

export interface TelemetryOptions {
  readonly env: TelemetryEnvironment;
  readonly clock: Clock;
  readonly redactor: Redactor;
  readonly version: string;
  /** A single command belongs to the trace that the environment names; what stays has many. */
  readonly longLived: boolean;
  readonly onWarning: (message: string) => void;
}

export interface Telemetry extends AsyncDisposable {
  /** Undefined: the environment asks for something that is not spoken here, which is told as a warning. */
  readonly tracer: Tracer | undefined;
  /** Sends what is waiting, for no longer than the end of the process may take. Never rejects. */
  flush(): Promise<void>;
}

/** The variables that name a collector (OpenTelemetry, "OTLP Exporter Configuration"). */
const endpoints = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT'];

/** @returns undefined when nobody asks for it */
export async function openTelemetry(options: TelemetryOptions): Promise<Telemetry | undefined> {
  const { env } = options;
  if (!endpoints.some((name) => env[name]?.trim()) || env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return undefined;
  const { Otlp } = await import('./otlp/otlp.js');
  return Otlp.open(options);
}
