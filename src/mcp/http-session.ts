/** Connects over HTTP: streamable HTTP first, the older SSE transport when the server knows nothing else. */

import { SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { HttpDefinition } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { privateAddressGuard } from '../io/address-guard.js';
import { createHttpFetch } from '../io/http-fetch.js';
import type { Connection, OpenOptions } from './connection.js';
import { planEra } from './era.js';
import { HttpTransport, SseTransport } from './http-transport.js';
import { openSession } from './sdk-session.js';

/** Statuses with which servers without streamable HTTP refuse a POST (2025-11-25, transports, "Backwards Compatibility"). */
const notStreamable = new Set([400, 404, 405]);

export async function openHttpSession(options: OpenOptions): Promise<Connection> {
  const definition = options.server.definition as HttpDefinition;
  if (definition.type === 'http') return openStreamable(definition, options);
  if (definition.type === 'sse') return openSse(definition, options);
  const remembersSse = options.remembered?.transport === 'sse';
  const [first, second] = remembersSse ? [openSse, openStreamable] : [openStreamable, openSse];
  try {
    return await first(definition, options);
  } catch (error) {
    options.signal.throwIfAborted();
    const status = error instanceof McpctlError ? error.details?.status : undefined;
    if (!remembersSse && !notStreamable.has(status as number)) throw error;
    try {
      return await second(definition, options);
    } catch (fallbackError) {
      options.signal.throwIfAborted();
      // The first refusal says more: most servers that have neither are not MCP servers at all.
      throw remembersSse ? fallbackError : error;
    }
  }
}

async function openStreamable(definition: HttpDefinition, options: OpenOptions): Promise<Connection> {
  const http = fetchFor(definition, options);
  const inner = new StreamableHTTPClientTransport(new URL(definition.url), {
    fetch: http.fetch,
    requestInit: { headers: { ...definition.headers } },
    // For streams that the server marks as resumable; a stream that is not fails its call at once.
    reconnectionOptions: {
      initialReconnectionDelay: 250,
      reconnectionDelayGrowFactor: 2,
      maxReconnectionDelay: 1000,
      maxRetries: 2,
    },
  });
  const transport = new HttpTransport(inner, {
    server: options.server.name,
    clock: options.clock,
    release: () => http[Symbol.asyncDispose](),
  });
  return openSession(transport, planEra(options.server.protocol, options.remembered, options.clock.date()), options);
}

async function openSse(definition: HttpDefinition, options: OpenOptions): Promise<Connection> {
  const http = fetchFor(definition, options);
  const inner = new SSEClientTransport(new URL(definition.url), {
    fetch: http.fetch,
    requestInit: { headers: { ...definition.headers } },
  });
  const transport = new SseTransport(inner, {
    server: options.server.name,
    clock: options.clock,
    release: () => http[Symbol.asyncDispose](),
  });
  // The transport is older than the modern era: nothing to ask.
  return openSession(transport, { kind: 'legacy' }, options);
}

function fetchFor(definition: HttpDefinition, { server, clock }: OpenOptions) {
  return createHttpFetch({
    maxBodyBytes: server.maxMessageBytes,
    connectTimeoutMs: server.timeouts.connectMs,
    addressGuard: privateAddressGuard({ allowPrivate: true, configuredHost: new URL(definition.url).hostname }),
    clock,
    ...(definition.ca === undefined ? {} : { ca: definition.ca }),
  });
}
