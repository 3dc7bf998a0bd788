/** When a login is renewed, and what a person is told of it, for every answer about its life that a provider may give. */
import { describe, expect, it } from 'vitest';
import { loginState, stageOf } from '../../../src/auth/expiry.js';
import { granted } from '../../../src/auth/granted.js';

const start = new Date('2026-01-01T00:00:00Z');
const later = (seconds: number) => new Date(start.getTime() + seconds * 1000);
/** A login that was given at the start, with this for `expires_in`. */
const given = (expiresIn: number | undefined) => granted({ access_token: 'token-1', expires_in: expiresIn }, start);

describe('a token', () => {
  it.each([
    ['of an hour: 6 minutes before its end', 3600, 3239, 3241, 3600],
    ['of 10 minutes: a minute before its end', 600, 539, 541, 600],
    ['of a minute: half of it before its end', 60, 29, 31, 60],
    ['of 4 seconds: half of it before its end', 4, 1.9, 2.1, 4],
  ])('%s it is due', (_, seconds, freshAt, dueAt, overAt) => {
    expect(stageOf(given(seconds), later(freshAt))).toBe('fresh');
    expect(stageOf(given(seconds), later(dueAt))).toBe('due');
    expect(stageOf(given(seconds), later(overAt))).toBe('over');
  });

  it.each([[undefined], [0], [-5], [Number.NaN], [Number.POSITIVE_INFINITY]])(
    'with an expires_in of %s is used until the server refuses it',
    (seconds) => {
      for (const at of [0, 1, 3600, 1e7]) expect(stageOf(given(seconds), later(at))).toBe('fresh');
    },
  );

  it.each([[1e12], [30 * 86_400]])(
    'with an expires_in of %d s is due after 21.6 hours of a planned day, and not over',
    (seconds) => {
      const day = 86_400;
      expect(stageOf(given(seconds), later(0.89 * day))).toBe('fresh');
      expect(stageOf(given(seconds), later(0.91 * day))).toBe('due');
      expect(stageOf(given(seconds), later(2 * day))).toBe('due');
    },
  );

  it('is renewed early by a clock that jumped 10 minutes ahead, and late by one that was set back', () => {
    expect(stageOf(given(900), later(300))).toBe('fresh');
    expect(stageOf(given(900), later(300 + 600))).toBe('over');
    expect(stageOf(given(900), later(300 - 600))).toBe('fresh');
  });
});

describe('what is told of it', () => {
  it.each([
    [0, true, 'valid'],
    [3300, true, 'expiring'],
    [3601, true, 'expired'],
    [3601, false, 'required'],
  ] as const)('after %d of 3600 s, renewable %s: %s', (seconds, renewable, state) => {
    expect(loginState({ ...given(3600), renewable }, later(seconds))).toBe(state);
  });

  it('is valid where nobody has said when it ends, and of 30 days it is valid on the third', () => {
    expect(loginState({ issuedAt: null, expiresAt: null, renewable: false }, later(1e9))).toBe('valid');
    expect(loginState({ ...given(30 * 86_400), renewable: true }, later(3 * 86_400))).toBe('valid');
  });
});

describe('what a token endpoint gave', () => {
  it('keeps a date within what dates can be', () => {
    expect(given(1e300).expiresAt).toMatch(/^2036-/);
  });

  it('has its scopes once each, without what is none', () => {
    expect(granted({ access_token: 'a', scope: 'read  write read "no" x\u0000y' }, start).scopes).toEqual(['read', 'write']);
    expect(granted({ access_token: 'a' }, start).scopes).toBeNull();
  });

  it.each([[''], ['two words'], ['line\nbreak'], ['schlüssel'], ['x'.repeat(13_000)]])('is refused as the token %j', (token) => {
    expect(() => granted({ access_token: token }, start)).toThrow(/cannot be sent in a header/);
  });
});
