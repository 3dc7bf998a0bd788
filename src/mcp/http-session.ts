/** Connects over HTTP: streamable HTTP first, the older SSE transport when the server knows nothing else. */

import { type HttpDefinition, hasAuthorization } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { privateAddressGuard } from '../io/address-guard.js';
import { createHttpFetch } from '../io/http-fetch.js';
import { type AuthorizedFetch, authorizedFetch } from './authorized-fetch.js';
import type { Connection, OpenOptions } from './connection.js';
import { type EraPlan, type EraVerdict, isStaleVerdict, planEra } from './era.js';
import { HttpTransport, type HttpTransportOptions } from './http-transport.js';
import type { ErrorContext } from './sdk-errors.js';
import { openSession } from './sdk-session.js';
import { SseTransport } from './sse-transport.js';

/** Statuses with which a server refuses the transport it does not know (2025-11-25, transports, "Backwards Compatibility"). */
const otherTransport = new Set<unknown>([400, 404, 405]);

interface HttpOptions extends Omit<OpenOptions, 'remembered'> {
  readonly remembered: EraVerdict | undefined;
}

export async function openHttpSession(options: HttpOptions): Promise<Connection> {
  const definition = options.server.definition as HttpDefinition;
  if (definition.type === 'http') return openStreamable(definition, options);
  if (definition.type === 'sse') return openSse(definition, options);
  const [first, second] = options.remembered?.transport === 'sse' ? [openSse, openStreamable] : [openStreamable, openSse];
  try {
    return await first(definition, options);
  } catch (error) {
    options.signal.throwIfAborted();
    const status = error instanceof McpctlError ? error.details?.status : undefined;
    if (!otherTransport.has(status)) throw error;
    try {
      // What was remembered is about the transport that just refused.
      return await second(definition, { ...options, remembered: undefined });
    } catch (fallbackError) {
      options.signal.throwIfAborted();
      // The first refusal says more, because most servers that know neither are no MCP servers; but a login says it all.
      throw fallbackError instanceof McpctlError && fallbackError.code === 'AUTH_REQUIRED' ? fallbackError : error;
    }
  }
}

async function openStreamable(definition: HttpDefinition, options: HttpOptions): Promise<Connection> {
  const open = (plan: EraPlan) => {
    const transport = new HttpTransport(transportOptions(definition, options));
    return openSession(transport, plan, { ...options, sent: whatIsSent(definition, transport) });
  };
  const plan = planEra(options.server.protocol, options.remembered, options.clock.date());
  try {
    return await open(plan);
  } catch (error) {
    options.signal.throwIfAborted();
    // A server that has learnt the new protocol and forgotten the old one.
    if (plan.kind !== 'legacy' || options.server.protocol === 'legacy' || !isStaleVerdict(error)) throw error;
    return await open({ kind: 'ask' });
  }
}

async function openSse(definition: HttpDefinition, options: HttpOptions): Promise<Connection> {
  const transport = new SseTransport(transportOptions(definition, options));
  // The transport is older than the modern era: nothing to ask.
  return openSession(transport, { kind: 'legacy' }, { ...options, sent: whatIsSent(definition, transport) });
}

/** What a refusal is about: the configuration, or what is stored. */
function whatIsSent(
  { headers }: HttpDefinition,
  { options: { http } }: HttpTransport | SseTransport,
): () => ErrorContext['sent'] {
  if (hasAuthorization(headers)) return () => 'configured';
  return () => ((http as Partial<AuthorizedFetch>).hasSent ? 'stored' : undefined);
}

function transportOptions(
  { url, headers, ca }: HttpDefinition,
  { server, clock, credentials, env, traffic }: Pick<HttpOptions, 'server' | 'clock' | 'credentials' | 'env' | 'traffic'>,
): HttpTransportOptions {
  const http = createHttpFetch({
    maxBodyBytes: server.maxMessageBytes,
    connectTimeoutMs: server.timeouts.connectMs,
    addressGuard: privateAddressGuard({ allowPrivate: true, configuredHost: new URL(url).hostname }),
    env,
    clock,
    traffic,
    ...(ca === undefined ? {} : { ca }),
  });
  const isStored = credentials !== undefined && !hasAuthorization(headers);
  return { server: server.name, url, headers, clock, http: isStored ? authorizedFetch(http, credentials, url) : http };
}
