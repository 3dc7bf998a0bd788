/** Which schema the results of calls are checked against. */

import { type Client, specTypeSchemas } from '@modelcontextprotocol/client';

/**
 * Names the schema for each call. Left to itself the SDK looks for one by trying it on nothing at every request, and the error of that
 * attempt takes as long as all the rest of a call.
 */
export function nameResultSchema(client: Client): void {
  const send = client.request.bind(client) as (...args: unknown[]) => Promise<unknown>;
  client.request = ((request: { readonly method: string }, ...rest: unknown[]) =>
    request.method === 'tools/call'
      ? send(request, specTypeSchemas.CallToolResult, ...rest)
      : send(request, ...rest)) as Client['request'];
}
