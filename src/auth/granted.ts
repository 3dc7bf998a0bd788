/** What a token endpoint gave, in terms of ours: checked, with times on our clock instead of seconds. */
import { McpctlError } from '../core/errors.js';
import type { OAuthCredential } from './oauth.js';

/** RFC 6749, section 5.1, as openid-client and the SDK have it. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly refresh_token?: string | undefined;
  readonly scope?: string | undefined;
  readonly expires_in?: number | undefined;
}

export interface Granted extends Pick<OAuthCredential, 'accessToken' | 'refreshToken' | 'issuedAt' | 'expiresAt'> {
  /** Null when the answer says nothing of them: they are what was asked for. */
  readonly scopes: readonly string[] | null;
}

/** Node refuses to send more than 16 KiB of headers. */
const maxTokenCharacters = 12 * 1024;
/** Longer than anybody means; and a date stays a date. */
const maxLifeSeconds = 10 * 366 * 24 * 3600;
const maxScopes = 200;

/** @throws McpctlError `AUTH_FAILED` for a token that no request could carry */
export function granted(answer: TokenAnswer, now: Date): Granted {
  const { access_token: accessToken, refresh_token: refreshToken = null, scope, expires_in: seconds } = answer;
  if (!/^[\x21-\x7e]+$/.test(accessToken) || accessToken.length > maxTokenCharacters) {
    throw new McpctlError('AUTH_FAILED', 'The authorization server gave a token that cannot be sent in a header', {
      hint: 'tell the operator of the authorization server',
    });
  }
  const lifeMs =
    seconds === undefined || !Number.isFinite(seconds) ? null : Math.min(Math.max(seconds, 0), maxLifeSeconds) * 1000;
  return {
    accessToken,
    refreshToken: refreshToken === '' ? null : refreshToken,
    scopes: scope === undefined ? null : scopesOf(scope),
    issuedAt: now.toISOString(),
    expiresAt: lifeMs === null ? null : new Date(now.getTime() + lifeMs).toISOString(),
  };
}

/** The words of a `scope` parameter, each once; what is no scope (RFC 6749, section 3.3) is left out. */
export function scopesOf(text: string): string[] {
  const words = text.split(' ').filter((word) => /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(word));
  return [...new Set(words)].slice(0, maxScopes);
}
