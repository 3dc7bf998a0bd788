/** Which scopes a login asks for: never fewer than what the server, the configuration or an earlier login has named. */
import type { AuthorizationServer } from './oauth.js';

export interface ScopeSources {
  /** `--scope`: exactly these. */
  readonly wished: readonly string[] | null;
  /** Of the login that is there, and those that a refused request would have needed since (RFC 9470 calls it step-up). */
  readonly earlier: readonly string[];
  /** What the server's WWW-Authenticate names. */
  readonly challenged: readonly string[];
  /** `oauth.scopes` */
  readonly configured: readonly string[] | null;
  readonly as: Pick<AuthorizationServer, 'metadata' | 'resourceScopes'>;
  /** A grant that can end in a refresh token. */
  readonly renewable: boolean;
}

/** Asks for a refresh token where a provider gives none by itself. */
const offline = 'offline_access';

/** Empty: the parameter is left out, and the provider decides. */
export function scopesToAsk({ wished, earlier, challenged, configured, as, renewable }: ScopeSources): string[] {
  const named = wished ?? [...earlier, ...challenged, ...(configured ?? [])];
  const scopes = new Set(named.length > 0 ? named : (as.resourceScopes ?? []));
  // Alone it would take the place of what the provider gives when nothing is asked for.
  if (renewable && scopes.size > 0 && as.metadata.scopes_supported?.includes(offline)) scopes.add(offline);
  return [...scopes];
}
