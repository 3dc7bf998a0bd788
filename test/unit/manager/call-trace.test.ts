/** What a span says of the place of a server. */
import { expect, it } from 'vitest';
import type { ServerConfig } from '../../../src/config/schema.js';
import type { Attributes, Tracer } from '../../../src/core/tracing.js';
import { traceRequest } from '../../../src/manager/call-trace.js';

it.each([
  ['http://[::1]:8080/mcp?key=x', { 'server.address': '::1', 'server.port': 8080 }],
  ['https://mcp.example/mcp', { 'server.address': 'mcp.example', 'server.port': 443 }],
  ['http://192.0.2.7', { 'server.address': '192.0.2.7', 'server.port': 80 }],
])('of %s is host and port as the conventions have them', async (url, place) => {
  let told: Attributes = {};
  const tracer: Tracer = {
    run: (span, work) => {
      told = span.attributes;
      return work({ set() {}, event() {}, fail() {} });
    },
    carry: (message) => message,
  };
  const config = { name: 'web', definition: { type: 'auto', url } } as ServerConfig;
  expect(await traceRequest(tracer, ['ping'], config, async () => 'pong')).toBe('pong');
  expect(told).toEqual({ 'mcpctl.server': 'web', 'network.transport': 'tcp', 'network.protocol.name': 'http', ...place });
});
