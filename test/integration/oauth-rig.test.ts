/** The rig of the login tests: it has to be as strict as real servers are, or those tests show nothing. */
import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { visit } from '../fixtures/browser.mjs';
import { startOAuthRig } from '../support/oauth-rig.js';

const redirectUri = 'http://127.0.0.1:4321/callback';

async function registered(issuer: string): Promise<{ client_id: string }> {
  const body = {
    redirect_uris: [redirectUri],
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    scope: 'openid offline_access mcp:read mcp:write',
  };
  const answer = await fetch(`${issuer}/reg`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(201);
  return (await answer.json()) as { client_id: string };
}

const post = async (url: string, body: Record<string, string>) => {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(body) });
  return { status: answer.status, json: (await answer.json().catch(() => ({}))) as Record<string, string> };
};

const rpc = (url: string, token: string, tool: string) =>
  fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool } }),
  });

it('logs in by code, refuses a scope that was not asked for, rotates, and revokes everything when a token is used twice', async () => {
  await using rig = await startOAuthRig();
  const { client_id } = await registered(rig.issuer);
  const verifier = randomBytes(32).toString('base64url');
  const authorization = new URL(`${rig.issuer}/auth`);
  authorization.search = String(
    new URLSearchParams({
      client_id,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'openid offline_access mcp:read',
      prompt: 'consent',
      resource: rig.url,
      state: 'abc',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }),
  );
  const callback = new URL(await rig.approve(authorization.href));
  expect(callback.searchParams.get('state')).toBe('abc');
  expect(callback.searchParams.get('iss')).toBe(rig.issuer);
  const code = callback.searchParams.get('code') ?? '';
  const grant = { grant_type: 'authorization_code', client_id, code, redirect_uri: redirectUri, code_verifier: verifier };
  const first = await post(`${rig.issuer}/token`, { ...grant, resource: rig.url });
  expect(first).toMatchObject({ status: 200, json: { expires_in: 3600, scope: 'mcp:read' } });
  expect((await rpc(rig.url, first.json.access_token!, 'read')).status).toBe(200);
  const refused = await rpc(rig.url, first.json.access_token!, 'write');
  expect(refused.status).toBe(403);
  expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="mcp:write"');

  rig.expireTokens();
  expect((await rpc(rig.url, first.json.access_token!, 'read')).status).toBe(401);

  const again = { grant_type: 'refresh_token', client_id, refresh_token: first.json.refresh_token!, resource: rig.url };
  const second = await post(`${rig.issuer}/token`, again);
  expect(second.status).toBe(200);
  expect((await rpc(rig.url, second.json.access_token!, 'read')).status).toBe(200);
  expect(second.json.refresh_token).not.toBe(first.json.refresh_token);
  expect(await post(`${rig.issuer}/token`, again)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } });
  expect((await rpc(rig.url, second.json.access_token!, 'read')).status).toBe(401);
  expect(rig.tokenRequests.map(({ grant, status }) => `${grant} ${status}`)).toEqual([
    'authorization_code 200',
    'refresh_token 200',
    'refresh_token 400',
  ]);
});

it('knows a person who refuses', async () => {
  await using rig = await startOAuthRig();
  rig.person = 'deny';
  const { client_id } = await registered(rig.issuer);
  const challenge = createHash('sha256').update('x'.repeat(43)).digest('base64url');
  const callback = await rig.approve(
    `${rig.issuer}/auth?client_id=${client_id}&response_type=code&redirect_uri=${encodeURIComponent(redirectUri)}&scope=openid&code_challenge=${challenge}&code_challenge_method=S256`,
  );
  expect(new URL(callback).searchParams.get('error')).toBe('access_denied');
});

it('logs in a device whose code was entered elsewhere', async () => {
  await using rig = await startOAuthRig();
  const { client_id } = await registered(rig.issuer);
  const begun = await post(`${rig.issuer}/device/auth`, { client_id, scope: 'openid mcp:read', resource: rig.url });
  expect(begun.status).toBe(200);
  const poll = () =>
    post(`${rig.issuer}/token`, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id,
      device_code: begun.json.device_code!,
      resource: rig.url,
    });
  expect(await poll()).toMatchObject({ status: 400, json: { error: 'authorization_pending' } });
  await rig.approveDevice(begun.json.verification_uri_complete!);
  const done = await poll();
  expect(done.status).toBe(200);
  expect((await rpc(rig.url, done.json.access_token!, 'read')).status).toBe(200);
});

it('tells who wants to log in where to go', async () => {
  await using rig = await startOAuthRig({ metadata: (document) => ({ ...document, introspection_endpoint: undefined }) });
  const refused = await fetch(rig.url, { method: 'POST', body: '{}' });
  expect(refused.status).toBe(401);
  const hint = /resource_metadata="([^"]*)"/.exec(refused.headers.get('www-authenticate') ?? '')?.[1] ?? '';
  expect(await (await fetch(hint)).json()).toEqual({
    resource: rig.url,
    authorization_servers: [rig.issuer],
    scopes_supported: ['mcp:read', 'mcp:write'],
  });
  const metadata = await visit(`${rig.issuer}/.well-known/oauth-authorization-server`);
  expect(JSON.parse(metadata.text)).toMatchObject({ issuer: rig.issuer, code_challenge_methods_supported: ['S256'] });
});
