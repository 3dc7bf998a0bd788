/** The device flow (RFC 8628): a short code that is typed into a browser anywhere, while this process asks whether that has happened. */
import type { Clock } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import { openableUrl } from '../io/open-url.js';
import { type GrantParts, openidFor, requestTokens, withResource } from './grants.js';
import type { OAuthCredential } from './oauth.js';
import { oauthError } from './oauth-error.js';

/** Plain data: it may be written down, and read by another process. */
export interface DeviceFlow {
  /** A secret. */
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  /** With the code in it, where the provider offers that. */
  readonly verificationUriComplete: string | null;
  readonly intervalMs: number;
  /** ISO 8601, UTC. */
  readonly expiresAt: string;
  readonly scopes: readonly string[];
}

const defaultIntervalMs = 5_000;
/** RFC 8628, section 3.5. */
const slowDownMs = 5_000;
const maxIntervalMs = 60_000;
const maxLifeMs = 30 * 60_000;

/** @throws McpctlError `AUTH_FAILED` when the provider has no such flow, `AUTH_UNAVAILABLE` */
export async function beginDeviceFlow(parts: GrantParts, scopes: readonly string[]): Promise<DeviceFlow> {
  const { server, as, clock, onSecret } = parts;
  requireDeviceFlow(parts);
  try {
    const [{ initiateDeviceAuthorization }, configuration] = await Promise.all([import('openid-client'), openidFor(parts)]);
    const parameters = withResource(scopes.length > 0 ? { scope: scopes.join(' ') } : {}, as);
    const answer = await initiateDeviceAuthorization(configuration, parameters);
    onSecret(answer.device_code);
    const { interval = defaultIntervalMs / 1000, verification_uri_complete: complete } = answer;
    const lifeMs = Math.min(answer.expires_in * 1000, maxLifeMs);
    return {
      deviceCode: answer.device_code,
      userCode: sanitizeLine(answer.user_code, 100),
      verificationUri: openableUrl(answer.verification_uri),
      verificationUriComplete: complete === undefined ? null : openableUrl(complete),
      intervalMs: Math.min(Math.max(interval * 1000, 1000), maxIntervalMs),
      expiresAt: new Date(clock.date().getTime() + lifeMs).toISOString(),
      scopes,
    };
  } catch (error) {
    throw oauthError(error, { server, step: 'device' });
  }
}

/** @throws McpctlError `AUTH_FAILED`, with the name of what is missing */
export function requireDeviceFlow({ server, as }: Pick<GrantParts, 'server' | 'as'>): void {
  if ('device_authorization_endpoint' in as.metadata) return;
  throw new McpctlError('AUTH_FAILED', `The authorization server of "${server.name}" has no device login`, {
    server: server.name,
    hint: `its metadata has no device_authorization_endpoint; without a browser here: mcpctl auth ${server.name} --no-browser`,
    details: { step: 'device', missing: 'device_authorization_endpoint' },
  });
}

/**
 * Asks until the person has decided, at the pace that the provider wants. What passes by itself is waited out.
 *
 * @throws McpctlError `AUTH_DENIED`, `TIMEOUT` when the code has expired, `AUTH_FAILED`; `signal.reason`
 */
export async function endDeviceFlow(
  flow: DeviceFlow,
  parts: GrantParts,
  { signal, atOnce = false }: { signal: AbortSignal; atOnce?: boolean },
): Promise<OAuthCredential> {
  const { server, clock, onSecret } = parts;
  onSecret(flow.deviceCode);
  let waitMs = flow.intervalMs;
  for (let asked = 0; ; asked++) {
    if (asked > 0 || !atOnce) await clock.sleep(waitMs, signal);
    signal.throwIfAborted();
    try {
      const parameters = { device_code: flow.deviceCode };
      return await requestTokens({ kind: 'device_code', parameters, scopes: flow.scopes }, parts);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof McpctlError)) throw error;
      const word = error.details?.error;
      if (word === 'access_denied') throw denied(error, server.name);
      if (word === 'expired_token' || isOver(flow, clock)) throw expired(error, server.name);
      if (word === 'slow_down') waitMs = Math.min(waitMs + slowDownMs, maxIntervalMs);
      else if (error.code === 'AUTH_UNAVAILABLE') waitMs = Math.min(waitMs * 2, maxIntervalMs);
      else if (word !== 'authorization_pending') throw error;
    }
  }
}

function isOver({ expiresAt }: DeviceFlow, clock: Clock): boolean {
  return expiresAt <= clock.date().toISOString();
}

function denied(cause: McpctlError, server: string): McpctlError {
  return new McpctlError('AUTH_DENIED', `The login of "${server}" was declined`, {
    server,
    cause,
    hint: `to try again: mcpctl auth ${server} --device`,
    details: cause.details,
  });
}

function expired(cause: McpctlError, server: string): McpctlError {
  return new McpctlError('TIMEOUT', `Nobody entered the code for "${server}" in time`, {
    server,
    cause,
    hint: `to get another: mcpctl auth ${server} --device`,
    details: cause.details,
  });
}
