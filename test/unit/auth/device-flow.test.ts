/** The device flow on a clock of the test: how often it asks, what it waits out, and what ends it. */
import { describe, expect, it } from 'vitest';
import { beginDeviceFlow, endDeviceFlow } from '../../../src/auth/device-flow.js';
import type { GrantParts } from '../../../src/auth/grants.js';
import type { OAuthCredential } from '../../../src/auth/oauth.js';
import { ProviderTrouble } from '../../../src/auth/oauth-error.js';
import { FakeClock } from '../../support/fake-clock.js';
import { serverConfig } from '../../support/fake-connection.js';

type Answer = Record<string, unknown> | number | Error;
const pending = { error: 'authorization_pending' };
const tokens = { access_token: 'cnry-access', token_type: 'Bearer', expires_in: 60 };
const device = {
  device_code: 'cnry-device',
  user_code: 'ABCD-EFGH',
  verification_uri: 'https://as.example/device',
  expires_in: 600,
  interval: 5,
};

function setUp(...answers: Answer[]) {
  const clock = new FakeClock();
  const asked: { atMs: number; path: string; body: URLSearchParams }[] = [];
  const metadata = {
    issuer: 'https://as.example',
    token_endpoint: 'https://as.example/token',
    device_authorization_endpoint: 'https://as.example/device_authorization',
  };
  const secrets: string[] = [];
  const parts = {
    server: { ...serverConfig(), name: 'web' },
    as: { issuer: metadata.issuer, metadata, resource: 'https://mcp.example/mcp', scopesSupported: [] },
    client: {
      source: 'static',
      clientId: 'me',
      clientSecret: null,
      authMethod: 'none',
      redirectUri: null,
      secretExpiresAt: null,
    },
    clock,
    onSecret: (secret: string) => void secrets.push(secret),
    fetch: async (url: string | URL, init?: RequestInit) => {
      asked.push({ atMs: clock.now(), path: new URL(url).pathname, body: new URLSearchParams(String(init?.body)) });
      const answer = answers.shift() ?? pending;
      if (answer instanceof Error) throw answer;
      // As the fetch of a login does.
      if (typeof answer === 'number')
        throw new TypeError('trouble', { cause: new ProviderTrouble('as.example', answer, undefined, undefined) });
      return Response.json(answer, { status: 'error' in answer ? 400 : 200 });
    },
  } as unknown as GrantParts;
  return { clock, asked, parts, secrets };
}

/** Lets time pass until it has ended. */
async function end(work: Promise<OAuthCredential>, clock: FakeClock): Promise<OAuthCredential | Error> {
  let result: OAuthCredential | Error | undefined;
  work.then(
    (credential) => {
      result = credential;
    },
    (error: Error) => {
      result = error;
    },
  );
  for (let i = 0; i < 2_000 && result === undefined; i++) {
    await clock.settle();
    if (clock.pending().length > 0) await clock.advanceToNext();
  }
  return result ?? new Error('no end');
}

const signal = new AbortController().signal;

describe('the beginning', () => {
  it('asks with scopes and resource, and gives what a person needs', async () => {
    const { parts, asked, secrets } = setUp({ ...device, verification_uri_complete: 'https://as.example/device?c=1' });
    expect(await beginDeviceFlow(parts, ['a', 'b'])).toEqual({
      deviceCode: 'cnry-device',
      userCode: 'ABCD-EFGH',
      verificationUri: 'https://as.example/device',
      verificationUriComplete: 'https://as.example/device?c=1',
      intervalMs: 5_000,
      expiresAt: '2026-01-01T00:10:00.000Z',
      scopes: ['a', 'b'],
    });
    expect(Object.fromEntries(asked[0]!.body)).toMatchObject({
      scope: 'a b',
      resource: 'https://mcp.example/mcp',
      client_id: 'me',
    });
    expect(secrets).toContain('cnry-device');
  });

  it.each([
    ['javascript:alert(1)', {}],
    ['http://evil.example/', {}],
  ])('with the address %s is AUTH_FAILED', async (verification_uri) => {
    const { parts } = setUp({ ...device, verification_uri });
    await expect(beginDeviceFlow(parts, [])).rejects.toMatchObject({ code: 'AUTH_FAILED' });
  });

  it('shows no escape sequence of a code', async () => {
    const { parts } = setUp({ ...device, user_code: '\x1b[2JAB\u202eCD' });
    expect((await beginDeviceFlow(parts, [])).userCode).toBe('AB<U+202E>CD');
  });
});

describe('the wait', () => {
  const flow = {
    deviceCode: 'cnry-device',
    userCode: 'X',
    verificationUri: 'https://as.example/device',
    verificationUriComplete: null,
    intervalMs: 5_000,
    expiresAt: '2026-01-01T00:10:00.000Z',
    scopes: ['a'],
  };

  it('asks every 5 s, and 5 s slower after each slow_down', async () => {
    const { parts, asked, clock } = setUp(pending, { error: 'slow_down' }, pending, { error: 'slow_down' }, tokens);
    const credential = await end(endDeviceFlow(flow, parts, { signal }), clock);
    expect(credential).toMatchObject({ kind: 'oauth', grant: 'device_code', accessToken: 'cnry-access', scopes: ['a'] });
    expect(asked.map(({ atMs }) => atMs)).toEqual([5_000, 10_000, 20_000, 30_000, 45_000]);
    expect(Object.fromEntries(asked[0]!.body)).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: 'cnry-device',
      resource: 'https://mcp.example/mcp',
    });
  });

  it('asks at once when it is taken up again', async () => {
    const { parts, asked, clock } = setUp(tokens);
    await end(endDeviceFlow(flow, parts, { signal, atOnce: true }), clock);
    expect(asked.map(({ atMs }) => atMs)).toEqual([0]);
  });

  it('waits out a provider in trouble, twice as long each time', async () => {
    const { parts, asked, clock } = setUp(503, 503, tokens);
    expect(await end(endDeviceFlow(flow, parts, { signal }), clock)).toMatchObject({ kind: 'oauth' });
    expect(asked.map(({ atMs }) => atMs)).toEqual([5_000, 15_000, 35_000]);
  });

  it.each([
    ['access_denied', 'AUTH_DENIED'],
    ['expired_token', 'TIMEOUT'],
    ['invalid_grant', 'AUTH_FAILED'],
  ])('ends with %s as %s', async (error, code) => {
    const { parts, clock } = setUp(pending, { error });
    expect(await end(endDeviceFlow(flow, parts, { signal }), clock)).toMatchObject({ code, details: { error } });
  });

  it('ends when the code has expired by our clock, with a provider that says nothing of it', async () => {
    const { parts, asked, clock } = setUp();
    expect(await end(endDeviceFlow(flow, parts, { signal }), clock)).toMatchObject({ code: 'TIMEOUT' });
    expect(asked.at(-1)!.atMs).toBe(600_000);
    expect(clock.pending()).toEqual([]);
  });

  it('ends with the signal, mid-wait, and asks no more', async () => {
    const { parts, asked, clock } = setUp();
    const controller = new AbortController();
    const waiting = endDeviceFlow(flow, parts, { signal: controller.signal });
    await clock.advance(6_000);
    controller.abort(new Error('Ctrl-C'));
    await expect(waiting).rejects.toThrow('Ctrl-C');
    expect(asked).toHaveLength(1);
    expect(clock.pending()).toEqual([]);
  });
});
