/** From files on disk to the servers in force. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeServer } from '../../src/config/describe.js';
import { formatProblem } from '../../src/config/position.js';
import { presetNames } from '../../src/config/presets.js';
import type { Config } from '../../src/config/schema.js';
import { loadFor, serverOf } from '../support/load-config.js';
import { tempHome } from '../support/temp-home.js';

const warnings = (config: Config) =>
  config.problems.map((problem) => `${problem.severity} ${problem.line}:${problem.column} ${problem.path}: ${problem.message}`);

describe('loadConfig', () => {
  it('gives no servers and no problem when the user has no file', async () => {
    await using home = await tempHome();
    const config = await loadFor(home);
    expect(config.servers.size).toBe(0);
    expect(config.problems).toEqual([]);
    expect(config.files).toEqual([{ path: join(home.configDir, 'config.json'), source: 'user', exists: false }]);
  });

  it('fills in every default', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig('{\n  // mine\n  "mcpServers": { "files": { "command": "npx" }, },\n}');
    const { hash, ...server } = serverOf(await loadFor(home), 'files');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(server).toEqual({
      name: 'files',
      source: 'user',
      approval: 'not-needed',
      file,
      position: { line: 3, column: 19 },
      enabled: true,
      enabledInFile: true,
      target: 'npx',
      definition: { type: 'stdio', command: 'npx', args: [], env: Object.create(null), cwd: home.projectDir, inheritEnv: false },
      shown: { type: 'stdio', command: 'npx', args: [], env: Object.create(null), cwd: home.projectDir, inheritEnv: false },
      endpoints: [],
      balance: 'round-robin',
      stateless: false,
      pool: { min: 0, max: 1, maxIdle: 1, maxIdleMs: 300_000, maxLifetimeMs: 1_800_000, waitMs: 30_000 },
      protocol: 'auto',
      timeouts: { connectMs: 10_000, initializeMs: 60_000, listMs: 30_000, callMs: 60_000, callTotalMs: 600_000 },
      health: { intervalMs: 30_000, timeoutMs: 5_000 },
      cache: { enabled: true, ttlMs: 300_000, maxSize: 100, policy: 'lru', results: null },
      reconnect: { jitter: 0.5 },
      retry: {
        strategy: 'exponential',
        baseDelayMs: 1000,
        maxDelayMs: 30_000,
        maxAttempts: 5,
        jitter: 1,
        tools: Object.create(null),
      },
      concurrency: { inFlight: 64, queue: 256 },
      trust: { annotations: false },
      circuitBreaker: {
        maxFailures: 5,
        timeoutMs: 30_000,
        maxHalfOpenRequests: 3,
        successThreshold: 2,
        failureRateThreshold: 50,
        minSamples: 10,
        tools: Object.create(null),
      },
      stop: { graceMs: null, command: null },
      tools: { include: [], exclude: [] },
      oauth: {
        registration: 'auto',
        scopes: null,
        account: null,
        clientId: null,
        clientSecret: null,
        clientSecretEnv: null,
        privateKeyFile: null,
        clientMetadataUrl: null,
        resource: null,
        omitResource: false,
        authorizationParams: {},
        authEndpoint: null,
        tokenEndpoint: null,
        callbackPort: null,
        allowHosts: [],
        assumeS256: false,
      },
      maxMessageBytes: 16_777_216,
    });
  });

  it('takes values of a server before defaults of the file, and lets a longer call move the hard limit', async () => {
    await using home = await tempHome();
    await home.writeConfig({
      defaults: { timeouts: { call: '20m', list: '5s' }, health: { interval: '1m' } },
      mcpServers: { a: { command: 'x', timeouts: { list: '1.5s' }, health: { timeout: '250ms' }, stop: { grace: '0s' } } },
    });
    const server = serverOf(await loadFor(home), 'a');
    expect(server.timeouts).toEqual({
      connectMs: 10_000,
      initializeMs: 60_000,
      listMs: 1_500,
      callMs: 1_200_000,
      callTotalMs: 1_200_000,
    });
    expect(server.health).toEqual({ intervalMs: 60_000, timeoutMs: 250 });
    expect(server.stop.graceMs).toBe(0);
  });

  it.each(presetNames)(
    'has a circuit breaker with preset %s, its values from the tool, the server, the defaults, in this order',
    async (preset) => {
      await using home = await tempHome();
      await home.writeConfig({
        defaults: { circuitBreaker: { maxFailures: 7, timeout: '10s' } },
        mcpServers: {
          a: { command: 'x', circuitBreaker: { timeout: '1m', tools: { search: { maxFailures: 2 }, other: {} } } },
          b: { command: 'x' },
        },
      });
      const config = await loadFor(home, { preset });
      expect(config.problems).toEqual([]);
      const rest = { maxHalfOpenRequests: 3, successThreshold: 2, failureRateThreshold: 50, minSamples: 10 };
      expect(serverOf(config, 'a').circuitBreaker).toEqual({
        ...rest,
        maxFailures: 7,
        timeoutMs: 60_000,
        tools: { search: { ...rest, maxFailures: 2, timeoutMs: 60_000 }, other: { ...rest, maxFailures: 7, timeoutMs: 60_000 } },
      });
      expect(serverOf(config, 'b').circuitBreaker).toEqual({ ...rest, maxFailures: 7, timeoutMs: 10_000, tools: {} });
    },
  );

  it('starts 2 × cores servers at once, at least 4, or as many as the file says', async () => {
    await using home = await tempHome();
    expect((await loadFor(home, { cores: 1 })).startConcurrency).toBe(4);
    expect((await loadFor(home, { cores: 8 })).startConcurrency).toBe(16);
    await home.writeConfig({ mcpServers: {}, startConcurrency: 1 });
    expect((await loadFor(home, { cores: 8 })).startConcurrency).toBe(1);
  });

  it('reads only the files of -c, and takes each server whole from the last one that has it', async () => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { user: { command: 'u' } } });
    const one = await home.write('one.json', {
      mcpServers: { a: { command: 'a1', args: ['x'] }, b: { command: 'b1' } },
      defaults: { timeouts: { call: '1s', list: '1s' } },
    });
    const two = await home.write('sub/two.json', {
      mcpServers: { a: { command: 'a2' } },
      defaults: { timeouts: { call: '2s' } },
    });
    const config = await loadFor(home, { files: ['../one.json', two] });
    expect([...config.servers.keys()].sort()).toEqual(['a', 'b']);
    expect(serverOf(config, 'a')).toMatchObject({ source: 'flag', file: two, definition: { command: 'a2', args: [] } });
    expect(serverOf(config, 'b')).toMatchObject({ file: one, timeouts: { callMs: 2_000, listMs: 1_000 } });
  });

  it('resolves relative paths against the folder of the file; -c servers run there, the user’s servers where the user is', async () => {
    await using home = await tempHome();
    const entry = { command: './run.sh', cwd: 'work' };
    const file = await home.write('project/x/mcp.json', { mcpServers: { a: entry, b: { command: 'node' } } });
    const flag = await loadFor(home, { files: [file], cwd: '/' });
    expect(serverOf(flag, 'a').definition).toMatchObject({
      command: join(home.projectDir, 'x/run.sh'),
      cwd: join(home.projectDir, 'x/work'),
    });
    expect(serverOf(flag, 'b').definition).toMatchObject({ command: 'node', cwd: join(home.projectDir, 'x') });

    await home.writeConfig({ mcpServers: { a: entry, b: { command: 'node' } } });
    const user = await loadFor(home, { cwd: '/' });
    expect(serverOf(user, 'a').definition).toMatchObject({
      command: join(home.configDir, 'run.sh'),
      cwd: join(home.configDir, 'work'),
    });
    expect(serverOf(user, 'b').definition).toMatchObject({ cwd: '/' });
  });

  it('makes only the server unusable whose variable is missing, and names file, server, field and variable', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig(
      '{ "mcpServers": {\n  "github": { "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer ${GH}" } },\n  "ok": { "command": "x" } } }',
    );
    const config = await loadFor(home);
    const { problem } = serverOf(config, 'github');
    expect(problem).toMatchObject({
      code: 'CONFIG_INVALID',
      server: 'github',
      message: `${file}:2:77: mcpServers.github.headers.Authorization: the environment variable GH is not set`,
      hint: 'set it: export GH=…, or give it a default in the file: ${GH:-value}',
    });
    expect(serverOf(config, 'ok').problem).toBeUndefined();
    expect(config.problems.map(formatProblem)).toEqual([problem?.message]);
    expect(config.problems[0]?.severity).toBe('error');
  });

  it('only warns about a missing variable of a disabled server', async () => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { a: { command: 'x', args: ['${NOPE}'], enabled: false } } });
    const config = await loadFor(home);
    expect(config.problems.map((problem) => problem.severity)).toEqual(['warning']);
    expect(serverOf(config, 'a').problem?.code).toBe('CONFIG_INVALID');
  });

  it.each([
    [{ url: 'ftp://x.example' }, 'mcpServers.a.url: must start with http:// or https://, not ftp:'],
    [{ url: 'not a url' }, 'mcpServers.a.url: is not a URL; write for example "https://example.com/mcp"'],
    [{ url: 'https://x.example', headers: { 'A B': 'x' } }, 'mcpServers.a.headers["A B"]: "A B" is not a header name'],
    [
      { url: 'https://x.example', headers: { A: '${CRLF}' } },
      'mcpServers.a.headers.A: a header value must not contain a line break',
    ],
    [
      { url: 'https://x.example', headers: { A: 'a\0b' } },
      'mcpServers.a.headers.A: a header value must not contain control characters',
    ],
    [
      { url: 'https://x.example', headers: { A: '→' } },
      'mcpServers.a.headers.A: a header value can only hold Latin-1 characters',
    ],
    [
      { url: 'https://x.example', headers: { 'Transfer-Encoding': 'chunked' } },
      'mcpServers.a.headers.Transfer-Encoding: this header is set by mcpctl and cannot be configured',
    ],
    [
      { url: 'https://x.example', headers: { 'X-A': '1', 'x-a': '2' } },
      'mcpServers.a.headers.x-a: the same header as "X-A": names differ only in case',
    ],
    [{ url: 'https://x.example', ca: 'missing.pem' }, 'mcpServers.a.ca: cannot read the certificates: ENOENT'],
    [
      { url: 'https://x.example', ca: 'config.json' },
      'config.json holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)',
    ],
    [{ command: '${EMPTY}' }, 'mcpServers.a.command: is empty once its variables are expanded'],
    [{ command: 'x', args: ['a\0b'] }, 'mcpServers.a.args[0]: contains a NUL character'],
    [{ command: 'x', env: { 'A=B': '1' } }, 'mcpServers.a.env["A=B"]: "A=B" is not a name for an environment variable'],
    [{ command: 'x', args: ['${input:key}'] }, 'is not understood: write ${VAR} or ${VAR:-default}'],
  ])('%j makes the server unusable: %s', async (entry, message) => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { a: entry } });
    const { problem } = serverOf(await loadFor(home, { env: { CRLF: 'secret-1\r\nX-Evil: 1', EMPTY: '' } }), 'a');
    expect(problem?.code).toBe('CONFIG_INVALID');
    expect(problem?.message).toContain(message);
    expect(problem?.message).not.toContain('secret-1');
  });

  it('warns, with positions, about keys without effect: unknown, of other programs, of later versions, and names that differ in case', async () => {
    await using home = await tempHome();
    await home.writeConfig(
      [
        '{ "sarvers": {}, "$schema": "x", "state": {}, "defaults": { "timeouts": { "cal": "1s" } },',
        '  "mcpServers": {',
        '    "a": { "command": "x", "agrs": [], "timeout": 10000, "pin": false, "headers": {}, "timeouts": { "idle": "1s" } },',
        '    "A": { "url": "https://x.example", "cwd": "/", "xyzzy": 1 } } }',
      ].join('\n'),
    );
    const config = await loadFor(home);
    expect(warnings(config)).toEqual([
      'warning 1:3 sarvers: unknown key "sarvers" is ignored',
      'warning 1:34 state: "state" has no effect in this version',
      'warning 1:75 defaults.timeouts.cal: unknown key "cal" is ignored; did you mean "call"?',
      'warning 3:28 mcpServers.a.agrs: unknown key "agrs" is ignored; did you mean "args"?',
      'warning 3:40 mcpServers.a.timeout: unknown key "timeout" is ignored; mcpctl writes "timeouts": { "call": "60s" }',
      'warning 3:58 mcpServers.a.pin: "pin" has no effect in this version',
      'warning 3:101 mcpServers.a.timeouts.idle: "idle" has no effect in this version',
      'warning 4:52 mcpServers.A.xyzzy: unknown key "xyzzy" is ignored',
      'warning 4:5 mcpServers.A: differs from "a" only in case; give it another name',
      'warning 3:72 mcpServers.a.headers: has no effect together with "command"',
      'warning 4:40 mcpServers.A.cwd: has no effect together with "url"',
    ]);
  });

  it('warns about inheritEnv, "~", and a file others can write', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig({ mcpServers: { a: { command: 'x', inheritEnv: true, cwd: '~/code' } } });
    await chmod(file, 0o666);
    expect((await loadFor(home)).problems.map((problem) => problem.message)).toEqual([
      `everyone can write this file; run: chmod go-w ${file}`,
      '"~" is not expanded; write "${HOME}"',
      'the server sees every environment variable of mcpctl but MCPCTL_*, secrets included',
    ]);
    await chmod(file, 0o660);
    expect((await loadFor(home)).problems[0]?.message).toMatch('its group can write this file');
  });

  it.each([
    [{ command: 'x' }, 'stdio'],
    [{ command: 'x', type: 'stdio' }, 'stdio'],
    [{ url: 'https://x.example' }, 'auto'],
    [{ url: 'https://x.example', type: 'streamable-http' }, 'http'],
    [{ url: 'https://x.example', transport: 'streamableHttp' }, 'http'],
    [{ url: 'https://x.example', type: 'sse', transport: 'sse' }, 'sse'],
  ])('%j is spoken to over %s', async (entry, type) => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { a: entry } });
    expect(serverOf(await loadFor(home), 'a').definition.type).toBe(type);
  });

  it('reads certificates relative to the file', async () => {
    await using home = await tempHome();
    await home.write('certs/ca.pem', '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n');
    const file = await home.write('mcp.json', { mcpServers: { a: { url: 'https://x.example', ca: 'certs/ca.pem' } } });
    expect(serverOf(await loadFor(home, { files: [file] }), 'a').definition).toMatchObject({
      ca: expect.stringContaining('BEGIN CERTIFICATE'),
    });
  });

  it('follows a linked configuration file', async () => {
    await using home = await tempHome();
    const real = await home.write('dotfiles/mcp.json', { mcpServers: { a: { command: 'x' } } });
    await mkdir(home.configDir, { recursive: true });
    await symlink(real, join(home.configDir, 'config.json'));
    expect(serverOf(await loadFor(home), 'a').file).toBe(join(home.configDir, 'config.json'));
  });
});

describe('the hash of a server', () => {
  it('stays when keys are reordered or what is no part of the definition changes, and changes with each part of it', async () => {
    await using home = await tempHome();
    const hashOf = async (entry: object, env: Record<string, string> = { T: 'one' }) => {
      await home.writeConfig({ mcpServers: { a: entry } });
      return serverOf(await loadFor(home, { env }), 'a').hash;
    };
    const base = { command: 'x', args: ['1'], env: { A: '1', B: '${T}' } };
    const hash = await hashOf(base);
    expect(
      await hashOf({ env: { B: '${T}', A: '1' }, args: ['1'], command: 'x', enabled: false, timeouts: { call: '1s' } }),
    ).toBe(hash);
    const others = [
      await hashOf(base, { T: 'two' }),
      await hashOf({ ...base, command: 'y' }),
      await hashOf({ ...base, args: ['1', '2'] }),
      await hashOf({ ...base, env: { A: '1' } }),
      await hashOf({ ...base, cwd: '/' }),
      await hashOf({ ...base, inheritEnv: true }),
      await hashOf({ ...base, protocol: 'legacy' }),
      await hashOf({ url: 'https://x.example' }),
      await hashOf({ url: 'https://x.example', headers: { A: '1' } }),
      await hashOf({ url: 'https://x.example', type: 'sse' }),
    ];
    expect(new Set([hash, ...others]).size).toBe(11);
  });
});

describe('secrets', () => {
  it('appear in the definition and in `secrets`, and nowhere in what is shown: 9 planted, 0 found', async () => {
    await using home = await tempHome();
    const planted = {
      bearer: 'canary-bearer-000001',
      env: 'canary-env-00000002',
      literalEnv: 'canary-literal-0003',
      userinfo: 'canary-userinfo-0004',
      query: 'canary-query-0000005',
      path: 'canary-path-00000006',
      argument: 'canary-argument-0007',
      apiKey: 'canary-api-key-00008',
      plainHeader: 'canary-header-000009',
    };
    await home.writeConfig({
      mcpServers: {
        web: {
          url: 'https://ann:${USERINFO}@x.example/${PATH_PART}/mcp?api_key=canary-query-0000005&team=blue',
          headers: { authorization: 'Bearer ${BEARER}', 'X-My-Key': planted.apiKey, 'X-Team': '${HEADER}', 'X-Plain': 'shown' },
        },
        local: {
          command: 'npx',
          args: ['-y', 'pkg', '--token', planted.argument],
          env: { ANYTHING: '${ENV}', DB_PASSWORD: planted.literalEnv, DEBUG: 'shown-value' },
        },
      },
    });
    const env = {
      USERINFO: planted.userinfo,
      PATH_PART: planted.path,
      BEARER: planted.bearer,
      HEADER: planted.plainHeader,
      ENV: planted.env,
    };
    const config = await loadFor(home, { env });
    for (const secret of Object.values(planted)) expect(config.secrets, secret).toContain(secret);
    const shown = JSON.stringify([...config.servers.values()].map(describeServer));
    for (const secret of Object.values(planted)) expect(shown).not.toContain(secret);
    expect(config.secrets).not.toContain('shown-value');

    const web = serverOf(config, 'web');
    expect(web.target).toBe('https://***@x.example/***/mcp?api_key=***&team=blue');
    expect(web.shown).toMatchObject({
      headers: { authorization: '***', 'X-My-Key': '***', 'X-Team': '***', 'X-Plain': 'shown' },
    });
    expect(web.definition).toMatchObject({
      headers: { authorization: `Bearer ${planted.bearer}`, 'X-Team': planted.plainHeader },
    });
    const local = serverOf(config, 'local');
    expect(local.target).toBe('npx -y pkg --token ***');
    expect(local.shown).toMatchObject({ env: { ANYTHING: '***', DB_PASSWORD: '***', DEBUG: 'shown-value' } });
    expect(local.definition).toMatchObject({ env: { ANYTHING: planted.env, DB_PASSWORD: planted.literalEnv } });
  });

  it('moves user and password of a URL into a header, where no error message repeats them', async () => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { a: { url: 'https://ann:p%40ss@x.example/mcp#part' } } });
    const { definition } = serverOf(await loadFor(home), 'a');
    expect(definition).toMatchObject({ url: 'https://x.example/mcp', headers: { Authorization: `Basic ${btoa('ann:p@ss')}` } });
  });
});
