/** The address of a login: what it carries, what the configuration may add, and what it may not change. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { beginCodeFlow } from '../../../src/auth/code-flow.js';
import type { AuthorizationServer, ClientIdentity } from '../../../src/auth/oauth.js';
import { serverConfig } from '../../support/fake-connection.js';

const redirectUri = 'http://127.0.0.1:41233/callback';
const client: ClientIdentity = {
  source: 'static',
  clientId: 'an id',
  clientSecret: null,
  authMethod: 'none',
  redirectUri: null,
  secretExpiresAt: null,
};

function begin(
  authorization_endpoint: string | undefined,
  more: { oauth?: object; resource?: string | null; scopes?: string[] } = {},
) {
  const { oauth = {}, resource = 'https://mcp.example/mcp', scopes = [] } = more;
  const config = serverConfig();
  const server = { ...config, name: 'web', oauth: { ...config.oauth, ...oauth } };
  const metadata = { issuer: 'https://as.example', authorization_endpoint, token_endpoint: 'https://as.example/token' };
  const as = { issuer: metadata.issuer, metadata, resource, scopesSupported: [] } as unknown as AuthorizationServer;
  const secrets: string[] = [];
  return {
    ...beginCodeFlow({ server, as, client, onSecret: (secret) => secrets.push(secret) }, { redirectUri, scopes }),
    secrets,
  };
}

describe('the address', () => {
  it('carries PKCE with S256, 256 bits of state, the resource, and keeps what the provider has in it', () => {
    const { url, flow, secrets } = begin('https://as.example/authorize?tenant=1', { scopes: ['a', 'b'] });
    const { searchParams, origin, pathname } = new URL(url);
    expect(origin + pathname).toBe('https://as.example/authorize');
    expect(Object.fromEntries(searchParams)).toEqual({
      tenant: '1',
      response_type: 'code',
      client_id: 'an id',
      redirect_uri: redirectUri,
      state: flow.expected.state,
      code_challenge: createHash('sha256').update(flow.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      scope: 'a b',
      resource: 'https://mcp.example/mcp',
    });
    expect(Buffer.from(flow.expected.state, 'base64url')).toHaveLength(32);
    expect(flow.verifier).toMatch(/^[\w-]{43}$/);
    expect(secrets).toEqual([flow.verifier]);
    expect(begin('https://as.example/authorize').flow.expected.state).not.toBe(flow.expected.state);
  });

  it('has what the configuration adds, which replaces nothing that the login needs', () => {
    const authorizationParams = {
      audience: 'x',
      prompt: 'login',
      state: 'mine',
      code_challenge_method: 'plain',
      redirect_uri: 'https://evil',
    };
    const { url, flow } = begin('https://as.example/a', { oauth: { authorizationParams }, scopes: ['offline_access'] });
    const { searchParams } = new URL(url);
    expect(searchParams.getAll('audience')).toEqual(['x']);
    expect(searchParams.getAll('prompt')).toEqual(['login']);
    expect(searchParams.getAll('state')).toEqual([flow.expected.state]);
    expect(searchParams.getAll('code_challenge_method')).toEqual(['S256']);
    expect(searchParams.getAll('redirect_uri')).toEqual([redirectUri]);
  });

  it('has no scope and no resource where there is none, and asks for consent with offline_access', () => {
    const { searchParams } = new URL(begin('https://as.example/a', { resource: null }).url);
    expect([...searchParams.keys()]).not.toEqual(expect.arrayContaining(['scope']));
    expect(searchParams.has('resource')).toBe(false);
    expect(searchParams.has('prompt')).toBe(false);
    expect(new URL(begin('https://as.example/a', { scopes: ['offline_access'] }).url).searchParams.get('prompt')).toBe('consent');
  });

  it.each(['javascript:alert(1)', 'http://as.example/a', 'file:///a', 'https://$(calc)/'])(
    'that is %s is AUTH_FAILED',
    (endpoint) => {
      expect(() => begin(endpoint)).toThrow(expect.objectContaining({ code: 'AUTH_FAILED' }));
    },
  );

  it('that is missing names the field', () => {
    expect(() => begin(undefined)).toThrow(
      expect.objectContaining({ code: 'AUTH_FAILED', details: expect.objectContaining({ missing: 'authorization_endpoint' }) }),
    );
  });
});
