/** What one connection sends to say who we are: the token or the login that is stored, looked for when the first request needs it. */
import type { OAuthOptions } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import { scopesOf } from './granted.js';
import type { OAuthCredential } from './oauth.js';

/** What there is to send. */
export type Source =
  | { readonly kind: 'bearer'; readonly token: string }
  | {
      readonly kind: 'login';
      readonly life: {
        token(signal: AbortSignal): Promise<string>;
        refused(token: string | undefined, isRepeat: boolean, signal: AbortSignal): Promise<string>;
      };
    };

export interface SourceParts {
  /** The configured name. */
  readonly server: string;
  find(signal: AbortSignal): Promise<Source | undefined>;
  /** Keeps scopes for the next login. */
  wantScopes(scopes: readonly string[], signal: AbortSignal): Promise<void>;
}

interface Refused {
  readonly token: string | undefined;
  readonly status: 401 | 403;
  readonly challenge: string | null;
  readonly isRepeat: boolean;
}

export class ServerCredentials {
  readonly #parts: SourceParts;
  #source: Promise<Source | undefined> | undefined;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  async token(signal: AbortSignal): Promise<string | undefined> {
    const source = await this.#find(signal);
    return source?.kind === 'login' ? source.life.token(signal) : source?.token;
  }

  async refused({ token, status, challenge, isRepeat }: Refused, signal: AbortSignal): Promise<string | undefined> {
    const source = await this.#find(signal);
    if (status === 401) return source?.kind === 'login' ? source.life.refused(token, isRepeat, signal) : undefined;
    if (parameterOf(challenge, 'error') !== 'insufficient_scope') return undefined;
    throw await this.#stepUp(scopesOf(parameterOf(challenge, 'scope') ?? ''), source, signal);
  }

  /** The server asks for more than this login may do (MCP specification, authorization, "Scope Challenge Handling"). */
  async #stepUp(scopes: readonly string[], source: Source | undefined, signal: AbortSignal): Promise<McpctlError> {
    const { server, wantScopes } = this.#parts;
    // The call has failed already; that this was not written down must not hide why.
    if (scopes.length > 0) await wantScopes(scopes, signal).catch(() => {});
    const what = scopes.length > 0 ? `the scopes ${scopes.join(' ')}` : 'more scopes than were granted';
    const hint =
      source?.kind === 'bearer'
        ? `give it a token that may do this: mcpctl auth-save ${server}`
        : `allow it: mcpctl auth ${server}`;
    return new McpctlError('AUTH_REQUIRED', `Server "${server}" wants ${what} for this (HTTP 403)`, {
      server,
      hint,
      details: { status: 403, scopes },
      delivered: 'no',
    });
  }

  #find(signal: AbortSignal): Promise<Source | undefined> {
    this.#source ??= this.#parts.find(signal).catch((error: unknown) => {
      this.#source = undefined;
      throw error;
    });
    return this.#source;
  }
}

/** A parameter of a WWW-Authenticate header (RFC 9110, section 11.2), unquoted. */
export function parameterOf(header: string | null, name: 'error' | 'scope'): string | undefined {
  const [, quoted, plain] =
    new RegExp(`(?:^|[\\s,])${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]+))`, 'i').exec(header ?? '') ?? [];
  return quoted?.replace(/\\(.)/g, '$1') ?? plain;
}

/** Whether a login was made with what the configuration says now: another client, or other addresses, make it another login. */
export function fits(login: OAuthCredential, { clientId, tokenEndpoint, resource, omitResource }: OAuthOptions): boolean {
  if (clientId !== null && login.client.clientId !== clientId) return false;
  if (tokenEndpoint !== null && login.tokenEndpoint !== tokenEndpoint) return false;
  if (omitResource) return login.resource === null;
  return resource === null || login.resource === resource;
}
