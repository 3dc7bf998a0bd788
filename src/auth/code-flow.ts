/** The authorization code flow with PKCE: the address that a person opens, and the code that comes back. */
import { createHash, randomBytes } from 'node:crypto';
import { McpctlError } from '../core/errors.js';
import { openableUrl } from '../io/open-url.js';
import type { CallbackCode, ExpectedCallback } from './callback.js';
import { type GrantParts, requestTokens, withResource } from './grants.js';
import type { OAuthCredential } from './oauth.js';

/** What has to be kept between the two legs. Plain data: it may be written down, and read by another process. */
export interface CodeFlow {
  readonly expected: ExpectedCallback;
  /** A secret. */
  readonly verifier: string;
  readonly scopes: readonly string[];
}

/**
 * Makes the address to open. State and verifier are 256 random bits each.
 *
 * @throws McpctlError `AUTH_FAILED` when the provider has no such address, or none that may be opened
 */
export function beginCodeFlow(
  { server, as, client, onSecret }: Pick<GrantParts, 'server' | 'as' | 'client' | 'onSecret'>,
  { redirectUri, scopes }: { redirectUri: string; scopes: readonly string[] },
): { url: string; flow: CodeFlow } {
  const { authorization_endpoint: endpoint, authorization_response_iss_parameter_supported: issIsAdvertised } = as.metadata;
  if (!endpoint) {
    throw new McpctlError('AUTH_FAILED', `The authorization server of "${server.name}" has no login for people`, {
      server: server.name,
      hint: `its metadata has no authorization_endpoint; for an account of a machine: mcpctl auth ${server.name} --client-credentials`,
      details: { step: 'authorization', missing: 'authorization_endpoint' },
    });
  }
  const verifier = randomBytes(32).toString('base64url');
  onSecret(verifier);
  const state = randomBytes(32).toString('base64url');
  const url = new URL(openableUrl(endpoint));
  const extra = server.oauth.authorizationParams;
  const parameters = {
    // Without it providers that follow OpenID Connect give no refresh token (section 11).
    ...(scopes.includes('offline_access') && { prompt: 'consent' }),
    ...extra,
    ...withResource(
      {
        response_type: 'code',
        client_id: client.clientId,
        redirect_uri: redirectUri,
        state,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      },
      as,
    ),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const expected = {
    server: server.name,
    redirectUri,
    state,
    issuer: as.issuer,
    issIsAdvertised: issIsAdvertised === true,
  };
  return { url: openableUrl(url.href), flow: { expected, verifier, scopes } };
}

/** Exchanges the code. @throws McpctlError as `requestTokens` */
export function endCodeFlow({ code }: CallbackCode, flow: CodeFlow, parts: GrantParts): Promise<OAuthCredential> {
  parts.onSecret(code);
  parts.onSecret(flow.verifier);
  const parameters = { code, code_verifier: flow.verifier, redirect_uri: flow.expected.redirectUri };
  return requestTokens({ kind: 'authorization_code', parameters, scopes: flow.scopes }, parts);
}
