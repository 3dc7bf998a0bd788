/** The "oauth" of a server on its way from a file into force: what is expanded, what is masked, what is warned about, what a project may say. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaults } from '../../src/config/defaults.js';
import { describeServer } from '../../src/config/describe.js';
import { explainServer } from '../../src/config/explain.js';
import { approveProposal, readProposal } from '../../src/config/proposal.js';
import { systemClock } from '../../src/core/clock.js';
import { loadFor, serverOf } from '../support/load-config.js';
import { tempHome } from '../support/temp-home.js';

const url = 'https://x.example/mcp';
const told = (problems: readonly { severity: string; path: string; message: string }[]) =>
  problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);

describe('oauth of a server', () => {
  it('takes all 16 keys over, the secret expanded and the key file absolute, and warns about nothing', async () => {
    await using home = await tempHome();
    const oauth = {
      registration: 'static',
      scopes: ['a', 'b'],
      account: 'work',
      clientId: 'client-1',
      resource: 'https://other.example/mcp',
      omitResource: false,
      authorizationParams: { audience: 'x' },
      authEndpoint: 'https://login.example/authorize?p=1',
      tokenEndpoint: 'http://127.0.0.1:9000/token',
      callbackPort: 8123,
      allowHosts: ['10.0.0.7'],
      assumeS256: true,
      clientMetadataUrl: 'https://example.com/mcpctl.json',
    };
    await home.writeConfig({
      mcpServers: {
        a: { url, oauth: { ...oauth, clientSecret: '${SECRET}', autoDiscover: true } },
        b: { url, oauth: { ...oauth, privateKeyFile: 'keys/k.pem' } },
        c: { url, oauth: { ...oauth, clientSecretEnv: 'SECRET' } },
        d: { url, oauth: {} },
      },
    });
    const config = await loadFor(home, { env: { SECRET: 'canary-secret-1' } });
    expect(config.problems).toEqual([]);
    const common = { ...oauth, clientSecret: null, clientSecretEnv: null, privateKeyFile: null };
    expect(serverOf(config, 'a').oauth).toEqual({ ...common, clientSecret: 'canary-secret-1' });
    expect(serverOf(config, 'b').oauth).toEqual({ ...common, privateKeyFile: join(home.configDir, 'keys/k.pem') });
    expect(serverOf(config, 'c').oauth).toEqual({ ...common, clientSecretEnv: 'SECRET' });
    expect(serverOf(config, 'd').oauth).toEqual(defaults.oauth);
  });

  it('warns about a secret written out, and shows none: not in config show, not in config explain', async () => {
    await using home = await tempHome();
    const login = (secret: object) => ({ clientId: 'id', ...secret });
    await home.writeConfig({
      mcpServers: {
        literal: { url, oauth: login({ clientSecret: 'planted-literal' }) },
        half: { url, oauth: login({ clientSecret: 'x${ONE}' }) },
        variable: { url, oauth: login({ clientSecret: '${ONE}', authorizationParams: { api_key: 'planted-param', a: 'b' } }) },
        named: { url, oauth: login({ clientSecretEnv: 'TWO' }) },
        silly: { url, oauth: login({ clientSecretEnv: 'HOME' }) },
      },
    });
    const config = await loadFor(home, { env: { ONE: 'planted-one', TWO: 'planted-two', HOME: '/home/ann' } });
    const warning = 'is a secret in plain text; "${VAR}" or "clientSecretEnv" takes it from your environment';
    expect(told(config.problems)).toEqual([
      `warning mcpServers.literal.oauth.clientSecret: ${warning}`,
      `warning mcpServers.half.oauth.clientSecret: ${warning}`,
    ]);
    expect(config.secrets).toEqual(expect.arrayContaining(['planted-literal', 'xplanted-one', 'planted-one', 'planted-two']));
    // Blanked out, it would be missing from every message with a path.
    expect(config.secrets).not.toContain('/home/ann');
    for (const server of config.servers.values()) {
      const explanation = explainServer(config, server);
      expect(JSON.stringify([describeServer(server), explanation])).not.toContain('planted');
    }
    expect(describeServer(serverOf(config, 'variable')).oauth).toMatchObject({
      clientSecret: '***',
      authorizationParams: { api_key: '***', a: 'b' },
    });
    const values = explainServer(config, serverOf(config, 'named')).values.filter(({ path }) => path.startsWith('oauth'));
    expect(values.map(({ path, value, from, variables }) => [path, value, from, variables])).toEqual([
      ['oauth.clientId', 'id', 'file', []],
      ['oauth.clientSecretEnv', 'TWO', 'file', ['TWO']],
    ]);
  });

  it('makes only the server unusable whose ${VAR} is missing; the variable of clientSecretEnv is asked for at the login', async () => {
    await using home = await tempHome();
    await home.writeConfig({
      mcpServers: {
        a: { url, oauth: { clientId: 'c', clientSecret: '${GONE}' } },
        b: { url, oauth: { clientId: 'c', clientSecretEnv: 'GONE' } },
      },
    });
    const config = await loadFor(home);
    expect(serverOf(config, 'a').problem?.message).toContain(
      'mcpServers.a.oauth.clientSecret: the environment variable GONE is not set',
    );
    expect(serverOf(config, 'b').problem).toBeUndefined();
  });

  it('warns where it has no effect: beside a command, and beside an Authorization header', async () => {
    await using home = await tempHome();
    await home.writeConfig({
      mcpServers: {
        a: { command: 'x', oauth: { clientId: 'c', clientSecret: '${GONE}' } },
        b: { url, headers: { authorization: 'Bearer x' }, oauth: {} },
        c: { url, oauth: { scope: 'a' } },
      },
    });
    const config = await loadFor(home);
    expect(told(config.problems)).toEqual([
      'warning mcpServers.c.oauth.scope: unknown key "scope" is ignored; did you mean "scopes"?',
      'warning mcpServers.a.oauth: has no effect together with "command"',
      'warning mcpServers.b.oauth: has no effect together with an Authorization header',
    ]);
    expect(serverOf(config, 'a').problem).toBeUndefined();
    expect(describeServer(serverOf(config, 'a')).oauth).toBeNull();
  });

  it('of a project counts after its approval, without allowHosts and assumeS256; before it no variable is looked up', async () => {
    await using home = await tempHome();
    const oauth = { clientId: 'c', clientSecret: '${SECRET}', allowHosts: ['127.0.0.1'], assumeS256: true, scopes: ['s'] };
    const file = await home.write('project/.mcp.json', { mcpServers: { a: { url, oauth } } });
    const load = () => loadFor(home, { env: { SECRET: 'canary-secret-1' } });
    const before = await load();
    expect(JSON.stringify(before.servers.get('a'))).not.toContain('canary');
    expect(before.secrets).toEqual([]);
    const access = { clock: systemClock, pid: process.pid };
    const project = { root: home.projectDir, file };
    await approveProposal(await readProposal(project, 'a', home.configDir, access), home.configDir, access);
    expect(serverOf(await load(), 'a').oauth).toEqual({
      ...defaults.oauth,
      clientId: 'c',
      clientSecret: 'canary-secret-1',
      scopes: ['s'],
    });
  });
});
