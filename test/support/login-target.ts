/** A server over HTTP as the code of logins sees it, with any options of "oauth". */
import { defaults } from '../../src/config/defaults.js';
import type { HttpDefinition, OAuthOptions, ServerConfig } from '../../src/config/schema.js';

export function loginTarget(
  url: string,
  oauth: Partial<OAuthOptions> = {},
  { connectMs = 5_000, ...more }: Partial<HttpDefinition> & { connectMs?: number } = {},
): Pick<ServerConfig, 'name' | 'oauth' | 'timeouts'> & { readonly definition: HttpDefinition } {
  return {
    name: 'github',
    definition: { type: 'http', url, headers: {}, ...more },
    oauth: { ...defaults.oauth, ...oauth },
    timeouts: { ...defaults.timeouts, connectMs },
  };
}
