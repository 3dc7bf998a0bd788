/** Secrets planted wherever a configuration or a command line has room for them appear in no output and in no file that mcpctl writes. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBody, startHttpServer, type TestServer } from '../support/http-server.js';
import { findProcesses } from '../support/no-leftovers.js';
import { runCli, startCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';
import { faultServer, fixture, neverOpen } from './kit.js';

/** Unlike anything else, and with characters that each encoding writes differently. */
const canary = (name: string) => `cnry-${name}-Zq7+/=x9`;
const planted = {
  envSecret: canary('envsecret'),
  envVariable: canary('envvariable'),
  environment: canary('environment'),
  header: canary('header'),
  headerVariable: canary('headervariable'),
  userinfo: 'cnry-userinfo-Zq7x9',
  query: 'cnry-query-Zq7x9',
  argument: canary('argument'),
  argumentVariable: canary('argumentvariable'),
  unrelated: canary('unrelated'),
  callArgument: canary('callargument'),
};

/** Every form in which a secret could be written. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    JSON.stringify(secret).slice(1, -1),
  ];
}
const needles = Object.entries(planted).flatMap(([name, secret]) => formsOf(secret).map((form) => ({ name, form })));
const hits = (text: string) => [...new Set(needles.filter(({ form }) => text.includes(form)).map(({ name }) => name))];

/** What a user gives to a tool on the command line is in argv of our own process, where mcpctl cannot take it back. */
const scenarios = [
  'status',
  'status --verbose',
  'status --json',
  'status --check',
  'status --no-connect --json',
  'status --timeout 50ms --verbose',
  'servers',
  'servers --json',
  'tools',
  'tools --json --verbose --refresh',
  'tools leaky',
  'tool leaky/ok',
  'tool leaky/nope --verbose',
  'config show',
  'config show --json',
  'config path',
  'config validate --json',
  'ping leaky --verbose',
  'ping exits',
  'ping exits --json',
  'ping exits --verbose',
  'ping forbidden',
  'ping forbidden --json --verbose',
  'ping broken --verbose',
  'ping moved --verbose',
  'ping refused',
  'ping refused --verbose --json',
  'reconnect --all --verbose',
  'reconnect --failed --json',
  'reconnect exits forbidden',
  'call leaky/ok --verbose',
  'call leaky/ok --json --verbose',
  'call leaky/refuse',
  'call leaky/refuse --json',
  'call leaky/refuse --verbose',
  'call leaky/die',
  'call leaky/die --json --verbose',
  'call leaky/nope',
  'disable leaky',
  'enable leaky --json',
  'enable leaky --session',
  'logs leaky',
  'logs -n all',
  'logs -n all --json --verbose',
  'logs leaky --json --verbose',
  'logs exits --tail all',
  'logs forbidden --since 1h',
  'logs broken --tail all --json',
  'logs moved',
  'logs refused --json',
  'doctor',
  'doctor --json --verbose',
  'doctor leaky --verbose',
  'doctor exits',
  'doctor forbidden',
  'doctor broken --json',
  'doctor moved',
  'doctor refused --verbose',
  'nonsense --verbose',
];

describe('planted secrets', () => {
  let home: TempHome;
  let web: TestServer;
  const seen: string[] = [];
  let configFile = '';
  const secretEnv = {
    CANARY_ENV: planted.envVariable,
    CANARY_HEADER: planted.headerVariable,
    CANARY_API_KEY: planted.argumentVariable,
    UNRELATED_TOKEN: planted.unrelated,
  };

  beforeAll(async () => {
    // A web server that repeats the request, headers included, in each of its errors.
    web = await startHttpServer(async (request, response) => {
      const heard = JSON.stringify({ url: request.url, headers: request.headers, body: await readBody(request) });
      seen.push(heard);
      const status = request.url?.startsWith('/forbidden') ? 403 : request.url?.startsWith('/moved') ? 302 : 500;
      const more = status === 302 ? { location: `http://127.0.0.1:9/?from=${encodeURIComponent(heard)}` } : {};
      response.writeHead(status, { 'content-type': 'application/json', 'x-echo': encodeURIComponent(heard), ...more });
      response.end(JSON.stringify({ error: heard }));
    });
    home = await tempHome(secretEnv);
    const headers = { Authorization: `Bearer ${planted.header}`, 'X-Api-Key': '${CANARY_HEADER}' };
    const secretEnvOfServer = { LEAK_PASSWORD: planted.envSecret, LEAK_ANY: '${CANARY_ENV}' };
    const leaky = {
      command: process.execPath,
      args: [fixture('e2e-leaky.mjs'), '--token', planted.argument, '--key=${CANARY_API_KEY}'],
      env: secretEnvOfServer,
    };
    const withQuery = (path: string) =>
      `${web.url.replace('//', `//user:${planted.userinfo}@`)}/${path}?api_key=${planted.query}`;
    configFile = await home.writeConfig({
      ...neverOpen,
      mcpServers: {
        leaky,
        exits: { ...leaky, args: [...leaky.args, '--exit'] },
        forbidden: { url: withQuery('forbidden'), headers },
        broken: { url: withQuery('broken'), headers },
        moved: { url: withQuery('moved'), headers },
        refused: { url: `http://user:${planted.userinfo}@127.0.0.1:9/mcp?token=${planted.query}`, headers },
      },
    });
    await home.write('project/args.json', { token: planted.callArgument });
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await web[Symbol.asyncDispose]();
  });

  it('are found by this test when they are there, in each of their forms', () => {
    for (const { name, form } of needles) expect(hits(`x${form}y`)).toContain(name);
    expect(hits('nothing')).toEqual([]);
  });

  it.each(scenarios)('mcpctl %s', async (line) => {
    const { stdout, stderr } = await runCli(line.split(' '), { home });
    expect(stdout + stderr).not.toBe('');
    expect(stderr).not.toContain('internal error');
    expect(hits(stdout)).toEqual([]);
    expect(hits(stderr)).toEqual([]);
  });

  it('reached the servers, so that there was something to leak', async () => {
    expect(seen.some((request) => request.includes(planted.header) && request.includes(planted.headerVariable))).toBe(true);
    expect(seen.some((request) => request.includes(planted.query))).toBe(true);
    // The result of a tool is the user's own data and passes unchanged; it shows that the server has its secrets.
    const { stdout } = await runCli(['call', 'leaky/tell'], { home });
    for (const secret of [planted.envSecret, planted.envVariable, planted.argument]) expect(stdout).toContain(secret);
    // What the configuration does not name is not handed on.
    expect(stdout).not.toContain(planted.unrelated);
  });

  it.each(['ok', 'die', 'refuse'])(
    'the argument token of call leaky/%s is in no output but a result, whether it comes as a word, a file or stdin',
    async (tool) => {
      const words = [['--args', '@args.json'], ['--args', '-'], [`token=${planted.callArgument}`]];
      for (const input of words) {
        for (const more of [[], ['--json'], ['--verbose']]) {
          const { stdout, stderr } = await runCli(['call', `leaky/${tool}`, ...input, ...more], {
            home,
            input: JSON.stringify({ token: planted.callArgument }),
          });
          expect(hits(stdout)).toEqual([]);
          expect(hits(stderr)).toEqual([]);
        }
      }
    },
  );

  it('a batch says them no more than single commands do', async () => {
    const input = scenarios
      .filter((line) => !line.startsWith('nonsense'))
      .slice(0, 12)
      .join('\n');
    const { stdout, stderr } = await runCli(['--keep-going', '--verbose'], { home, input, timeoutMs: 30_000 });
    expect(hits(stdout + stderr)).toEqual([]);
  });

  it('a configuration that is broken is quoted without them', async () => {
    const broken = await home.write(
      'project/broken.json',
      `{"mcpServers":{"a":{"command":"node","env":{"API_TOKEN":"${planted.envSecret}" "x"}}}}`,
    );
    const typed = await home.write('project/typed.json', {
      mcpServers: { a: { command: 'node', env: { API_TOKEN: [planted.envSecret] }, headers: planted.header, url: 5 } },
    });
    for (const file of [broken, typed]) {
      for (const more of [[], ['--json'], ['--verbose']]) {
        const { stdout, stderr, code } = await runCli(['-c', file, 'status', ...more], { home });
        expect(code).toBe(9);
        expect(hits(stdout + stderr)).toEqual([]);
      }
    }
  });

  it('no process of ours carries them in its command line, other than the server that was given them', async () => {
    await using cli = startCli(['status', 'leaky', '--watch', '--json'], { home });
    await cli.waitForOutput('"connected"');
    const commands = await waitFor(() => findProcesses(home.path));
    expect(commands.length).toBeGreaterThan(1);
    for (const { command } of commands) if (!command.includes('e2e-leaky.mjs')) expect(hits(command)).toEqual([]);
    cli.kill('SIGINT');
    expect(hits((await cli.exited).stdout)).toEqual([]);
  });

  it('are in no file of the state, configuration and runtime directories, but the configuration they were planted in', async () => {
    const files = filesBelow(home.stateDir, home.configDir, home.runtimeDir, home.home).filter((file) => file !== configFile);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect([file, hits(readFileSync(file, 'latin1'))]).toEqual([file, []]);
    expect(hits(files.join('\n'))).toEqual([]);
    for (const file of files) expect([file, (statSync(file).mode & 0o077).toString(8)]).toEqual([file, '0']);
  });

  it('stand masked in the logs of the servers that said them', async () => {
    for (const name of ['leaky', 'exits']) {
      const { stdout } = await runCli(['logs', name, '--tail', 'all'], { home });
      expect(stdout).toContain('start: environment {"LEAK_PASSWORD":"[redacted]"');
      expect(stdout).toContain('[mcpctl] ');
      expect(hits(stdout)).toEqual([]);
    }
  });

  it('a server without secrets shows all of its stderr', async () => {
    await using own = await tempHome();
    await own.writeConfig({ mcpServers: { exits: faultServer('exit-at-start') } });
    expect((await runCli(['ping', 'exits'], { home: own })).stderr).toContain('fatal: bad argument --frobnicate');
  });
});

function filesBelow(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
}
