/** The life of a stored login, on a clock of the test: one renewal for everybody, quiet after failures, and an end that touches nobody else's login. */
import { describe, expect, it } from 'vitest';
import type { OAuthCredential } from '../../../src/auth/oauth.js';
import { MemoryLock } from '../../../src/auth/renewal-lock.js';
import { TokenLife } from '../../../src/auth/token-life.js';
import { McpctlError } from '../../../src/core/errors.js';
import { FakeClock } from '../../support/fake-clock.js';

const { signal } = new AbortController();
const start = new Date('2026-01-01T00:00:00Z').getTime();
const iso = (seconds: number) => new Date(start + seconds * 1000).toISOString();

/** Given at the start, ends after `seconds`. */
function login(seconds: number | null, more: Partial<OAuthCredential> = {}): OAuthCredential {
  return {
    kind: 'oauth',
    grant: 'authorization_code',
    issuer: 'https://auth.example',
    client: { source: 'dcr', clientId: 'c', clientSecret: null, authMethod: 'none', redirectUri: null, secretExpiresAt: null },
    tokenEndpoint: 'https://auth.example/token',
    revocationEndpoint: null,
    resource: null,
    accessToken: 'access-0',
    refreshToken: 'refresh-0',
    scopes: [],
    issuedAt: iso(0),
    expiresAt: seconds === null ? null : iso(seconds),
    generation: 'g0',
    ...more,
  };
}

const unavailable = () => new McpctlError('AUTH_UNAVAILABLE', 'down', { details: { step: 'refresh' } });
const refusedGrant = (error: string) => new McpctlError('AUTH_FAILED', error, { details: { error } });

/** A life whose store and authorization server the test holds in its hands. */
function made(first: OAuthCredential) {
  const clock = new FakeClock({ date: iso(0) });
  const lifetime = new AbortController();
  const lock = new MemoryLock();
  const state = {
    stored: first as OAuthCredential | undefined,
    asked: 0,
    log: [] as string[],
    failing: undefined as (() => Error) | undefined,
    storeFails: undefined as ((what: string) => Error | undefined) | undefined,
    answer: undefined as Promise<void> | undefined,
    /** Runs while the authorization server is asked. */
    meanwhile: () => {},
  };
  const guard = (what: string) => {
    state.log.push(what);
    const error = state.storeFails?.(what);
    if (error) throw error;
  };
  const life = new TokenLife(
    {
      server: 'web',
      clock,
      lock,
      lifetime: lifetime.signal,
      store: {
        read: async () => {
          guard('read');
          return state.stored;
        },
        probe: async () => guard('probe'),
        replace: async (next) => {
          guard('replace');
          state.stored = next;
        },
      },
      renew: async (old) => {
        const number = ++state.asked;
        state.log.push('renew');
        state.meanwhile();
        await state.answer;
        if (state.failing) throw state.failing();
        const seconds = (clock.date().getTime() - start) / 1000;
        return {
          ...old,
          accessToken: `access-${number}`,
          refreshToken: `refresh-${number}`,
          issuedAt: iso(seconds),
          expiresAt: iso(seconds + 3600),
          generation: `g${number}`,
        };
      },
    },
    first,
  );
  return { life, clock, state, lifetime, lock };
}

describe('a token whose time is over', () => {
  it('is renewed once for 50 requests at the same time, and stored before any of them has it', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    const tokens = await Promise.all(Array.from({ length: 50 }, () => life.token(signal)));
    expect(new Set(tokens)).toEqual(new Set(['access-1']));
    expect(state.log).toEqual(['read', 'probe', 'renew', 'replace']);
    expect(await life.token(signal)).toBe('access-1');
    expect(state.asked).toBe(1);
  });

  it('is not asked for when another process has renewed it', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    state.stored = login(7200, { accessToken: 'of-another', generation: 'g9' });
    expect(await life.token(signal)).toBe('of-another');
    expect(state.asked).toBe(0);
  });

  it('without a way to renew it is sent, because the server knows best', async () => {
    const { life, clock, state } = made(login(3600, { refreshToken: null }));
    await clock.advance(3_700_000);
    expect(await life.token(signal)).toBe('access-0');
    await expect(life.refused('access-0', false, signal)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    expect(state.asked).toBe(0);
  });

  it('that was removed from the store needs a login', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    state.stored = undefined;
    await expect(life.token(signal)).rejects.toMatchObject({ code: 'AUTH_REQUIRED', hint: 'log in anew: mcpctl auth web' });
  });
});

describe('a token that is due', () => {
  it('is renewed 6 minutes before the end of its hour', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_239_000);
    expect(await life.token(signal)).toBe('access-0');
    await clock.advance(2_000);
    expect(await life.token(signal)).toBe('access-1');
    expect(state.asked).toBe(1);
  });

  it('goes on being used when its renewal fails or takes over 2 s, and is not tried again for 30 s', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_300_000);
    state.failing = unavailable;
    expect(await life.token(signal)).toBe('access-0');
    await clock.advance(29_000);
    expect(await life.token(signal)).toBe('access-0');
    expect(state.asked).toBe(1);
    state.failing = undefined;
    let arrive = () => {};
    state.answer = new Promise((resolve) => {
      arrive = resolve;
    });
    await clock.advance(2_000);
    const slow = life.token(signal);
    await clock.advance(2_000);
    expect(await slow).toBe('access-0');
    arrive();
    await life.idle();
    expect(await life.token(signal)).toBe('access-2');
    expect(clock.pending()).toEqual([]);
  });
});

describe('a refused token', () => {
  it('is renewed once for 50 refusals, and a late refusal of the old one gets the new one', async () => {
    const { life, state } = made(login(3600));
    const tokens = await Promise.all(Array.from({ length: 50 }, () => life.refused('access-0', false, signal)));
    expect(new Set(tokens)).toEqual(new Set(['access-1']));
    expect(await life.refused('access-0', false, signal)).toBe('access-1');
    expect(state.asked).toBe(1);
  });

  it('that is new costs no further renewal for 30 s', async () => {
    const { life, clock, state } = made(login(3600));
    await life.refused('access-0', false, signal);
    await expect(life.refused('access-1', true, signal)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    await expect(life.refused('access-1', false, signal)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    expect(state.asked).toBe(1);
    await clock.advance(30_000);
    expect(await life.refused('access-1', false, signal)).toBe('access-2');
  });

  it('whose renewal fails for now is AUTH_UNAVAILABLE with the time until the next try; a person may ask at once', async () => {
    const { life, clock, state } = made(login(null));
    state.failing = unavailable;
    await expect(life.refused('access-0', false, signal)).rejects.toMatchObject({ code: 'AUTH_UNAVAILABLE', message: 'down' });
    await clock.advance(10_000);
    await expect(life.refused('access-0', false, signal)).rejects.toMatchObject({
      message: 'down (not tried again for 20 s)',
      details: { retryAfterMs: 20_000 },
    });
    expect(state.asked).toBe(1);
    expect(state.stored).toEqual(login(null));
    life.retryNow();
    state.failing = undefined;
    expect(await life.refused('access-0', false, signal)).toBe('access-2');
  });
});

describe('a refresh token that is refused', () => {
  it('is forgotten, with nothing else of the login, and never sent again', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    state.failing = () => refusedGrant('invalid_grant');
    await expect(life.token(signal)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    expect(state.stored).toEqual(login(3600, { refreshToken: null, generation: state.stored!.generation }));
    expect(state.stored!.generation).not.toBe('g0');
    await expect(life.refused('access-0', false, signal)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    expect(state.asked).toBe(1);
  });

  it('leaves a login alone that was stored meanwhile, and uses it', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    const other = login(7200, { accessToken: 'of-another', generation: 'g9' });
    state.failing = () => refusedGrant('invalid_grant');
    state.meanwhile = () => {
      state.stored = other;
    };
    expect(await life.token(signal)).toBe('of-another');
    expect(state.stored).toBe(other);
  });

  it('while the token still works ends nothing yet', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_300_000);
    state.failing = () => refusedGrant('invalid_grant');
    expect(await life.token(signal)).toBe('access-0');
    expect(await life.token(signal)).toBe('access-0');
    expect(state.asked).toBe(1);
  });

  it('with the registration behind it marks that as over; a client of the configuration is kept as it is', async () => {
    const registered = made(login(null));
    registered.state.failing = () => refusedGrant('invalid_client');
    await expect(registered.life.refused('access-0', false, signal)).rejects.toMatchObject({ code: 'AUTH_REQUIRED' });
    expect(registered.state.stored!.client.secretExpiresAt).toBe(iso(0));
    const known = login(null, { client: { ...login(null).client, source: 'static' } });
    const configured = made(known);
    configured.state.failing = () => refusedGrant('invalid_client');
    await expect(configured.life.refused('access-0', false, signal)).rejects.toMatchObject({ code: 'AUTH_FAILED' });
    expect(configured.state.stored).toBe(known);
  });
});

describe('a store that cannot be written to', () => {
  const full = new McpctlError('CREDENTIAL_STORE', 'full');

  it('is found out before the refresh token is spent', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    state.storeFails = (what) => (what === 'probe' ? full : undefined);
    await expect(life.token(signal)).rejects.toMatchObject({ code: 'CREDENTIAL_STORE', server: 'web' });
    expect(state.asked).toBe(0);
  });

  it('after that keeps the new token unused until it is stored, without asking anew', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    state.storeFails = (what) => (what === 'replace' ? full : undefined);
    await expect(life.token(signal)).rejects.toMatchObject({ code: 'CREDENTIAL_STORE' });
    state.storeFails = undefined;
    expect(await life.token(signal)).toBe('access-1');
    expect(state.stored!.refreshToken).toBe('refresh-1');
    expect(state.asked).toBe(1);
  });
});

describe('whoever waits', () => {
  it('may leave: the renewal goes on for the others', async () => {
    const { life, clock, state } = made(login(3600));
    await clock.advance(3_700_000);
    const leaving = new AbortController();
    let arrive = () => {};
    state.answer = new Promise((resolve) => {
      arrive = resolve;
    });
    const left = life.token(leaving.signal);
    const stayed = life.token(signal);
    leaving.abort(new McpctlError('CANCELLED', 'enough'));
    await expect(left).rejects.toMatchObject({ code: 'CANCELLED' });
    arrive();
    expect(await stayed).toBe('access-1');
    expect(state.asked).toBe(1);
  });

  it('for another process that failed meanwhile fails with it, without a request', async () => {
    const { life, clock, state, lock } = made(login(3600));
    await clock.advance(3_700_000);
    lock.failureSince = (async () => ({ generation: 'g0', at: 1, code: 'AUTH_UNAVAILABLE' })) as never;
    await expect(life.token(signal)).rejects.toMatchObject({ code: 'AUTH_UNAVAILABLE' });
    expect(state.asked).toBe(0);
  });
});
