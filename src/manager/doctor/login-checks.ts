/** The login to a server over HTTP: where it would be made, as whom, and what is stored of it. Registers nothing, asks for no code. */
import type { AuthorizationServer, ClientIdentity, OAuthCredential } from '../../auth/oauth.js';
import { hasAuthorization } from '../../config/schema.js';
import { formatDuration } from '../../core/duration.js';
import { McpctlError } from '../../core/errors.js';
import { type Finding, found, foundError } from './chain.js';
import type { DoctorCode } from './codes.js';
import type { Subject } from './subject.js';

/** Of a browser, the usual way. */
const grantTypes = ['authorization_code', 'refresh_token'];

export async function checkWellKnown(subject: Subject, signal: AbortSignal): Promise<Finding> {
  const { server, http, parts, wantsLogin } = subject;
  if (hasAuthorization(http.headers)) return found('NOT_NEEDED', 'the configuration has an Authorization header');
  const known = parts.logins?.known(server);
  const isLogin = known !== undefined && known.issuer !== null;
  if (!wantsLogin && !isLogin) return found('NOT_NEEDED', 'it asks for no login');
  const [{ discover }, { createOAuthFetch }] = await Promise.all([
    import('../../auth/discovery.js'),
    import('../../auth/oauth-fetch.js'),
  ]);
  const { clock, env } = parts;
  let host = new URL(http.url).host;
  await using asker = createOAuthFetch({ server, env, clock, signal, onResponseDate: (date) => subject.sawDate(host, date) });
  const fetch: typeof asker.fetch = (url, init) => {
    host = new URL(url).host;
    return asker.fetch(url, init);
  };
  try {
    const as = await discover(server, { fetch, challenge: subject.challenge, signal });
    subject.authorizationServer = as;
    return pkceOf(subject, as);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    // A token that somebody brought along needs nobody to be found.
    if (known?.issuer === null) return found('NOT_NEEDED', 'a token is stored, and is sent as it is');
    return foundError(metadataCode(error), error);
  }
}

function metadataCode({ code, details }: McpctlError): DoctorCode {
  if (code === 'AUTH_UNAVAILABLE') return 'METADATA_UNREACHABLE';
  const reason = details?.reason;
  if (reason === 'pkce') return 'PKCE_MISSING';
  if (reason === 'no-metadata') return 'METADATA_MISSING';
  if (reason === 'blocked' || reason === 'address') return 'METADATA_ADDRESS_REFUSED';
  return details?.step === 'resource-metadata' ? 'RESOURCE_METADATA_INVALID' : 'SERVER_METADATA_INVALID';
}

function pkceOf({ server }: Subject, { issuer, metadata }: AuthorizationServer): Finding {
  const { authEndpoint, tokenEndpoint } = server.oauth;
  if (authEndpoint !== null && tokenEndpoint !== null)
    return found('OK', `${issuer}, given by "authEndpoint" and "tokenEndpoint"`);
  if (metadata.code_challenge_methods_supported?.includes('S256')) return found('OK', `${issuer}, with PKCE (S256)`);
  const what = `${issuer} does not say that it protects logins with PKCE; "assumeS256" says it in its place`;
  return found('PKCE_ASSUMED', what, 'take "assumeS256" out of the configuration when the provider says it itself');
}

export async function checkRegistration(subject: Subject, signal: AbortSignal): Promise<Finding> {
  const { authorizationServer: as, server, parts } = subject;
  if (!as) return found('NOT_NEEDED', 'no login is to be made');
  const login = await storedLogin(subject, signal);
  const { planIdentity } = await import('../../auth/client-identity.js');
  try {
    const identity = await planIdentity(server, as, {
      ...{ known: login?.client ?? null, knownIssuer: login?.issuer ?? null },
      ...{ redirectUri: login?.client.redirectUri ?? null, grantTypes, env: parts.env, clock: parts.clock },
    });
    return found('OK', identity ? wayOf(identity) : `would register itself at ${as.issuer}; nothing was registered now`);
  } catch (error) {
    if (!(error instanceof McpctlError)) throw error;
    return foundError(login ? 'CLIENT_UNUSABLE' : 'REGISTRATION_IMPOSSIBLE', error);
  }
}

function wayOf({ source, clientId, authMethod }: ClientIdentity): string {
  if (source === 'static') return `as the "clientId" of the configuration (${authMethod})`;
  return source === 'cimd' ? `by the document ${clientId}` : 'as registered at the login before';
}

/** A store that cannot be read is the business of the step after this one. */
async function storedLogin({ parts, server }: Subject, signal: AbortSignal): Promise<OAuthCredential | undefined> {
  const { logins } = parts;
  if (!logins?.known(server)?.issuer) return undefined;
  return logins.storedLogin(server, { signal, isAttended: false }).catch((error: unknown) => {
    signal.throwIfAborted();
    if (error instanceof McpctlError) return undefined;
    throw error;
  });
}

export async function checkToken(subject: Subject, signal: AbortSignal): Promise<Finding> {
  const { server, http, parts, wantsLogin } = subject;
  if (hasAuthorization(http.headers)) return found('OK', 'the Authorization header of the configuration');
  const credentials = parts.logins?.credentialsFor(server);
  const { name } = server;
  const missing = found('TOKEN_MISSING', 'nobody has logged in', `mcpctl auth ${name}`);
  const known = parts.logins?.known(server);
  if (!parts.logins || !credentials || !known) return wantsLogin ? missing : found('NOT_NEEDED', 'it asks for no login');
  try {
    // As every request does it: a token whose time is nearly over is renewed.
    const token = await credentials.token(signal);
    if (token === undefined) {
      const what = 'what is stored is missing in its store, or does not fit the configuration';
      return found(wantsLogin ? 'TOKEN_MISSING' : 'NOT_NEEDED', what, `mcpctl auth ${name}`);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof McpctlError)) throw error;
    const codes: Readonly<Record<string, DoctorCode>> = {
      AUTH_UNAVAILABLE: 'TOKEN_RENEWAL_FAILED',
      CREDENTIAL_STORE: 'TOKEN_STORE_FAILED',
    };
    return foundError(codes[error.code] ?? 'TOKEN_REFUSED', error);
  }
  await parts.logins.refresh();
  const { account, store, expiresAt, issuer } = parts.logins.known(server) ?? known;
  const leftMs = expiresAt === null ? undefined : Date.parse(expiresAt) - parts.clock.date().getTime();
  const place = { keychain: 'in the keychain', file: 'in the encrypted file', memory: 'in memory' }[store];
  if (leftMs !== undefined && leftMs <= 0)
    return found(
      'TOKEN_EXPIRED',
      `its time is over since ${formatDuration(-leftMs)} (account ${account})`,
      `mcpctl auth ${name}`,
    );
  const life = leftMs === undefined ? 'no end stated' : `${formatDuration(leftMs)} left`;
  return found('OK', `${issuer === null ? 'a token of your own' : `account ${account}`}, ${life}, ${place}`);
}
