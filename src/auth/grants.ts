/** The last step of every login: a grant goes to the token endpoint, and what comes back is a credential. */
import { randomUUID } from 'node:crypto';
import type { ServerConfig } from '../config/schema.js';
import type { Clock } from '../core/clock.js';
import type { FetchLike } from '../io/http-fetch.js';
import { granted } from './granted.js';
import type { AuthorizationServer, ClientIdentity, OAuthCredential } from './oauth.js';
import { oauthError } from './oauth-error.js';
import { configurationOf } from './openid.js';

/** With whom, and as whom, a login is made. */
export interface GrantParts {
  readonly server: ServerConfig;
  readonly as: AuthorizationServer;
  readonly client: ClientIdentity;
  readonly fetch: FetchLike;
  readonly clock: Clock;
  readonly onSecret: (secret: string) => void;
}

export interface Grant {
  readonly kind: OAuthCredential['grant'];
  /** Without `grant_type` and what says who we are. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Those that were asked for: what is given when the answer names none. */
  readonly scopes: readonly string[];
}

const grantTypes = {
  authorization_code: 'authorization_code',
  device_code: 'urn:ietf:params:oauth:grant-type:device_code',
  client_credentials: 'client_credentials',
} as const;

/** @throws McpctlError `AUTH_UNAVAILABLE`, `AUTH_FAILED` with the provider's word in `details.error` */
export async function requestTokens(grant: Grant, parts: GrantParts): Promise<OAuthCredential> {
  const { server, as, client, clock } = parts;
  try {
    const [{ genericGrantRequest }, configuration] = await Promise.all([import('openid-client'), openidFor(parts)]);
    const answer = await genericGrantRequest(configuration, grantTypes[grant.kind], withResource(grant.parameters, as));
    const { scopes, ...tokens } = granted(answer, clock.date());
    return {
      kind: 'oauth',
      grant: grant.kind,
      issuer: as.issuer,
      client,
      tokenEndpoint: as.metadata.token_endpoint,
      revocationEndpoint: revocationEndpointOf(as),
      resource: as.resource,
      ...tokens,
      scopes: scopes ?? grant.scopes,
      generation: randomUUID(),
    };
  } catch (error) {
    throw oauthError(error, { server, step: 'token' });
  }
}

export function openidFor({ server, as, client, fetch, onSecret }: GrantParts): ReturnType<typeof configurationOf> {
  return configurationOf(as, client, { fetch, onSecret, privateKeyFile: server.oauth.privateKeyFile });
}

/** Every request says for whom the token is (RFC 8707), whether or not the provider looks at it. */
export function withResource(
  parameters: Readonly<Record<string, string>>,
  { resource }: Pick<AuthorizationServer, 'resource'>,
): Record<string, string> {
  return resource === null ? { ...parameters } : { ...parameters, resource };
}

/** The types of the SDK know it of one of the two kinds of metadata alone. */
function revocationEndpointOf({ metadata }: AuthorizationServer): string | null {
  const endpoint = 'revocation_endpoint' in metadata ? metadata.revocation_endpoint : undefined;
  return typeof endpoint === 'string' ? endpoint : null;
}
