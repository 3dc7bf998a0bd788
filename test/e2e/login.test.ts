/** `auth <server>` against a real authorization server: every way to log in, what ends one, and what works afterwards. */
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startHttpServer } from '../support/http-server.js';
import { type OAuthRig, type OAuthRigOptions, scriptedBrowser, startOAuthRig } from '../support/oauth-rig.js';
import { type RunOptions, runCli, startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { keys, startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, expectHumanError, homeWith } from './kit.js';

/** Tokens in the file: the commands of a test follow each other in processes of their own. */
const inFile = { MCPCTL_CREDENTIAL_STORE: 'file', BROWSER: scriptedBrowser };

async function setUp(options: OAuthRigOptions = {}, oauth: Record<string, unknown> = {}) {
  const rig = await startOAuthRig(options);
  const home = await homeWith({ web: { url: rig.url, oauth } });
  const run = (line: string, more: Partial<RunOptions> = {}) => runCli(words(line), { home, env: inFile, ...more });
  return {
    rig,
    home,
    run,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

const words = (line: string) => line.split(' ').filter(Boolean);

/** The address of a login in what a person is shown. */
function addressIn(text: string): string {
  const [, address] = /^(https?:\/\/\S+\/auth\?\S+)\s*$/m.exec(text) ?? [];
  if (!address) throw new Error(`no address of a login in:\n${text}`);
  return address;
}

const parametersIn = (text: string) => new URL(addressIn(text)).searchParams;

const filesOf = (home: TempHome) =>
  [home.configDir, home.stateDir, home.runtimeDir].flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );

/** Every secret that the authorization server has seen or given. */
function secretsOf(rig: OAuthRig): string[] {
  const sent = rig.tokenRequests.flatMap(({ body }) =>
    ['code', 'code_verifier', 'refresh_token', 'client_secret', 'device_code'].map((name) => body.get(name)),
  );
  const tokens = rig.tokensSeen.map((header) => header?.replace('Bearer ', ''));
  return [...new Set([...sent, ...tokens].filter((text) => text !== null && text !== undefined))];
}

function expectNoSecret(rig: OAuthRig, home: TempHome, ...texts: string[]): void {
  const secrets = secretsOf(rig);
  expect(secrets.length).toBeGreaterThan(0);
  for (const text of [...texts, ...filesOf(home).map((file) => readFileSync(file, 'latin1'))])
    for (const secret of secrets) expect(text).not.toContain(secret);
}

async function occupy(port: number): Promise<AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

describe('in the browser', () => {
  it('opens it once, waits for it, stores the login, connects, and later commands use it', async () => {
    await using it = await setUp();
    const { rig, home, run } = it;
    expect(errorOf(await run('call web/read --json'))).toMatchObject({ code: 'AUTH_REQUIRED' });
    const login = await run('auth web');
    expect(login).toMatchObject({ code: 0, stdout: expect.stringContaining('Logged in to web.\n') });
    expect(login.stderr).toMatch(/^Log in to "web" \(http:\/\/127\.0\.0\.1:\d+\) in the browser:$/m);
    const parameters = parametersIn(login.stderr);
    expect(parameters.get('code_challenge_method')).toBe('S256');
    expect(parameters.get('resource')).toBe(rig.url);
    expect(parameters.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback\/[\w-]{22}$/);
    expect(Buffer.from(parameters.get('state') ?? '', 'base64url').length).toBeGreaterThanOrEqual(16);
    expect(rig.tokenRequests.map(({ grant, status }) => [grant, status])).toEqual([['authorization_code', 200]]);
    expect(rig.tokenRequests[0]!.body.get('resource')).toBe(rig.url);

    expect(await run('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n', stderr: '' });
    const auth = documentOf(await run('auth --json')) as { servers: unknown[] };
    expect(auth.servers).toMatchObject([{ server: 'web', state: 'valid', account: 'default', store: 'file' }]);
    expect(rig.requests.filter((request) => request === 'POST /reg')).toHaveLength(1);
    expectNoSecret(rig, home, login.stdout, login.stderr);
  });

  it('gives the same as one JSON document, without a token in it', async () => {
    await using it = await setUp();
    const login = await it.run('auth web --json --account work');
    expect(documentOf(login)).toEqual({
      server: 'web',
      account: 'work',
      issuer: it.rig.issuer,
      scopes: expect.arrayContaining(['mcp:read']),
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
      store: 'file',
      status: 'connected',
    });
    expectNoSecret(it.rig, it.home, login.stdout, login.stderr);
  });

  it('again registers no second client where the port of the first is free, and one where it is taken', async () => {
    await using it = await setUp();
    const first = parametersIn((await it.run('auth web')).stderr);
    const second = parametersIn((await it.run('auth web')).stderr);
    expect(second.get('client_id')).toBe(first.get('client_id'));
    expect(second.get('redirect_uri')).toBe(first.get('redirect_uri'));
    const registrations = () => it.rig.requests.filter((request) => request === 'POST /reg').length;
    expect(registrations()).toBe(1);
    await using _ = await occupy(Number(new URL(first.get('redirect_uri')!).port));
    const third = parametersIn((await it.run('auth web')).stderr);
    expect(third.get('client_id')).not.toBe(first.get('client_id'));
    expect(registrations()).toBe(2);
  });

  it('in a session, and a call in it', async () => {
    await using it = await setUp();
    const env = { BROWSER: scriptedBrowser };
    await using terminal = startTerminal([], { home: it.home, env, columns: 1_000 });
    await terminal.waitFor('web needs a login');
    terminal.type(`/mcp auth web${keys.enter}`);
    await terminal.waitFor('Logged in to web.');
    const after = terminal.text.length;
    terminal.type(`call web/read${keys.enter}`);
    await terminal.waitFor('inside', { after });
    terminal.type(`/exit${keys.enter}`);
    expect((await terminal.exited).code).toBe(0);
    expect(it.rig.tokenRequests).toHaveLength(1);
    expectNoSecret(it.rig, it.home, terminal.raw);
  });

  it('asked of a manager, opens the browser of the one who asks', { timeout: 30_000 }, async () => {
    await using it = await setUp();
    expect((await it.run('up', { env: { ...inFile, BROWSER: 'false' } })).code).toBe(0);
    try {
      expect(await it.run('auth web')).toMatchObject({ code: 0 });
      expect(await it.run('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n' });
    } finally {
      await it.run('down');
    }
  });

  it('one login at a time in a manager: the second is refused and names the first', { timeout: 30_000 }, async () => {
    await using it = await setUp();
    await it.run('up');
    try {
      await using first = startCli(['auth', 'web', '--no-browser'], { home: it.home, env: inFile });
      await first.waitForOutput('in the browser:', { stream: 'stderr' });
      expect(errorOf(await it.run('auth web --json'))).toMatchObject({ code: 'AUTH_UNAVAILABLE', details: { reason: 'busy' } });
      first.kill('SIGINT');
      expect((await first.exited).code).toBe(130);
      expect((await it.run('auth web')).code).toBe(0);
    } finally {
      await it.run('down');
    }
  });
});

describe('without a browser here', () => {
  it('shows the address and takes the one that the browser ended at from the prompt, after other things were pasted', async () => {
    await using it = await setUp();
    await using terminal = startTerminal(['auth', 'web', '--no-browser'], { home: it.home, env: inFile, columns: 2_000 });
    await terminal.waitFor('paste its address here:');
    const callback = await it.rig.approve(addressIn(terminal.text));
    terminal.type(`https://something.example/else${keys.enter}`);
    await terminal.waitFor('That is not the address that the browser ends at');
    terminal.type(`${new URL(callback).searchParams.get('code')}${keys.enter}`);
    await terminal.waitFor('That is a code without its address');
    terminal.type(`${callback}${keys.enter}`);
    await terminal.waitFor('Logged in to web.');
    expect((await terminal.exited).code).toBe(0);
    expect(await it.run('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n' });
  });

  it('without a terminal waits for the browser, 100 forged answers before it', async () => {
    await using it = await setUp();
    await using login = startCli(['auth', 'web', '--no-browser'], { home: it.home, env: inFile });
    const shown = await login.waitForOutput(/redirect_uri/, { stream: 'stderr' });
    const callback = await it.rig.approve(addressIn(shown));
    const forged = new URL(callback);
    forged.searchParams.set('state', 'forged');
    forged.searchParams.set('error', 'access_denied');
    for (let i = 0; i < 100; i++) expect((await fetch(forged)).status).toBe(400);
    expect((await fetch(callback)).status).toBe(200);
    expect((await login.exited).code).toBe(0);
  });

  it('an attached command asks its own terminal, and the question ends when the browser is first', {
    timeout: 30_000,
  }, async () => {
    await using it = await setUp();
    await it.run('up');
    try {
      await using terminal = startTerminal(['auth', 'web', '--no-browser'], { home: it.home, env: inFile, columns: 2_000 });
      await terminal.waitFor('paste its address here:');
      expect((await fetch(await it.rig.approve(addressIn(terminal.text)))).status).toBe(200);
      await terminal.waitFor('Logged in to web.');
      expect((await terminal.exited).code).toBe(0);
    } finally {
      await it.run('down');
    }
  });
});

describe('a login that is finished elsewhere', () => {
  it('is begun with exit 3, opens nothing, and is finished by another process, once', async () => {
    await using it = await setUp();
    const started = await it.run('auth web --start --json');
    expect(started.code).toBe(3);
    expect(errorOf(started)).toMatchObject({ code: 'AUTH_REQUIRED', server: 'web' });
    const { authorizationUrl, flow, expiresAt, ...rest } = documentOf(started) as Record<string, string>;
    expect(rest).toEqual({});
    expect(Date.parse(expiresAt!) - Date.now()).toBeGreaterThan(9 * 60_000);
    const [file] = readdirSync(join(it.home.stateDir, 'logins'));
    expect(statSync(join(it.home.stateDir, 'logins', file!)).mode & 0o777).toBe(0o600);

    const callback = await it.rig.approve(authorizationUrl!);
    const wrong = callback.replace(/state=[^&]+/, 'state=other');
    expect(errorOf(await it.run(`auth web --complete ${flow} ${wrong} --json`))).toMatchObject({ code: 'USAGE' });
    expect(errorOf(await it.run(`auth web --complete ${flow} --json`))).toMatchObject({ code: 'USAGE' });
    expect(it.rig.tokenRequests).toEqual([]);
    const done = await it.run(`auth web --complete ${flow} - --json`, { input: `${callback}\n` });
    expect(documentOf(done)).toMatchObject({ server: 'web', status: 'connected' });
    expect(errorOf(await it.run(`auth web --complete ${flow} ${callback} --json`))).toMatchObject({
      code: 'USAGE',
      details: { reason: 'no-flow' },
    });
    expect(await it.run('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n' });
    expect(readdirSync(join(it.home.stateDir, 'logins'))).toEqual([]);
    expectNoSecret(it.rig, it.home, done.stdout, done.stderr);
  });

  it('tells a person what to do, and takes the address as an argument', async () => {
    await using it = await setUp();
    const started = await it.run('auth web --start');
    expect(started.code).toBe(3);
    expectHumanError(started.stderr, 'The login of "web" has begun; it is not finished');
    const [, flow] = /--complete ([0-9a-f]{64})/.exec(started.stdout) ?? [];
    const callback = await it.rig.approve(addressIn(started.stdout));
    expect((await it.run(`auth web --complete ${flow} ${callback}`)).code).toBe(0);
  });

  it('is no login for another server', async () => {
    await using it = await setUp();
    const { flow, authorizationUrl } = documentOf(await it.run('auth web --start --json')) as Record<string, string>;
    const callback = await it.rig.approve(authorizationUrl!);
    await it.home.writeConfig({ mcpServers: { other: { url: `${it.rig.url}/v2` }, web: { url: it.rig.url } } });
    expect(errorOf(await it.run(`auth other --complete ${flow} ${callback} --json`))).toMatchObject({
      code: 'USAGE',
      details: { reason: 'other-server' },
    });
    expect((await it.run(`auth web --complete ${flow} ${callback}`)).code).toBe(0);
  });

  it('stays when the token endpoint is in trouble: exit 3 AUTH_UNAVAILABLE, and the next try finishes it', async () => {
    await using it = await setUp();
    const { flow, authorizationUrl } = documentOf(await it.run('auth web --start --json')) as Record<string, string>;
    const callback = await it.rig.approve(authorizationUrl!);
    it.rig.intercept = (_, response) => {
      it.rig.intercept = undefined;
      response.writeHead(503).end();
      return true;
    };
    const refused = await it.run(`auth web --complete ${flow} ${callback} --json`);
    expect(refused.code).toBe(3);
    expect(errorOf(refused)).toMatchObject({ code: 'AUTH_UNAVAILABLE' });
    expect((await it.run(`auth web --complete ${flow} ${callback}`)).code).toBe(0);
  });
});

describe('with a code for another device', () => {
  it('shows code and address, waits for the person, and opens nothing', { timeout: 30_000 }, async () => {
    await using it = await setUp();
    await using login = startCli(['auth', 'web', '--device'], { home: it.home, env: inFile });
    const shown = await login.waitForOutput(/or open: +\S+/, { stream: 'stderr' });
    const [, complete] = /or open: +(\S+)/.exec(shown) ?? [];
    const [, code] = /and enter: (\S+)/.exec(shown) ?? [];
    expect(complete).toContain(encodeURIComponent(code!));
    expect(await it.rig.approveDevice(complete!)).toBe('done');
    const { code: exit, stdout, stderr } = await login.exited;
    expect(exit).toBe(0);
    expect(it.rig.tokenRequests.at(-1)).toMatchObject({ grant: 'urn:ietf:params:oauth:grant-type:device_code', status: 200 });
    expect(await it.run('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n' });
    expectNoSecret(it.rig, it.home, stdout, stderr);
  });

  it('is begun and finished in two processes', { timeout: 30_000 }, async () => {
    await using it = await setUp();
    const started = await it.run('auth web --device --start --json');
    expect(started.code).toBe(3);
    const document = documentOf(started) as Record<string, string>;
    expect(Object.keys(document).sort()).toEqual(['expiresAt', 'flow', 'userCode', 'verificationUri', 'verificationUriComplete']);
    await it.rig.approveDevice(document.verificationUriComplete!);
    expect((await it.run(`auth web --complete ${document.flow}`)).code).toBe(0);
    expect((await it.run('call web/read')).stdout).toBe('inside\n');
  });

  it('that is declined is AUTH_DENIED', { timeout: 30_000 }, async () => {
    await using it = await setUp();
    it.rig.person = 'deny';
    const { verificationUriComplete, flow } = documentOf(await it.run('auth web --device --start --json')) as Record<
      string,
      string
    >;
    // The page of this provider asks for another code then, again and again.
    await expect(it.rig.approveDevice(verificationUriComplete!)).rejects.toThrow('no end');
    expect(errorOf(await it.run(`auth web --complete ${flow} --json`))).toMatchObject({ code: 'AUTH_DENIED' });
  });

  it('names what is missing where the provider has no such login', async () => {
    await using it = await setUp({
      metadata: ({ device_authorization_endpoint: _, ...document }) => document,
    });
    const error = errorOf(await it.run('auth web --device --json'));
    expect(error).toMatchObject({ code: 'AUTH_FAILED', hint: expect.stringContaining('device_authorization_endpoint') });
  });
});

describe('as a machine', () => {
  const client = { client_id: 'robot', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };

  it.each(['client_secret_post', 'client_secret_basic'] as const)('with a secret from the environment (%s)', async (method) => {
    const client_secret = 'cnry-robot-secret';
    await using it = await setUp(
      { clients: [{ ...client, client_secret, token_endpoint_auth_method: method } as never] },
      { clientId: 'robot', clientSecretEnv: 'ROBOT_SECRET' },
    );
    const env = { ...inFile, ROBOT_SECRET: client_secret };
    const login = await it.run('auth web --client-credentials --json --scope mcp:read', { env });
    expect(documentOf(login)).toMatchObject({ scopes: ['mcp:read'], status: 'connected' });
    expect(await it.run('call web/read', { env })).toMatchObject({ code: 0, stdout: 'inside\n' });
    for (const text of [login.stdout, login.stderr, ...filesOf(it.home).map((file) => readFileSync(file, 'latin1'))])
      expect(text).not.toContain(client_secret);
  });

  it('with a private key (private_key_jwt)', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' };
    await using it = await setUp({
      clients: [
        {
          ...client,
          token_endpoint_auth_method: 'private_key_jwt',
          token_endpoint_auth_signing_alg: 'ES256',
          jwks: { keys: [jwk] },
        } as never,
      ],
    });
    const privateKeyFile = await it.home.write('robot.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await it.home.writeConfig({ mcpServers: { web: { url: it.rig.url, oauth: { clientId: 'robot', privateKeyFile } } } });
    expect((await it.run('auth web --client-credentials --scope mcp:read')).code).toBe(0);
    expect(await it.run('call web/read')).toMatchObject({ code: 0, stdout: 'inside\n' });
  });

  it('with neither says which fields to set', async () => {
    await using it = await setUp(
      { clients: [{ ...client, token_endpoint_auth_method: 'none' } as never] },
      { clientId: 'robot' },
    );
    expect(errorOf(await it.run('auth web --client-credentials --json'))).toMatchObject({
      code: 'AUTH_FAILED',
      hint: expect.stringContaining('oauth.clientSecret'),
    });
  });
});

describe('scopes', () => {
  it('that a call would have needed are asked for by the next login, beside those of before', async () => {
    await using it = await setUp();
    const first = parametersIn((await it.run('auth web')).stderr)
      .get('scope')
      ?.split(' ');
    expect(first).toContain('mcp:read');
    expect(first).not.toContain('mcp:write');
    const refused = await it.run('call web/write --json');
    expect(refused.code).toBe(3);
    expect(errorOf(refused)).toMatchObject({ code: 'AUTH_REQUIRED', hint: expect.stringContaining('mcpctl auth web') });
    const second = parametersIn((await it.run('auth web')).stderr)
      .get('scope')
      ?.split(' ');
    expect(second).toEqual(expect.arrayContaining(['mcp:read', 'mcp:write']));
    expect(await it.run('call web/write')).toMatchObject({ code: 0, stdout: 'inside\n' });
    expect((await it.run('call web/read')).code).toBe(0);
  });

  it('of --scope are exactly those, and one of the configuration is asked for too', async () => {
    await using it = await setUp({}, { scopes: ['mcp:write'] });
    const asked = async (line: string) =>
      parametersIn((await it.run(line)).stderr)
        .get('scope')
        ?.split(' ')
        .sort();
    expect(await asked('auth web --scope mcp:read')).toEqual(['mcp:read', 'offline_access']);
    expect(await asked('auth web')).toEqual(['mcp:read', 'mcp:write', 'offline_access']);
  });
});

describe('a login that fails', () => {
  it('because the person says no is AUTH_DENIED with the words of the provider', async () => {
    await using it = await setUp();
    it.rig.person = 'deny';
    const login = await it.run('auth web --json');
    expect(login.code).toBe(3);
    const [last] = login.stderr.trimEnd().split('\n').slice(-1);
    expect(errorOf({ stderr: `${last}\n` })).toMatchObject({
      code: 'AUTH_DENIED',
      message: expect.stringContaining('the person said no'),
      details: { error: 'access_denied' },
    });
    expect(it.rig.tokenRequests).toEqual([]);
  });

  it.each([
    ['of another', 'https://evil.example'],
    ['missing', undefined],
    ['with a slash more', 'slash'],
  ])('because iss is %s shows nothing of the answer and sends no code', async (_, iss) => {
    await using it = await setUp();
    await using login = startCli(['auth', 'web', '--no-browser'], { home: it.home, env: inFile });
    const callback = new URL(await it.rig.approve(addressIn(await login.waitForOutput(/redirect_uri/, { stream: 'stderr' }))));
    if (iss === undefined) callback.searchParams.delete('iss');
    else callback.searchParams.set('iss', iss === 'slash' ? `${it.rig.issuer}/` : iss);
    callback.searchParams.set('error', 'evil-error');
    callback.searchParams.set('error_description', 'evil-words');
    await fetch(callback);
    const { code, stdout, stderr } = await login.exited;
    expect(code).toBe(3);
    expectHumanError(stderr, 'is not used');
    expect(stdout + stderr).not.toMatch(/evil/);
    expect(it.rig.tokenRequests).toEqual([]);
  });

  it('with Ctrl-C ends at once with 130, at the prompt and without one, and leaves nothing', async () => {
    await using it = await setUp();
    await using terminal = startTerminal(['auth', 'web', '--no-browser'], { home: it.home, env: inFile, columns: 2_000 });
    await terminal.waitFor('paste its address here:');
    const { origin } = new URL(parametersIn(terminal.text).get('redirect_uri')!);
    terminal.type(keys.ctrlC);
    expect((await terminal.exited).code).toBe(130);
    await expect(fetch(origin)).rejects.toThrow();
    await using login = startCli(['auth', 'web', '--device'], { home: it.home, env: inFile });
    await login.waitForOutput('and enter:', { stream: 'stderr' });
    login.kill('SIGINT');
    expect((await login.exited).code).toBe(130);
    expect((await it.run('auth --json')).stdout).not.toContain('"valid"');
  });

  it('in a session with Ctrl-C leaves the session as it was', async () => {
    await using it = await setUp();
    await using terminal = startTerminal([], { home: it.home, columns: 2_000 });
    await terminal.waitFor('web needs a login');
    terminal.type(`auth web --no-browser${keys.enter}`);
    await terminal.waitFor('paste its address here:');
    const after = terminal.text.length;
    terminal.type(keys.ctrlC);
    await terminal.waitFor(/error: Cancelled[\s\S]*mcpctl>/, { after });
    terminal.type(`servers${keys.enter}`);
    await terminal.waitFor(/web +yes/, { after });
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
  });

  it('because the port of the configuration is taken says so before any browser', async () => {
    await using taken = await startHttpServer(() => {});
    await using it = await setUp({}, { callbackPort: taken.port });
    const login = await it.run('auth web --json');
    expect(errorOf(login)).toMatchObject({ code: 'AUTH_FAILED', details: { reason: 'port-taken', port: taken.port } });
    expect(it.rig.requests.some((request) => request === 'GET /auth')).toBe(false);
  });

  it('because nobody can register says which field to set', async () => {
    await using it = await setUp({ registers: false });
    expect(errorOf(await it.run('auth web --json'))).toMatchObject({
      code: 'AUTH_FAILED',
      hint: expect.stringContaining('clientId'),
      details: { step: 'registration' },
    });
  });
});

describe('no other command', () => {
  it('opens a browser: call, status, reconnect, ping, tools, auth alone and auth --start, on a server that wants a login', async () => {
    await using it = await setUp();
    const marker = join(it.home.path, 'opened');
    const browser = await it.home.write('browser.sh', `#!/bin/sh\necho "$1" >> '${marker}'\n`);
    const env = { ...inFile, BROWSER: `sh ${browser}` };
    for (const line of ['call web/read', 'status', 'reconnect web', 'ping web', 'tools web', 'auth', 'auth web --start'])
      await it.run(line, { env });
    expect(readdirSync(it.home.path)).not.toContain('opened');
    await using login = startCli(['auth', 'web'], { home: it.home, env });
    await waitFor(() => readdirSync(it.home.path).includes('opened'));
    login.kill('SIGINT');
    await login.exited;
  });
});

describe('words that make no sense', () => {
  it.each([
    ['auth --device', /--device is for the login of a server/],
    ['auth web --device --no-browser', /are two ways to log in/],
    ['auth web http://127.0.0.1/callback', /is for --complete/],
    ['auth web --complete abc --device', /decided when the login began/],
    ['auth web --complete abc http://127.0.0.1/', /no such login to finish/],
    ['auth web --start --client-credentials', /asks nobody/],
    ['auth web --scope é', /that is no scope/],
    ['auth nowhere', /no server "nowhere"/],
    ['auth local', /is a program/],
  ])('%s: exit 2', async (line, message) => {
    await using home = await homeWith({ web: { url: 'http://127.0.0.1:9/mcp' }, local: { command: 'true' } });
    const result = await runCli(words(line), { home, env: inFile });
    expect(result.code).toBe(2);
    expectHumanError(result.stderr, message);
  });
});
