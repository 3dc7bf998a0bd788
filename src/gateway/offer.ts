/** How a manager in the background comes up: its HTTP endpoint and its socket, so that who finds it finds one that is complete. */

import type { MetricsOptions } from '../config/metrics-endpoint.js';
import { type McpctlError, toMcpctlError } from '../core/errors.js';
import type { HttpEndpoint } from './http.js';

export interface ComingUp {
  readonly options: MetricsOptions;
  readonly offer: () => Promise<HttpEndpoint>;
  /** Takes the place where others find the manager. @throws ManagerRunning */
  readonly listen: () => Promise<void>;
  readonly isAnotherThere: () => boolean;
}

/**
 * @returns the endpoint; the error, where it could not be opened and nobody had asked for it: another manager of the same user may
 *   have the port; undefined where it is switched off
 * @throws what keeps the manager from coming up
 */
export async function offerAndListen({
  options,
  offer,
  listen,
  isAnotherThere,
}: ComingUp): Promise<HttpEndpoint | McpctlError | undefined> {
  const offered = options.enabled === false ? undefined : await offer().catch(toMcpctlError);
  if (offered instanceof Error && options.isConfigured) {
    // The port may be taken because the manager runs already: then that is what has to be said.
    if (isAnotherThere()) await listen();
    throw offered;
  }
  await listen();
  return offered;
}
