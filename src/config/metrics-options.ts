/** The section `metrics` of a file, resolved. The last file that has one counts, as a whole. */
import { expand } from './expand.js';
import { defaultMetrics, type MetricsOptions } from './metrics-endpoint.js';
import type { Env } from './paths.js';
import { configInvalid } from './position.js';
import type { LoadedFile } from './read-file.js';
import type { ConfigProblem } from './schema.js';

export interface ResolvedMetrics {
  readonly metrics: MetricsOptions;
  readonly problems: readonly ConfigProblem[];
  readonly secrets: readonly string[];
}

export function metricsOptions({ content, document }: Required<LoadedFile>['parsed'], env: Env): ResolvedMetrics {
  const { enabled = null, host = defaultMetrics.host, port = defaultMetrics.port, token: written } = content.metrics ?? {};
  const options = { enabled, isConfigured: true, host, port };
  if (written === undefined) return { metrics: { ...options, token: null }, problems: [], secrets: [] };
  const { value, problems: found } = expand(written, env);
  // A secret that is empty would let everybody in.
  const messages = found.length > 0 ? found : value.trim() === '' ? ['is empty'] : [];
  const problems = messages.map((message) => document.problem('error', ['metrics', 'token'], message));
  if (problems.length === 0) return { metrics: { ...options, token: value }, problems, secrets: [value] };
  const problem = configInvalid(problems, { hint: 'set the variable, or take "token" out of "metrics"' });
  return { metrics: { ...options, token: null, problem }, problems, secrets: [] };
}
