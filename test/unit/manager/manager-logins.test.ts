/** Logins as events: listeners hear what somebody did and how it ended, and never a token. */
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { Emitter } from '../../../src/core/events.js';
import { ManagerLogins, type ManagerLoginsParts } from '../../../src/manager/manager-logins.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';
import { serverConfig } from '../../support/fake-connection.js';

const options = { signal: new AbortController().signal, isAttended: false };

function setUp({ refuses }: { refuses?: unknown } = {}) {
  const events = new Emitter<ManagerEvent>();
  const told: ManagerEvent[] = [];
  events.onAny((event) => void told.push(event));
  const answer = async <T>(value: T) => {
    if (refuses) throw refuses;
    return value;
  };
  const parts = {
    events,
    longLived: false,
    servers: { get: () => ({ config: serverConfig({ name: 'web' }) }) },
    logins: {
      check: () => 'https://mcp.example/',
      refresh: async () => {},
      describe: async () => ({ problem: null }),
      accountFor: () => 'me',
      storedLogin: async () => undefined,
      wantedScopes: async () => [],
      save: () => answer({ resource: 'https://mcp.example/' }),
      forget: () => answer({ resource: 'https://mcp.example/', accounts: [] }),
    },
    loginFlows: async () => ({ login: () => answer({ credential: {} }) }),
  } as unknown as ManagerLoginsParts;
  return { logins: new ManagerLogins(parts), told };
}

describe('what somebody did about a login', () => {
  it('is told when it is done', async () => {
    const { logins, told } = setUp();
    await logins.saveToken('web', 'S3cr3t-token', options);
    await logins.logout('web', { ...options, allAccounts: false });
    expect(told).toEqual([
      { type: 'login-changed', server: 'web', what: 'token', outcome: 'ok' },
      { type: 'login-changed', server: 'web', what: 'logout', outcome: 'ok' },
    ]);
  });

  it('is told with the code when it failed, also of a login; who asked gets the error itself', async () => {
    const denied = new McpctlError('AUTH_DENIED', 'S3cr3t-token was refused');
    const { logins, told } = setUp({ refuses: denied });
    await expect(logins.saveToken('web', 'S3cr3t-token', options)).rejects.toBe(denied);
    const authorization = await logins.authorization('web');
    await expect(authorization.login({ account: null, scopes: null } as never, { ...options, note() {} } as never)).rejects.toBe(
      denied,
    );
    expect(told).toEqual([
      { type: 'login-changed', server: 'web', what: 'token', outcome: 'AUTH_DENIED' },
      { type: 'login-changed', server: 'web', what: 'login', outcome: 'AUTH_DENIED' },
    ]);
  });
});
