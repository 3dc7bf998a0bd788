/** What a login is made of: the authorization server, the client we are to it, and what it gave us. Types only, shared by all of auth/. */
import type { AuthorizationServerMetadata } from '@modelcontextprotocol/client';

/** What the server itself said in WWW-Authenticate (RFC 9728, section 5.1; RFC 6750, section 3). */
export interface Challenge {
  readonly resourceMetadataUrl: string | null;
  /** Those that the refused request would have needed. */
  readonly scopes: readonly string[];
}

/** Made by `discover(server, { fetch, challenge, signal })` of `discovery.ts`; everything in it has been checked. */
export interface AuthorizationServer {
  /** Exactly as in its metadata; with manual endpoints the origin of the token endpoint. */
  readonly issuer: string;
  readonly metadata: AuthorizationServerMetadata;
  /** The `resource` of every authorization and token request (RFC 8707); null = the configuration omits it. */
  readonly resource: string | null;
  /** What the resource says it knows, else what the authorization server says; empty when nobody says anything. */
  readonly scopesSupported: readonly string[];
  /** What the resource itself says it knows: asked for where nobody names anything. Null = it says nothing, and so nothing is asked for. */
  readonly resourceScopes: readonly string[] | null;
}

export type ClientAuthMethod = 'none' | 'client_secret_post' | 'client_secret_basic' | 'private_key_jwt';

/** Who we are to one issuer. Made by `identify(server, as, { fetch, known, redirectUri, grantTypes, env, signal })` of `client-identity.ts`. */
export interface ClientIdentity {
  readonly source: 'static' | 'cimd' | 'dcr';
  readonly clientId: string;
  /** A secret. */
  readonly clientSecret: string | null;
  readonly authMethod: ClientAuthMethod;
  /** The callback address it was registered with (dcr); null = not registered by us. */
  readonly redirectUri: string | null;
  /** ISO 8601, UTC; null = for ever. */
  readonly secretExpiresAt: string | null;
}

/** What is stored of a login: enough to renew and to revoke it without asking anybody where to go. */
export interface OAuthCredential {
  readonly kind: 'oauth';
  /** By which way it came; `client_credentials` is renewed by a new grant. */
  readonly grant: 'authorization_code' | 'device_code' | 'client_credentials';
  readonly issuer: string;
  readonly client: ClientIdentity;
  readonly tokenEndpoint: string;
  readonly revocationEndpoint: string | null;
  readonly resource: string | null;
  readonly accessToken: string;
  readonly refreshToken: string | null;
  readonly scopes: readonly string[];
  /** Wall clock: ISO 8601, UTC. */
  readonly issuedAt: string;
  /** Null = nobody has said. */
  readonly expiresAt: string | null;
  /** Changes with every renewal: who finds another one than the one that failed uses it. */
  readonly generation: string;
}

/** What a flow ends with; `logins.ts` stores it: `saveLogin(server, result, { signal, isAttended })`. */
export interface LoginResult {
  readonly account: string;
  readonly credential: OAuthCredential;
}
