/** A stored login at a real authorization server that ends every login whose spent refresh token comes back. */
import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { granted } from '../../src/auth/granted.js';
import type { OAuthCredential } from '../../src/auth/oauth.js';
import { systemClock } from '../../src/core/clock.js';
import { openConnection } from '../../src/mcp/open-connection.js';
import { echoTool } from '../support/fake-connection.js';
import { type OAuthRig, startOAuthRig } from '../support/oauth-rig.js';
import { httpServer, loginsIn } from '../support/stored-login.js';
import { tempHome } from '../support/temp-home.js';

const { signal } = new AbortController();
const asking = { signal, isAttended: false };
const redirectUri = 'http://127.0.0.1:1/callback';

/** Goes through the code flow by hand, as far as the tokens. */
async function logIn(rig: OAuthRig): Promise<OAuthCredential> {
  const post = async (path: string, body: string, type: string) => {
    const answer = await fetch(rig.issuer + path, { method: 'POST', body, headers: { 'content-type': type } });
    return (await answer.json()) as Record<string, string>;
  };
  const registration = {
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
  };
  const { client_id: clientId = '' } = await post('/reg', JSON.stringify(registration), 'application/json');
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'mcp:read offline_access',
    prompt: 'consent',
    resource: rig.url,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const callback = new URL(await rig.approve(`${rig.issuer}/auth?${query}`));
  const exchange = new URLSearchParams({
    grant_type: 'authorization_code',
    code: callback.searchParams.get('code') ?? '',
    redirect_uri: redirectUri,
    client_id: clientId,
    code_verifier: verifier,
    resource: rig.url,
  });
  const answer = await post('/token', String(exchange), 'application/x-www-form-urlencoded');
  return {
    kind: 'oauth',
    grant: 'authorization_code',
    issuer: rig.issuer,
    client: { source: 'dcr', clientId, clientSecret: null, authMethod: 'none', redirectUri, secretExpiresAt: null },
    tokenEndpoint: `${rig.issuer}/token`,
    revocationEndpoint: `${rig.issuer}/token/revocation`,
    resource: rig.url,
    generation: 'first',
    ...granted(answer as never, new Date()),
    scopes: ['mcp:read'],
  };
}

describe('oidc-provider', () => {
  it('gives 50 calls with a refused token one new token, three times over, and ends the login at the logout', async () => {
    await using rig = await startOAuthRig();
    await using home = await tempHome();
    await using logins = loginsIn(home);
    const server = httpServer(rig.url);
    const first = await logIn(rig);
    await logins.saveLogin(server, { account: 'default', credential: first }, asking);
    await using connection = await openConnection({
      server,
      groups: {} as never,
      env: {},
      stop: { stdinMs: 1, termMs: 1 },
      clock: systemClock,
      clientVersion: '1',
      remembered: Promise.resolve(undefined),
      credentials: logins.credentialsFor(server),
      signal,
    });
    const refreshes = () => rig.tokenRequests.filter(({ grant }) => grant === 'refresh_token');
    for (let round = 1; round <= 3; round++) {
      rig.expireTokens();
      const tool = { ...echoTool, name: 'read' };
      const calls = Array.from({ length: 50 }, () => connection.callTool('read', {}, { signal, tool, onProgress: () => {} }));
      expect(await Promise.all(calls)).toHaveLength(50);
      expect(refreshes()).toHaveLength(round);
    }
    expect(refreshes().every(({ status }) => status === 200)).toBe(true);
    const last = (await logins.storedLogin(server, asking))!;
    expect(last.refreshToken).not.toBe(first.refreshToken);

    expect(await logins.forget(server, { allAccounts: false, ...asking })).toMatchObject({ accounts: ['default'], warnings: [] });
    expect(rig.requests.filter((request) => request === 'POST /token/revocation')).toHaveLength(2);
    expect(await rig.provider.RefreshToken.find(last.refreshToken!)).toBeUndefined();
    expect(await logins.storedLogin(server, asking)).toBeUndefined();
  });
});
