/** `auth`, `auth-save` and `logout`: from a pipe, a prompt, a session and a manager; in the keychain and in the encrypted file. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type GuardedServer, startGuardedServer } from '../support/guarded-server.js';
import { keychainComponents, startKeychain } from '../support/keychain.js';
import { needs } from '../support/needs.js';
import { findProcesses } from '../support/no-leftovers.js';
import { cliPath, type RunOptions, runCli, startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { keys, startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, expectHumanError, faultServer, homeWith } from './kit.js';

const token = 'cnry-token-Zq7+/x9=';
const other = 'cnry-other-Zq7+/x9=';

interface AuthDocument {
  readonly servers: readonly { server: string; state: string; account: string | null; store: string | null }[];
  readonly store: {
    mode: string;
    store: string;
    file: string | null;
    key: string | null;
    reason: string | null;
    problem: unknown;
  };
}

const serversOf = (web: GuardedServer) => ({
  web: { url: `${web.url}?tenant=1` },
  own: { url: web.url, headers: { authorization: 'Bearer of-its-own' } },
  local: faultServer(),
});

/** Tokens in the file, without a keychain. */
const inFile = { MCPCTL_CREDENTIAL_STORE: 'file' };

function cli(home: TempHome, env: Readonly<Record<string, string | undefined>> = inFile) {
  return (line: string, more: Partial<RunOptions> = {}) => runCli(line.split(' '), { home, env, ...more });
}

const filesOf = (...folders: string[]) =>
  folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );

/** Every file of mcpctl that holds one of the tokens, in clear or in base64. */
function leaksIn(home: TempHome): string[] {
  const forms = [token, other].flatMap((text) => [
    text,
    Buffer.from(text).toString('base64').replace(/=+$/, ''),
    encodeURIComponent(text),
  ]);
  return filesOf(home.configDir, home.stateDir, home.runtimeDir).filter((file) => {
    const text = readFileSync(file, 'latin1');
    return forms.some((form) => text.includes(form));
  });
}

describe('a token from a pipe', () => {
  it('is stored, sent to its server alone, shown nowhere, and gone after logout', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const run = cli(home);
    expect(await run('ping web')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('hint: log in: mcpctl auth web\n'),
    });
    expect(web.seen.every((sent) => sent === null)).toBe(true);

    const saved = await run('auth-save web', { input: `${token}\n` });
    expect(saved).toMatchObject({
      code: 0,
      stderr: '',
      stdout: `The token of web is stored in the encrypted file ${home.stateDir}/credentials.json.\n`,
    });
    expect(await run('call web/echo')).toMatchObject({ code: 0, stdout: 'inside\n' });
    expect(new Set(web.seen.slice(-3))).toEqual(new Set([`Bearer ${token}`]));

    const auth = documentOf(await run('auth --json')) as AuthDocument;
    expect(auth.servers.map(({ server, state, account, store }) => [server, state, account, store])).toEqual([
      ['web', 'valid', 'default', 'file'],
      ['own', 'none', null, null],
    ]);
    expect(auth.store).toEqual({
      mode: 'file',
      store: 'file',
      file: join(home.stateDir, 'credentials.json'),
      key: 'key-file',
      reason: null,
      problem: null,
    });
    const status = documentOf(await run('status web local --no-connect --json')) as { servers: { auth: unknown }[] };
    expect(status.servers.map((server) => server.auth)).toEqual([
      { state: 'valid', expiresAt: null, scopes: [], account: 'default' },
      { state: 'none', expiresAt: null, scopes: [], account: null },
    ]);
    expect(leaksIn(home)).toEqual([]);

    expect(documentOf(await run('logout web --json'))).toEqual({ server: 'web', accounts: ['default'] });
    expect(await run('logout web')).toMatchObject({ code: 0, stdout: 'Nothing was stored for web.\n' });
    expect((await run('call web/echo')).code).toBe(3);
    expect(web.seen.at(-1)).toBeNull();
  });

  it('works with the scheme in front, with --json, and replaces the one before', async () => {
    await using web = await startGuardedServer(other);
    await using home = await homeWith(serversOf(web));
    const run = cli(home);
    await run('auth-save web', { input: token });
    const refused = await run('ping web');
    expectHumanError(refused.stderr, 'refuses the token that is stored for it (HTTP 401)');
    expect(refused).toMatchObject({ code: 3, stderr: expect.not.stringContaining('cnry') });
    const document = documentOf(await run('auth-save web --json', { input: `Authorization: Bearer ${other}\r\n` }));
    expect(document).toEqual({ server: 'web', account: 'default', store: 'file', file: join(home.stateDir, 'credentials.json') });
    expect(await run('ping web')).toMatchObject({ code: 0 });
  });

  it('is not sent to the server when its address changes: path, port or scheme', async () => {
    await using web = await startGuardedServer(token);
    await using second = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const run = cli(home);
    await run('auth-save web', { input: token });
    for (const url of [`${web.url}/v2`, second.url, web.url.replace('127.0.0.1', 'localhost')]) {
      await home.writeConfig({ mcpServers: { web: { url } } });
      expect((await run('ping web')).code).toBe(3);
    }
    expect([...web.seen, ...second.seen].filter((sent) => sent !== null)).toEqual([]);
    // Only its query changed.
    await home.writeConfig({ mcpServers: { web: { url: `${web.url}?tenant=2` } } });
    expect((await run('ping web')).code).toBe(0);
  });

  it.each([
    ['nothing', '', /There is no token/],
    ['two lines', 'one\ntwo', /characters, or line breaks, that cannot be sent/],
    ['not ASCII', 'schlüssel', /cannot be sent in a header/],
    ['13,000 characters', 'x'.repeat(13_000), /at most 12288 characters, and this has 13000/],
  ])('is refused when it is %s, and nothing is stored', async (_, input, message) => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const result = await cli(home)('auth-save web', { input });
    expect(result.code).toBe(2);
    expectHumanError(result.stderr, message);
    expect(existsSync(join(home.stateDir, 'credentials.json'))).toBe(false);
  });

  it('is for servers over HTTP without a header of their own', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith({ ...serversOf(web), unset: { url: 'https://${NOT_SET_ANYWHERE}/' } });
    const run = cli(home);
    expect(errorOf(await run('auth-save local --json', { input: token }))).toMatchObject({ code: 'USAGE', server: 'local' });
    expect(errorOf(await run('auth-save own --json', { input: token })).message).toMatch(
      /has an Authorization header of its own/,
    );
    expect(errorOf(await run('auth-save wbe --json', { input: token }))).toMatchObject({ code: 'UNKNOWN_SERVER' });
    expect(errorOf(await run('auth-save unset --json', { input: token }))).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(errorOf(await run('logout local --json'))).toMatchObject({ code: 'USAGE' });
    expect((await run('ping own')).stderr).toContain('refuses the Authorization header in its configuration');
  });
});

describe('a token on the command line', () => {
  it('is taken with a warning, and masked where it would be repeated', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const saved = await cli(home)(`auth-save web ${token}`);
    expect(saved).toMatchObject({ code: 0, stderr: expect.stringMatching(/^warning: a token on the command line can be seen/) });
    expect(saved.stdout + saved.stderr).not.toContain('cnry');
    expect(leaksIn(home)).toEqual([]);
  });

  it('typed in a session enters no history', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    await using terminal = startTerminal([], { home, env: inFile });
    await terminal.waitFor('mcpctl>');
    terminal.type(`/mcp auth-save web ${token}${keys.enter}`);
    await terminal.waitFor('The token of web is stored');
    terminal.type(`servers${keys.enter}/exit${keys.enter}`);
    expect((await terminal.exited).code).toBe(0);
    expect(await readFile(join(home.stateDir, 'history'), 'utf8')).toBe('servers\n/exit\n');
  });
});

describe('the prompt for a token', () => {
  it('shows nothing of it, takes corrections, and ends with Enter', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    await using terminal = startTerminal(['auth-save', 'web'], { home, env: inFile });
    await terminal.waitFor('Token for "web" (not shown):');
    terminal.type(`wrong\x15${token}xy\x7f\x7f${keys.enter}`);
    await terminal.waitFor('The token of web is stored');
    expect((await terminal.exited).code).toBe(0);
    expect(terminal.raw).not.toContain('cnry');
    expect(terminal.raw).not.toContain('wrong');
    expect((await cli(home)('ping web')).code).toBe(0);
  });

  it('is left with Ctrl-C, exit 130, and nothing is stored', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    await using terminal = startTerminal(['auth-save', 'web'], { home, env: inFile });
    await terminal.waitFor('(not shown):');
    terminal.type(`cnry${keys.ctrlC}`);
    expect((await terminal.exited).code).toBe(130);
    expect(terminal.raw).not.toContain('cnry');
    expect(existsSync(join(home.stateDir, 'credentials.json'))).toBe(false);
  });

  it('in a session: hidden, in no history, and the server connects with it', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith({ web: { url: web.url } });
    await using terminal = startTerminal([], { home, env: { MCPCTL_CREDENTIAL_STORE: 'memory' } });
    await terminal.waitFor('web needs a login; log in: mcpctl auth web');
    terminal.type(`auth-save web${keys.enter}`);
    await terminal.waitFor('(not shown):');
    terminal.type(`${token}${keys.enter}`);
    await terminal.waitFor('is stored in the memory of this process');
    await terminal.waitFor('+ web connected');
    terminal.type(`logout web${keys.enter}`);
    await terminal.waitFor('The token of web is deleted.');
    const after = terminal.text.length;
    await terminal.waitFor('web needs a login', { after: after - 200 });
    terminal.type(`auth-save web${keys.enter}`);
    await terminal.waitFor('(not shown):', { after });
    terminal.type(`cnry-typed${keys.ctrlC}`);
    await terminal.waitFor(/\^C[\s\S]*mcpctl>/, { after });
    terminal.type(keys.ctrlD);
    await terminal.exited;
    expect(terminal.raw).not.toContain('cnry');
    expect(filesOf(home.stateDir).filter((file) => readFileSync(file, 'latin1').includes('cnry'))).toEqual([]);
    expect(existsSync(join(home.stateDir, 'credentials.json'))).toBe(false);
  });
});

describe('with a manager in the background', () => {
  it('a token from a pipe and from a prompt goes to it, and its servers connect anew', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith({ web: { url: web.url } });
    const run = cli(home);
    expect((await run('up')).code).toBe(0);
    try {
      await waitFor(async () => (await run('status web')).stdout.includes('needs-auth'));
      await using terminal = startTerminal(['auth-save', 'web'], { home, env: inFile });
      await terminal.waitFor('(not shown):');
      terminal.type(`${token}${keys.enter}`);
      expect((await terminal.exited).code).toBe(0);
      expect(terminal.raw).not.toContain('cnry');
      await waitFor(async () => (await run('status web')).stdout.includes('● web'));
      expect(await run('call web/echo')).toMatchObject({ code: 0, stdout: 'inside\n' });
      web.accepted.clear();
      web.accepted.add(other);
      expect(await run('auth-save web', { input: other })).toMatchObject({ code: 0 });
      await waitFor(async () => (await run('call web/echo')).code === 0);
      expect((documentOf(await run('auth --json')) as AuthDocument).servers).toMatchObject([{ server: 'web', state: 'valid' }]);
      expect((await run('logout web')).stdout).toBe('The token of web is deleted.\n');
      await waitFor(async () => (await run('status web')).stdout.includes('needs-auth'));
      for (const { command } of findProcesses(home.path)) expect(command).not.toContain('cnry');
    } finally {
      await run('down');
    }
    expect(leaksIn(home)).toEqual([]);
  });
});

describe('in a script', () => {
  it('a token cannot be asked for, and the error names the line', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const result = await runCli([], { home, env: inFile, input: 'auth\nauth-save web\n' });
    expect(result.code).toBe(2);
    expectHumanError(result.stderr, 'line 2: There is nobody to ask for the token, and it is not on stdin');
  });
});

describe('the store', () => {
  it('that the configuration asks for is used, the environment wins, and a word that is none is told', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web), { credentials: { store: 'file' } });
    const plain = cli(home, { MCPCTL_CREDENTIAL_STORE: undefined });
    const auth = async (env: Record<string, string | undefined>) =>
      (documentOf(await cli(home, env)('auth --json')) as AuthDocument).store;
    expect(await plain('config validate')).toMatchObject({ code: 0, stdout: 'The configuration is valid.\n' });
    expect(await auth({ MCPCTL_CREDENTIAL_STORE: undefined })).toMatchObject({ mode: 'file', store: 'file' });
    expect(await auth({ MCPCTL_CREDENTIAL_STORE: 'memory' })).toMatchObject({ mode: 'memory', store: 'memory' });
    expect(await auth({ MCPCTL_CREDENTIAL_STORE: undefined, MCPCTL_VAULT_PASSPHRASE: 'x' })).toMatchObject({ key: 'passphrase' });
    expect(errorOf(await cli(home, { MCPCTL_CREDENTIAL_STORE: 'paper' })('auth --json'))).toMatchObject({
      code: 'CONFIG_INVALID',
    });
    expect((await cli(home, { MCPCTL_CREDENTIAL_STORE: 'paper' })('call local/echo text=hi')).stdout).toBe('hi\n');
  });

  it('auto without a keychain is the file, announced once; keychain without one is an error with exit 3', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const none = { DBUS_SESSION_BUS_ADDRESS: `unix:path=${home.path}/none`, MCPCTL_CREDENTIAL_STORE: 'auto' };
    const first = await cli(home, none)('auth-save web', { input: token });
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('note: There is no keychain here: ') });
    expect(first.stderr).toContain(`tokens are kept encrypted in ${home.stateDir}/credentials.json`);
    expect(await cli(home, none)('auth-save web', { input: token })).toMatchObject({ code: 0, stderr: '' });
    expect(await cli(home, none)('ping web')).toMatchObject({ code: 0 });
    const refused = await cli(home, { ...none, MCPCTL_CREDENTIAL_STORE: 'keychain' })('auth-save web --json', { input: token });
    expect(refused.code).toBe(3);
    expect(errorOf(refused)).toMatchObject({ code: 'CREDENTIAL_STORE', details: { reason: 'missing' } });
  });

  it('memory in a single command says that it forgets', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const run = cli(home, { MCPCTL_CREDENTIAL_STORE: 'memory' });
    expect((await run('auth-save web', { input: token })).stderr).toMatch(/^warning: the store is memory/);
    expect((await run('auth')).stdout).toContain('Tokens are kept in memory');
    expect(filesOf(home.stateDir, home.configDir).map((file) => file.split('/').at(-1))).toEqual(['config.json']);
  });

  it('file with another passphrase: exit 3, and other servers work', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    await cli(home, { ...inFile, MCPCTL_VAULT_PASSPHRASE: 'one' })('auth-save web', { input: token });
    const run = cli(home, { ...inFile, MCPCTL_VAULT_PASSPHRASE: 'two' });
    const result = await run('ping web --json');
    expect(result.code).toBe(3);
    expect(errorOf(result)).toMatchObject({
      code: 'CREDENTIAL_STORE',
      server: 'web',
      message: expect.stringContaining('another passphrase'),
    });
    expect((await run('status')).stdout).toMatch(/● local +connected/);
  });

  it('file that is damaged is put aside and told; logging in again works', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const run = cli(home);
    await run('auth-save web', { input: token });
    await writeFile(join(home.stateDir, 'credentials.json'), '{"version":1,"entr');
    const result = await run('ping web');
    expect(result).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/the file with the tokens was damaged and is put aside as .*damaged-/),
    });
    await run('auth-save web', { input: token });
    expect(await run('ping web')).toMatchObject({ code: 0, stderr: '' });
  });

  it('two at once: both servers have their token', async () => {
    await using web = await startGuardedServer(token, other);
    await using home = await homeWith({ one: { url: `${web.url}/1` }, two: { url: `${web.url}/2` } });
    const run = cli(home);
    await Promise.all([run('auth-save one', { input: token }), run('auth-save two', { input: other })]);
    expect([(await run('ping one')).code, (await run('ping two')).code]).toEqual([0, 0]);
    expect(new Set(web.seen)).toEqual(new Set([`Bearer ${token}`, `Bearer ${other}`]));
  });
});

describe('a state folder that takes nothing', needs('unshare'), () => {
  it.each([
    ['is full', 'cat /dev/zero > filler 2>/dev/null', /ENOSPC/],
    ['can only be read', 'mount -o remount,ro "$PWD"', /EROFS/],
  ])('%s: exit 3, says why, and the token from before is there', async (_, prepare, why) => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    const disk = join(home.path, 'disk');
    await mkdir(disk);
    const node = `'${process.execPath}' '${cliPath}'`;
    const save = (text: string) => `printf %s '${text}' | ${node} auth-save web`;
    const script = `mount -t tmpfs -o size=64k,mode=700 none '${disk}' && ${save(token)} && cd '${disk}' && (${prepare}; true) && cd / &&
      (${save(other)}; echo "exit $?"; ${node} ping web; echo "exit $?")`;
    const result = await promisify(execFile)('unshare', ['--mount', '--map-root-user', 'sh', '-c', script], {
      env: { ...home.env, ...inFile, MCPCTL_STATE_DIR: disk },
    });
    expect(result.stdout).toMatch(/is stored in the encrypted file .*\nexit 3\nweb answered in .*\nexit 0\n$/);
    expect(result.stderr).toMatch(why);
    expect(result.stderr).toMatch(
      /^error: The file with the tokens cannot be written: .*\nhint: nothing was changed; make room/m,
    );
    expect(result.stdout + result.stderr).not.toContain('cnry');
  });
});

describe('a real keychain', needs(...keychainComponents), () => {
  it('keeps the token: no file, found by secret-tool, sent to the server, gone after logout', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    await using keychain = await startKeychain(home, 'unlocked');
    const run = cli(home, keychain.env);
    const saved = documentOf(await run('auth-save web --json', { input: token }));
    expect(saved).toEqual({ server: 'web', account: 'default', store: 'keychain', file: null });
    expect((await run('auth')).stdout).toContain('Tokens are kept in the keychain.');
    expect(await run('call web/echo')).toMatchObject({ code: 0, stdout: 'inside\n' });
    expect(existsSync(join(home.stateDir, 'credentials.json'))).toBe(false);
    expect(leaksIn(home)).toEqual([]);
    expect((await run('logout web --all-accounts')).stdout).toBe('The token of web is deleted.\n');
    expect((await run('ping web')).code).toBe(3);
  });

  it('that is locked is an error with exit 3, and no file takes its place', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    {
      await using keychain = await startKeychain(home, 'unlocked');
      await cli(home, keychain.env)('auth-save web', { input: token });
    }
    await using keychain = await startKeychain(home, 'locked');
    const run = cli(home, keychain.env);
    for (const [line, input] of [
      ['ping web --json', ''],
      ['auth-save web --json', other],
      ['logout web --json', ''],
    ] as const) {
      const result = await run(line, { input });
      expect([line, result.code]).toEqual([line, 3]);
      expect(errorOf(result)).toMatchObject({ code: 'CREDENTIAL_STORE', details: { reason: 'locked' } });
    }
    expect(existsSync(join(home.stateDir, 'credentials.json'))).toBe(false);
    expect(web.seen).toEqual([]);
    // Its token is still known of, and the other servers work.
    expect((documentOf(await run('auth --json')) as AuthDocument).servers[0]).toMatchObject({
      state: 'valid',
      store: 'keychain',
    });
    expect((await run('call local/echo text=hi')).stdout).toBe('hi\n');
  });

  it('whose dialog waits costs a command without a terminal 3 s; servers without a token do not wait', async () => {
    await using web = await startGuardedServer(token);
    await using home = await homeWith(serversOf(web));
    {
      await using keychain = await startKeychain(home, 'unlocked');
      await cli(home, keychain.env)('auth-save web', { input: token });
    }
    await using keychain = await startKeychain(home, 'asking');
    const run = cli(home, keychain.env);
    const result = await run('ping web --json');
    expect(result.code).toBe(3);
    expect(errorOf(result).message).toContain('The keychain did not answer within 3 s');
    // After `kill -9` nothing of it stays, as little as of a server: the home looks for it at the end.
    await using killed = startCli(['ping', 'web'], { home, env: keychain.env });
    await waitFor(() => findProcesses(home.path).some(({ command }) => command.includes('keychain-helper')));
    killed.kill('SIGKILL');
    await waitFor(() => !findProcesses(home.path).some(({ command }) => command.includes('keychain-helper')), {
      timeoutMs: 1_000,
    });
    await using watching = startCli(['status', '--watch', '--json'], { home, env: keychain.env });
    await watching.waitForOutput(/"name":"local"[^}]*"status":"connected"/);
    watching.kill('SIGINT');
    await watching.exited;
  });
});
