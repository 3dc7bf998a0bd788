/** `doctor` on set-ups that are really broken, each in its own way: it names the step, with a code, a fix and the exit code. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pidScope, processFacts } from '../../src/io/procfs.js';
import type { Diagnosis } from '../../src/manager/doctor/doctor.js';
import { type Authority, createAuthority } from '../support/certificates.js';
import { startConnectProxy } from '../support/connect-proxy.js';
import { startGuardedServer } from '../support/guarded-server.js';
import { startHostileServer } from '../support/hostile-authorization-server.js';
import { listen, readBody, sendJson, startHttpServer, startTcpServer } from '../support/http-server.js';
import { keychainComponents, startKeychain } from '../support/keychain.js';
import { needs } from '../support/needs.js';
import { scriptedBrowser, startOAuthRig } from '../support/oauth-rig.js';
import { type RunOptions, runCli, startCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { keys, startTerminal } from '../support/terminal.js';
import { documentOf, errorOf, esc, faultServer, homeWith } from './kit.js';

interface Wanted {
  readonly step: string;
  readonly code: string;
  /** Of the process. */
  readonly exit: number;
  readonly finding?: string | RegExp;
  readonly fix?: string | RegExp;
  /** Steps after it that were not looked at. */
  readonly skipped?: readonly string[];
}

/** Runs `doctor web --json` and checks the first step that failed, or that warns. */
async function expectFinding(home: TempHome, wanted: Wanted, more: Partial<RunOptions> = {}): Promise<Diagnosis> {
  const result = await runCli(['doctor', 'web', '--json'], { home, timeoutMs: 30_000, ...more });
  const data = documentOf(result) as Diagnosis;
  const steps = data.servers.flatMap(({ steps }) => steps);
  const told = steps.find(({ verdict }) => verdict === 'failed') ?? steps.find(({ verdict }) => verdict === 'warning');
  expect({ step: told?.step, code: told?.code, exit: result.code }, JSON.stringify(steps, null, 1)).toEqual({
    step: wanted.step,
    code: wanted.code,
    exit: wanted.exit,
  });
  if (wanted.finding !== undefined) expect(told?.finding).toMatch(wanted.finding);
  if (wanted.fix !== undefined) expect(told?.fix).toMatch(wanted.fix);
  const skipped = steps.filter(({ code }) => code === 'SKIPPED').map(({ step }) => step);
  if (wanted.skipped !== undefined) expect(skipped).toEqual(wanted.skipped);
  if (wanted.exit !== 0) expect(errorOf(result).details).toEqual({ step: wanted.step, code: wanted.code });
  return data;
}

const web = (entry: Record<string, unknown>) => homeWith({ web: entry });
const afterSpawn = ['initialize', 'list'];
const afterHttp = ['well-known', 'registration', 'token', 'initialize', 'list'];
const afterTls = ['http', ...afterHttp];

describe('doctor on a program', () => {
  it('that is missing names spawn: SPAWN_NOT_FOUND, exit 4, and the steps after it are not looked at', async () => {
    await using home = await web({ command: 'no-such-program' });
    await expectFinding(home, { step: 'spawn', code: 'SPAWN_NOT_FOUND', exit: 4, fix: /^install no-such/, skipped: afterSpawn });
  });

  it('with a working directory that does not exist: SPAWN_NO_CWD', async () => {
    await using home = await web({ command: 'node', cwd: '/no/such/folder' });
    await expectFinding(home, { step: 'spawn', code: 'SPAWN_NO_CWD', exit: 4, finding: '/no/such/folder', fix: '"cwd"' });
  });

  it('without the right to be executed, and with an interpreter that is missing', async () => {
    await using home = await tempHome();
    const script = await home.write('project/server.sh', '#!/no/such/interpreter\n');
    await home.writeConfig({ mcpServers: { web: { command: script } } });
    await expectFinding(home, { step: 'spawn', code: 'SPAWN_NOT_EXECUTABLE', exit: 4, fix: /^chmod \+x/ });
    await chmod(script, 0o755);
    await expectFinding(home, { step: 'spawn', code: 'SPAWN_NO_INTERPRETER', exit: 4, finding: '/no/such/interpreter' });
  });

  it('that exits at its start: SPAWN_EXITED with its last words', async () => {
    await using home = await web(faultServer('exit-at-start'));
    await expectFinding(home, {
      step: 'spawn',
      code: 'SPAWN_EXITED',
      exit: 4,
      finding: 'bad argument --frobnicate',
      fix: 'mcpctl logs web',
    });
  });

  it('that starts and never answers: INITIALIZE_TIMEOUT, exit 6', async () => {
    await using home = await web({ ...faultServer('deaf'), timeouts: { initialize: '1s' } });
    const { servers } = await expectFinding(home, {
      step: 'initialize',
      code: 'INITIALIZE_TIMEOUT',
      exit: 6,
      skipped: ['list'],
    });
    // The wait belongs to this step, although the one before it has waited.
    const ms = Object.fromEntries(servers[0]!.steps.map((step) => [step.step, step.ms]));
    expect(ms.initialize).toBeGreaterThanOrEqual(1_000);
    expect(ms.spawn).toBeLessThan(ms.initialize!);
  });

  it('whose variable is not set: VARIABLE_MISSING, exit 9; whose secret stands in the file: a warning, exit 0', async () => {
    await using home = await web({ command: 'node', env: { A: '${NOT_SET_ANYWHERE}' } });
    await expectFinding(home, {
      step: 'environment',
      code: 'VARIABLE_MISSING',
      exit: 9,
      finding: 'NOT_SET_ANYWHERE',
      fix: /^export NOT_SET_ANYWHERE=/,
    });
    const file = await home.writeConfig({ mcpServers: { web: { ...faultServer(), env: { API_TOKEN: 'in-plain-text' } } } });
    await expectFinding(home, { step: 'environment', code: 'SECRET_LITERAL', exit: 0, finding: 'env.API_TOKEN' });
    await chmod(file, 0o666);
    const { servers } = await expectFinding(home, {
      step: 'environment',
      code: 'FILE_WORLD_WRITABLE',
      exit: 0,
      fix: /^chmod o-w /,
    });
    expect(servers[0]?.verdict).toBe('warning');
  });

  it('of a project that nobody approved: NOT_APPROVED, exit 9, and nothing of it runs; disabled: nothing is looked at, exit 0', async () => {
    await using home = await tempHome();
    const sentinel = join(home.path, 'ran');
    await home.write('project/.mcp.json', { mcpServers: { web: { command: 'touch', args: [sentinel] } } });
    await expectFinding(home, {
      step: 'trust',
      code: 'NOT_APPROVED',
      exit: 9,
      fix: 'mcpctl trust approve web',
      skipped: ['spawn', ...afterSpawn],
    });
    await home.writeConfig({ mcpServers: { off: { command: 'touch', args: [sentinel], enabled: false } } });
    const data = documentOf(await runCli(['doctor', 'off', '--json'], { home })) as Diagnosis;
    expect(data.servers[0]).toMatchObject({
      verdict: 'skipped',
      steps: [{ code: 'SERVER_DISABLED' }, { code: 'SKIPPED' }, {}, {}, {}, {}],
    });
    expect(existsSync(sentinel)).toBe(false);
  });

  it('with a value that cannot be: CONFIG_INVALID, exit 9', async () => {
    await using home = await web({ url: 'http://127.0.0.1:9/mcp', ca: 'no-such.pem' });
    await expectFinding(home, { step: 'config', code: 'CONFIG_INVALID', exit: 9, finding: 'no-such.pem' });
  });
});

/** An MCP server that answers every request in order, over http or https. */
const answers: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'far', version: '1.0.0' } },
  'tools/list': { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] },
  ping: {},
};
const answer: Parameters<typeof startHttpServer>[0] = async (request, response) => {
  if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405).end();
  const { id, method } = JSON.parse(await readBody(request)) as { id?: number; method: string };
  if (id === undefined) return void response.writeHead(202).end();
  const result = answers[method];
  sendJson(response, { jsonrpc: '2.0', id, ...(result ? { result } : { error: { code: -32601, message: 'no' } }) });
};

describe('doctor on the way to a server', () => {
  it('whose name does not exist: DNS_NOT_FOUND, exit 4', async () => {
    await using home = await web({ url: 'http://no-such-host.invalid/mcp' });
    await expectFinding(home, { step: 'dns', code: 'DNS_NOT_FOUND', exit: 4, skipped: ['tcp', 'proxy', 'tls', ...afterTls] });
  });

  it('whose port is closed: TCP_REFUSED, exit 4', async () => {
    await using home = await web({ url: 'http://127.0.0.1:9/mcp' });
    await expectFinding(home, { step: 'tcp', code: 'TCP_REFUSED', exit: 4, skipped: ['proxy', 'tls', ...afterTls] });
  });

  it('that takes the connection and says nothing: HTTP_TIMEOUT, exit 6, within its limit of 10 s', async () => {
    await using server = await startHttpServer(() => {});
    await using home = await web({ url: `${server.url}/mcp` });
    await expectFinding(home, { step: 'http', code: 'HTTP_TIMEOUT', exit: 6, skipped: afterHttp });
  }, 30_000);

  it('that is no web server, or hangs up: HTTP_INVALID, HTTP_NO_ANSWER', async () => {
    await using noise = await startTcpServer((socket) => void socket.end('220 smtp.example.com\r\n'));
    await using home = await web({ url: `${noise.url}/mcp` });
    await expectFinding(home, { step: 'http', code: 'HTTP_INVALID', exit: 4 });
    await using silent = await startTcpServer((socket) => void socket.destroy());
    await home.writeConfig({ mcpServers: { web: { url: `${silent.url}/mcp` } } });
    await expectFinding(home, { step: 'http', code: 'HTTP_NO_ANSWER', exit: 4 });
  });

  it.each([
    [403, 'HTTP_FORBIDDEN', 5],
    [404, 'HTTP_NOT_FOUND', 4],
    [429, 'HTTP_TOO_MANY', 4],
    [503, 'HTTP_SERVER_ERROR', 4],
  ])('that answers HTTP %i: %s, exit %i', async (status, code, exit) => {
    await using server = await startHttpServer((_, response) => void response.writeHead(status).end());
    await using home = await web({ url: `${server.url}/mcp` });
    await expectFinding(home, { step: 'http', code, exit, finding: `HTTP ${status}`, skipped: afterHttp });
  });

  it('that answers HTTP 404 and 500 to whoever has no session, and works: http is ok', async () => {
    for (const status of [404, 500]) {
      await using server = await startHttpServer(async (request, response) => {
        const body = await readBody(request);
        if (body.includes('"id":"mcpctl"')) return void response.writeHead(status).end();
        return answer(Object.assign(Readable.from([Buffer.from(body)]), { method: request.method }) as never, response);
      });
      await using home = await web({ url: `${server.url}/mcp` });
      const { stdout, code } = await runCli(['doctor', 'web'], { home });
      expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`✓ http .*HTTP ${status} without a session`))]);
      expect(stdout).toMatch(/✓ list .*1 tool$/m);
    }
  });

  it('through a proxy that is not there: TCP_REFUSED, and the fix is about its variable', async () => {
    await using home = await web({ url: 'http://mcp.test/mcp' });
    const wanted = { step: 'tcp', code: 'TCP_REFUSED', exit: 4, finding: 'the proxy 127.0.0.1:9', fix: 'HTTP_PROXY' };
    await expectFinding(home, wanted, { env: { HTTP_PROXY: 'http://127.0.0.1:9' } });
  });

  it('that leads elsewhere: HTTP_REDIRECT with the host, exit 4; to another path of its own: a warning, and it goes on', async () => {
    await using server = await startHttpServer((request, response) => {
      if (request.url === '/mcp') return void answer(request, response);
      const location = request.url === '/old' ? '/mcp' : 'https://elsewhere.example/mcp?secret=1';
      response.writeHead(307, { location }).end();
    });
    await using home = await web({ url: `${server.url}/away` });
    const { servers } = await expectFinding(home, {
      step: 'http',
      code: 'HTTP_REDIRECT',
      exit: 4,
      finding: 'https://elsewhere.example,',
    });
    expect(JSON.stringify(servers)).not.toContain('secret=1');
    await home.writeConfig({ mcpServers: { web: { url: `${server.url}/old` } } });
    const followed = await expectFinding(home, { step: 'http', code: 'HTTP_REDIRECTED', exit: 0 });
    expect(followed.servers[0]?.steps.at(-1)).toMatchObject({ step: 'list', finding: '1 tool' });
  });

  it('that speaks HTTP and no MCP: INITIALIZE_PROTOCOL, exit 4', async () => {
    await using server = await startHttpServer(
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('hello'),
    );
    await using home = await web({ url: `${server.url}/mcp` });
    await expectFinding(home, { step: 'initialize', code: 'INITIALIZE_PROTOCOL', exit: 4 });
  });

  it('whose clock is an hour behind: CLOCK_SKEW, a warning of the machine', async () => {
    await using server = await startHttpServer((request, response) => {
      response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString());
      return answer(request, response);
    });
    await using home = await web({ url: `${server.url}/mcp` });
    const result = await runCli(['doctor', 'web', '--json'], { home });
    const { machine } = documentOf(result) as Diagnosis;
    expect(result.code).toBe(0);
    expect(machine.find(({ step }) => step === 'clock')).toMatchObject({
      code: 'CLOCK_SKEW',
      finding: expect.stringContaining('1 h behind'),
    });
  });
});

describe('doctor on certificates', needs('openssl'), () => {
  let authority: Authority;
  beforeAll(() => {
    authority = createAuthority();
  });
  afterAll(() => authority[Symbol.dispose]());

  it.each([
    ['expired', 'IP:127.0.0.1', -1, true, 'TLS_EXPIRED', /valid from .* to \d{4}-/],
    ['for another name', 'DNS:other.test', 400, true, 'TLS_WRONG_NAME', /for DNS:other\.test/],
    ['of an issuer that "ca" does not name', 'IP:127.0.0.1', 400, false, 'TLS_UNTRUSTED', /issued by mcpctl test CA/],
  ])('%s: exit 4, with its dates, names and issuer', async (_, names, days, hasCa, code, finding) => {
    await using server = await listen(createServer(authority.issue(names, { days }), answer), 'connection');
    await using home = await web({ url: `https://127.0.0.1:${server.port}/mcp`, ...(hasCa && { ca: authority.caFile }) });
    await expectFinding(home, { step: 'tls', code, exit: 4, finding, skipped: afterTls });
  });

  it('that ends in a day: a warning, and all other steps are ok; with 400 days nothing is said', async () => {
    const entry = (port: number) => ({ web: { url: `https://127.0.0.1:${port}/mcp`, ca: authority.caFile } });
    await using soon = await listen(createServer(authority.issue('IP:127.0.0.1'), answer), 'connection');
    await using home = await homeWith(entry(soon.port));
    const { servers } = await expectFinding(home, { step: 'tls', code: 'TLS_EXPIRES_SOON', exit: 0 });
    expect(servers[0]?.steps.map(({ verdict }) => verdict).filter((verdict) => verdict === 'failed')).toEqual([]);
    await using later = await listen(createServer(authority.issue('IP:127.0.0.1', { days: 400 }), answer), 'connection');
    await home.writeConfig({ mcpServers: entry(later.port) });
    const { stdout, code } = await runCli(['doctor', 'web'], { home });
    expect(code).toBe(0);
    expect(stdout).toMatch(/✓ tls .* TLSv1\.3, valid from .* trusted by "ca"$/m);
  });

  it('that are self-signed, and a port without TLS: TLS_SELF_SIGNED, TLS_FAILED', async () => {
    const { key, cert } = authority.issue('IP:127.0.0.1', { days: 400, selfSigned: true });
    await using own = await listen(createServer({ key, cert }, answer), 'connection');
    await using home = await web({ url: `https://127.0.0.1:${own.port}/mcp` });
    await expectFinding(home, { step: 'tls', code: 'TLS_SELF_SIGNED', exit: 4, fix: '"ca"', skipped: afterTls });
    await using plain = await startHttpServer(answer);
    await home.writeConfig({ mcpServers: { web: { url: `https://127.0.0.1:${plain.port}/mcp` } } });
    await expectFinding(home, { step: 'tls', code: 'TLS_FAILED', exit: 4, finding: 'does not speak TLS' });
  });

  it('behind a proxy: the way is named with its variable, and a proxy that refuses is the failing step, without its password', async () => {
    await using server = await listen(createServer(authority.issue('DNS:mcp.test', { days: 400 }), answer), 'connection');
    const routes = { 'mcp.test:443': server.port };
    const basic = `Basic ${Buffer.from('ann:canary-word').toString('base64')}`;
    await using proxy = await startConnectProxy({ routes, authorization: basic });
    await using home = await web({ url: 'https://mcp.test/mcp', ca: authority.caFile });
    const through = (login: string) => ({ env: { HTTPS_PROXY: `http://${login}@127.0.0.1:${proxy.port}` } });
    const good = await runCli(['doctor', 'web'], { home, ...through('ann:canary-word') });
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(/✓ proxy .*a tunnel through 127\.0\.0\.1:\d+, by HTTPS_PROXY$/m);
    expect(good.stdout).toMatch(/✓ list .*1 tool$/m);
    expect(good.stdout + good.stderr).not.toContain('canary-word');
    const wanted = { step: 'proxy', code: 'PROXY_REFUSED', exit: 4, fix: 'HTTPS_PROXY', skipped: ['tls', ...afterTls] };
    const bad = await expectFinding(home, wanted, through('ann:other-word'));
    expect(JSON.stringify(bad)).not.toContain('other-word');
    await expectFinding(
      home,
      { step: 'proxy', code: 'PROXY_INVALID', exit: 9 },
      { env: { HTTPS_PROXY: 'socks5://127.0.0.1:1' } },
    );
  });
});

describe('doctor on logins', () => {
  it('finds a server that wants one and does not say where: METADATA_MISSING, exit 3, and the token is missing too', async () => {
    await using server = await startGuardedServer('a-token');
    await using home = await web({ url: server.url });
    const { servers } = await expectFinding(home, {
      step: 'well-known',
      code: 'METADATA_MISSING',
      exit: 3,
      skipped: ['registration', 'initialize', 'list'],
    });
    expect(servers[0]?.steps.find(({ step }) => step === 'token')).toMatchObject({
      code: 'TOKEN_MISSING',
      fix: 'mcpctl auth web',
    });
  });

  it('an Authorization header that is refused: HEADER_REFUSED, exit 3; one that is not: every step is ok', async () => {
    await using server = await startGuardedServer('a-good-token');
    const withToken = (token: string) => ({ web: { url: server.url, headers: { Authorization: `Bearer ${token}` } } });
    await using home = await homeWith(withToken('another-token'));
    const { servers } = await expectFinding(home, { step: 'http', code: 'HEADER_REFUSED', exit: 3 });
    expect(JSON.stringify(servers)).not.toContain('another-token');
    await home.writeConfig({ mcpServers: withToken('${GOOD}') });
    const { stdout, code } = await runCli(['doctor', 'web'], { home, env: { GOOD: 'a-good-token' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/✓ initialize .*guarded 1\.0\.0, MCP 2025-11-25 \(legacy\)$/m);
    expect(stdout).not.toContain('a-good-token');
  });

  it('broken metadata: of the server, of the authorization server, without PKCE, and assumeS256 in its place', async () => {
    await using server = await startHostileServer();
    server.answers.set('/mcp', { text: 'no', status: 401, headers: { 'www-authenticate': 'Bearer' } });
    await using home = await web({ url: `${server.url}/mcp` });
    const resource = '/.well-known/oauth-protected-resource/mcp';
    server.behave();
    server.answers.set(resource, { json: { resource: 'https://other.example/mcp', authorization_servers: [server.url] } });
    await expectFinding(home, { step: 'well-known', code: 'RESOURCE_METADATA_INVALID', exit: 3 });
    server.behave({ issuer: 'https://other.example' });
    await expectFinding(home, { step: 'well-known', code: 'SERVER_METADATA_INVALID', exit: 3 });
    server.answers.set(resource, 'reset');
    await expectFinding(home, { step: 'well-known', code: 'METADATA_UNREACHABLE', exit: 3 });
    server.behave({ code_challenge_methods_supported: undefined });
    await expectFinding(home, { step: 'well-known', code: 'PKCE_MISSING', exit: 3, fix: 'assumeS256' });
    await home.writeConfig({ mcpServers: { web: { url: `${server.url}/mcp`, oauth: { assumeS256: true, clientId: 'me' } } } });
    const { servers } = await expectFinding(home, { step: 'token', code: 'TOKEN_MISSING', exit: 3 });
    expect(servers[0]?.steps.find(({ step }) => step === 'well-known')).toMatchObject({ code: 'PKCE_ASSUMED' });
    await home.writeConfig({ mcpServers: { web: { url: `${server.url}/mcp`, oauth: { assumeS256: true } } } });
    await expectFinding(home, { step: 'registration', code: 'REGISTRATION_IMPOSSIBLE', exit: 3, fix: '"clientId"' });
  });

  it('before a login, after it, and after it ended: TOKEN_MISSING, ok with account and time left, TOKEN_REFUSED; nothing is registered', async () => {
    await using rig = await startOAuthRig();
    await using home = await web({ url: rig.url });
    const env = { MCPCTL_CREDENTIAL_STORE: 'file', BROWSER: scriptedBrowser };
    const before = await expectFinding(home, { step: 'token', code: 'TOKEN_MISSING', exit: 3, fix: 'mcpctl auth web' }, { env });
    const way = before.servers[0]?.steps.find(({ step }) => step === 'registration');
    expect(way).toMatchObject({ code: 'OK', finding: expect.stringContaining('would register itself') });
    expect(rig.requests.filter((request) => request.includes('/reg'))).toEqual([]);
    expect((await runCli(['auth', 'web'], { home, env })).code).toBe(0);
    const { stdout, code } = await runCli(['doctor', 'web'], { home, env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/✓ token .*account default, \d+ m left, in the encrypted file$/m);
    expect(stdout).toMatch(/✓ registration .*as registered at the login before$/m);
    const tokens = rig.tokensSeen.flatMap((header) => (header === null ? [] : [header.replace('Bearer ', '')]));
    expect(tokens.length).toBeGreaterThan(0);
    for (const token of tokens) expect(stdout).not.toContain(token);
    rig.expireTokens();
    rig.intercept = (_, response) => {
      sendJson(response, { error: 'invalid_grant' }, 400);
      return true;
    };
    await expectFinding(home, { step: 'initialize', code: 'TOKEN_REFUSED', exit: 3, fix: 'mcpctl auth web' }, { env });
  });
});

describe('doctor on this machine', () => {
  const machineOf = async (home: TempHome, env: Record<string, string> = {}) => {
    const result = await runCli(['doctor', '--json'], { home, env, timeoutMs: 40_000 });
    const { machine } = documentOf(result) as Diagnosis;
    return { code: result.code, of: (name: string) => machine.find(({ step }) => step === name) };
  };

  it('lists a process that outlived its mcpctl, and ends none itself', async () => {
    await using home = await homeWith({});
    const orphan = spawn('sleep', ['60'], { env: { ...home.env }, detached: true, stdio: 'ignore' });
    const scope = pidScope();
    if (!scope) return void orphan.kill();
    const [owner, startTicks] = [{ pid: 4_194_301, startTicks: 1, mark: '4194301.1' }, processFacts(orphan.pid!)!.startTicks];
    const groups = [{ groupId: orphan.pid, startTicks, spawnId: '4194301.1.1' }];
    await mkdir(join(home.runtimeDir, 'processes'), { mode: 0o700 });
    await writeFile(
      join(home.runtimeDir, 'processes', '4194301.1.json'),
      JSON.stringify({ version: 1, ...scope, owner, groups }),
    );
    const ended = new Promise((resolve) => orphan.once('exit', resolve));
    const { code, of } = await machineOf(home);
    expect(code).toBe(0);
    expect(of('orphans')).toMatchObject({ code: 'ORPHANS', finding: expect.stringContaining(`${orphan.pid}`) });
    // As after every command.
    await ended;
    expect((await machineOf(home)).of('orphans')).toMatchObject({ code: 'OK' });
  });

  it('tells folders that others can write to, and state that cannot be written', async () => {
    await using home = await homeWith({});
    await chmod(home.stateDir, 0o777);
    expect((await machineOf(home)).of('folders')).toMatchObject({
      code: 'FOLDER_OPEN_TO_OTHERS',
      fix: `chmod go-w ${home.stateDir}`,
    });
    const file = await home.write('a-file', 'x');
    const blocked = await machineOf(home, { MCPCTL_STATE_DIR: join(file, 'state') });
    expect([blocked.code, blocked.of('folders')?.code]).toEqual([9, 'FOLDER_NOT_WRITABLE']);
  });

  it('names the manager that runs, also where it answers itself', async () => {
    await using home = await homeWith({ web: faultServer() });
    await runCli(['up'], { home });
    try {
      const { of } = await machineOf(home);
      expect(of('manager')?.finding).toMatch(/^this is process \d+, which keeps/);
      const own = documentOf(await runCli(['doctor', 'web', '--json', '--no-attach'], { home })) as Diagnosis;
      expect(own.machine.find(({ step }) => step === 'manager')?.finding).toMatch(/^running: process \d+ /);
      await runCli(['reconnect', 'web'], { home });
      expect((await runCli(['doctor', 'web'], { home })).stdout).toMatch(/✓ spawn .*runs already: process \d+$/m);
    } finally {
      await runCli(['down'], { home });
    }
  });

  describe('the keychain', needs(...keychainComponents), () => {
    it.each([
      ['unlocked', 'OK', 0],
      ['locked', 'KEYCHAIN_LOCKED', 3],
      ['absent', 'KEYCHAIN_ABSENT', 0],
    ] as const)('%s: %s, exit %i, and no entry is left in it', async (state, code, exit) => {
      await using home = await homeWith({});
      // One that is locked was unlocked before, and has been made then.
      if (state === 'locked') await (await startKeychain(home, 'unlocked'))[Symbol.asyncDispose]();
      await using keychain = await startKeychain(home, state);
      const machine = await machineOf(home, { ...keychain.env });
      expect([machine.of('keychain')?.code, machine.code]).toEqual([code, exit]);
      if (state !== 'unlocked') return;
      const search = ['search', '--all', 'service', 'mcpctl'];
      const found = spawnSync('secret-tool', search, { env: { ...home.env, ...keychain.env }, encoding: 'utf8' });
      expect(found.stdout + found.stderr).toBe('');
    });
  });
});

describe('doctor', () => {
  it('of all servers shows what needs a word, and one line for the rest; coloured on a terminal only', async () => {
    await using home = await homeWith({
      good: faultServer(),
      gone: { command: 'no-such-program' },
      off: { ...faultServer(), enabled: false },
    });
    const { stdout, stderr, code } = await runCli(['doctor'], { home });
    expect(code).toBe(4);
    expect(stdout).toMatch(/^✓ good {2}\S*node .*\d m?s$/m);
    expect(stdout).toMatch(
      /^✗ gone {2}no-such-program {2}[\d.]+ m?s\n {2}✗ spawn .* SPAWN_NOT_FOUND\n +→ install no-such-program/m,
    );
    expect(stdout).toMatch(/^– off {2}.* disabled/m);
    expect(stdout).toMatch(/^\d+ ok( · \d+ warnings?)? · 1 failed$/m);
    expect(stderr).toMatch(/^error: gone, spawn: Command no-such-program was not found in PATH\nhint: install/);
    await using terminal = startTerminal(['doctor'], { home });
    await terminal.exited;
    expect(terminal.raw).toContain(`${esc}[31m✗`);
  });

  it('says the same at the prompt of the REPL as in the shell', async () => {
    await using home = await homeWith({ web: { command: 'no-such-program' } });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('mcpctl> ');
    terminal.type(`/mcp doctor web${keys.enter}`);
    await terminal.waitFor(/✗ spawn .*SPAWN_NOT_FOUND/);
    await terminal.waitFor(/error: web, spawn: Command no-such-program/);
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
  });

  it('ends at Ctrl-C with 130 and leaves no process', async () => {
    await using home = await web(faultServer('deaf', 'ignore-eof', 'ignore-term', `pid-file=/dev/stderr`));
    await using cli = startCli(['doctor', 'web', '--verbose'], { home });
    await cli.waitForOutput(/\d+/, { stream: 'stderr' });
    cli.kill('SIGINT');
    expect((await cli.exited).code).toBe(130);
  });

  it('looks at each endpoint of a server that has several', async () => {
    await using server = await startHttpServer(answer);
    await using home = await web({
      endpoints: [{ url: `${server.url}/mcp` }, { url: 'http://127.0.0.1:9/mcp' }],
      stateless: true,
    });
    const { servers } = await expectFinding(home, { step: 'tcp', code: 'TCP_REFUSED', exit: 4 });
    expect(servers.map(({ target, verdict }) => [target, verdict])).toEqual([
      [`${server.url}/mcp`, 'ok'],
      ['http://127.0.0.1:9/mcp', 'failed'],
    ]);
  });
});
