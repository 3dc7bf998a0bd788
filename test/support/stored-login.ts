/** A login that is there already when a test begins: stored as mcpctl does it, in the folders of a home. */
import { fileURLToPath } from 'node:url';
import { Logins } from '../../src/auth/logins.js';
import type { OAuthCredential } from '../../src/auth/oauth.js';
import type { CredentialStore, ServerConfig } from '../../src/config/schema.js';
import { type Clock, systemClock } from '../../src/core/clock.js';
import { serverConfig } from './fake-connection.js';
import type { TempHome } from './temp-home.js';

const keychainHelper = fileURLToPath(new URL('../../dist/keychain-helper.cjs', import.meta.url));

/** A server over HTTP as the configuration would have it. */
export function httpServer(url: string, more: Partial<ServerConfig> = {}): ServerConfig {
  return serverConfig({ name: 'web', definition: { type: 'http', url, headers: {} } as ServerConfig['definition'], ...more });
}

export interface LoginsIn {
  readonly store?: CredentialStore;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly onSecret?: (secret: string) => void;
}

/** The logins of a home, in this process. */
export function loginsIn(
  home: TempHome,
  { store = 'file', env = {}, clock = systemClock, onSecret = () => {} }: LoginsIn = {},
): Logins {
  return new Logins({
    configDir: home.configDir,
    stateDir: home.stateDir,
    env: { ...home.env, ...env, MCPCTL_CREDENTIAL_STORE: store },
    clock,
    pid: process.pid,
    keychainHelper,
    isAttended: false,
    configured: () => store,
    onSecret,
    onWarning: () => {},
  });
}

/** Logs in to `server` without a flow. */
export async function storeLogin(
  home: TempHome,
  server: ServerConfig,
  credential: OAuthCredential,
  { account = 'default', ...options }: LoginsIn & { account?: string } = {},
): Promise<void> {
  await using logins = loginsIn(home, options);
  await logins.saveLogin(server, { account, credential }, { signal: new AbortController().signal, isAttended: false });
}
