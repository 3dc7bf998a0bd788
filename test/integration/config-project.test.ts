/** Project files: which one is found, what it may say, and what stays in force without its approval. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { execFile } from 'node:child_process';
import { chmod, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { explainServer } from '../../src/config/explain.js';
import { formatProblem } from '../../src/config/position.js';
import { findProject } from '../../src/config/project.js';
import { approveProposal, readProposal } from '../../src/config/proposal.js';
import type { Config } from '../../src/config/schema.js';
import { setServerEnabled } from '../../src/config/set-enabled.js';
import { systemClock } from '../../src/core/clock.js';
import { loadFor, serverOf } from '../support/load-config.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const access = { clock: systemClock, pid: process.pid };
const projectFile = 'project/.mcp.json';

/** Approves servers of the project as they stand in its file. */
async function approve(home: TempHome, ...servers: string[]): Promise<void> {
  const project = { root: home.projectDir, file: join(home.projectDir, '.mcp.json') };
  for (const server of servers) {
    await approveProposal(await readProposal(project, server, home.configDir, access), home.configDir, access);
  }
}

const messages = (config: Config) => config.problems.map((problem) => `${problem.severity} ${problem.path}: ${problem.message}`);

describe('the project file', () => {
  it('is the nearest one from the working directory up to the folder with .git, which may be a file', async () => {
    await using home = await tempHome();
    await home.write('repo/.git', 'gitdir: elsewhere');
    await home.write('repo/.mcp.json', {});
    await home.write('repo/a/.mcp.json', {});
    await home.write('repo/a/b/c/x', '');
    await home.write('.mcp.json', {});
    const repo = join(home.path, 'repo');
    const at = (folder: string) => findProject(join(repo, folder))?.file;
    expect(at('a/b/c')).toBe(join(repo, 'a/.mcp.json'));
    expect(at('')).toBe(join(repo, '.mcp.json'));
    await rm(join(repo, 'a/.mcp.json'));
    expect(at('a/b/c')).toBe(join(repo, '.mcp.json'));
    await rm(join(repo, '.mcp.json'));
    expect(at('a/b/c')).toBeUndefined();
  });

  it('is outside a repository only that of the working directory', async () => {
    await using home = await tempHome();
    await home.write(projectFile, {});
    await home.write('project/sub/x', '');
    expect(findProject(home.projectDir)).toEqual({ root: home.projectDir, file: join(home.projectDir, '.mcp.json') });
    expect(findProject(join(home.projectDir, 'sub'))).toBeUndefined();
  });

  it('is known by the real path of its folder, and is never a pipe or a folder', async () => {
    await using home = await tempHome();
    await home.write(projectFile, {});
    await symlink(home.projectDir, join(home.path, 'link'));
    expect(findProject(join(home.path, 'link'))?.root).toBe(home.projectDir);
    await rm(join(home.projectDir, '.mcp.json'));
    await promisify(execFile)('mkfifo', [join(home.projectDir, '.mcp.json')]);
    expect(findProject(home.projectDir)).toBeUndefined();
    expect((await loadFor(home)).files).toHaveLength(1);
  });

  it('is not read with -c, and not a second time where it is the user’s own file', async () => {
    await using home = await tempHome();
    const file = await home.write(projectFile, { mcpServers: { a: { command: 'x' } } });
    expect((await loadFor(home, { files: [file] })).files).toEqual([{ path: file, source: 'flag', exists: true }]);
    await symlink(file, join(home.configDir, 'config.json'));
    const config = await loadFor(home);
    expect(config.files.map(({ source }) => source)).toEqual(['user']);
    expect(serverOf(config, 'a').approval).toBe('not-needed');
  });

  it('is refused as a whole when it is broken, with file, line and column', async () => {
    await using home = await tempHome();
    const file = await home.write(projectFile, '{\n  "mcpServers": { "a": { "command": 5 } }\n}');
    await expect(loadFor(home)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${file}:2:37: mcpServers.a.command: expected string, got number`,
      hint: expect.stringContaining('the project'),
    });
  });
});

describe('a server of a project file', () => {
  it('is there as written before its approval: nothing expanded, no secret shown, none collected, and not usable', async () => {
    await using home = await tempHome();
    const file = await home.write(projectFile, {
      mcpServers: {
        web: {
          url: 'https://ann:pw@${HOST}/mcp?token=literal-1&q=${Q}',
          headers: { Authorization: 'Bearer ${T}', 'X-Api-Key': 'literal-2' },
          ca: 'pipe',
        },
        run: { command: '${SHELL}', args: ['$(id)', '--token', 'literal-3', '${T}'], env: { PASSWORD: 'literal-4', P: '${T}' } },
      },
    });
    // Whoever opens it waits for ever.
    await promisify(execFile)('mkfifo', [join(home.projectDir, 'pipe')]);
    const config = await loadFor(home, { env: { HOST: 'evil.example', Q: 'canary', T: 'canary', SHELL: '/bin/canary' } });
    expect(serverOf(config, 'web')).toMatchObject({
      source: 'project',
      approval: 'missing',
      target: 'https://***@${HOST}/mcp?token=***&q=${Q}',
      definition: { type: 'auto', headers: { Authorization: 'Bearer ${T}', 'X-Api-Key': '***' } },
      problem: {
        code: 'UNTRUSTED',
        message: `Server "web" of ${file} is not approved`,
        hint: 'mcpctl trust approve web',
      },
    });
    expect(serverOf(config, 'run')).toMatchObject({
      target: "'${SHELL}' '$(id)' --token *** '${T}'",
      definition: { command: '${SHELL}', env: { PASSWORD: '***', P: '${T}' }, cwd: home.projectDir },
    });
    expect(config.secrets).toEqual([]);
    expect(JSON.stringify([...config.servers.values()])).not.toMatch(/canary|literal-\d/);
    expect(config.problems).toEqual([]);
  });

  it('is resolved as usual once it is approved: variables, its folder, its secrets', async () => {
    await using home = await tempHome();
    await home.write(projectFile, { mcpServers: { a: { command: './run.sh', args: ['${T}'], env: { TOKEN: '${T}' } } } });
    await approve(home, 'a');
    const config = await loadFor(home, { env: { T: 'canary-0001', PATH: '' } });
    expect(serverOf(config, 'a')).toMatchObject({
      approval: 'approved',
      definition: { command: join(home.projectDir, 'run.sh'), args: ['canary-0001'], cwd: home.projectDir },
    });
    expect(serverOf(config, 'a').problem).toBeUndefined();
    expect(config.secrets).toContain('canary-0001');
  });

  it('waits anew when its project has moved, and never has the hash of a server that is in use', async () => {
    await using home = await tempHome();
    await home.write(projectFile, { mcpServers: { a: { command: '/bin/cat' } } });
    const before = serverOf(await loadFor(home), 'a').hash;
    await approve(home, 'a');
    expect(serverOf(await loadFor(home), 'a').hash).not.toBe(before);
    const moved = join(home.path, 'moved');
    await rename(home.projectDir, moved);
    expect(serverOf(await loadFor(home, { cwd: moved }), 'a').approval).toBe('missing');
    await rename(moved, home.projectDir);
    expect(serverOf(await loadFor(home), 'a').approval).toBe('approved');
  });

  it('takes nothing away from the user’s server of that name before its approval, and wins after it', async () => {
    await using home = await tempHome();
    const own = await home.writeConfig({ mcpServers: { a: { command: 'mine' }, b: { command: 'b' } } });
    const file = await home.write(projectFile, { mcpServers: { a: { command: '/bin/theirs' } } });
    const before = await loadFor(home);
    expect(serverOf(before, 'a')).toMatchObject({ source: 'user', approval: 'not-needed', definition: { command: 'mine' } });
    expect(before.problems.map(formatProblem)).toEqual([
      `${file}:3:5: mcpServers.a: is not approved, so "a" of ${own} stays in force; look at it: mcpctl trust approve a`,
    ]);
    expect(explainServer(before, serverOf(before, 'a')).others).toEqual([
      { source: 'project', file, line: 3, column: 5, target: '/bin/theirs', why: 'waiting' },
    ]);
    await approve(home, 'a');
    const after = await loadFor(home);
    expect(serverOf(after, 'a')).toMatchObject({ source: 'project', definition: { command: '/bin/theirs' } });
    expect(after.problems).toEqual([]);
    expect(explainServer(after, serverOf(after, 'a')).others).toMatchObject([{ file: own, target: 'mine', why: 'shadowed' }]);
    expect([...after.servers.keys()]).toEqual(['a', 'b']);
  });

  it('can be disabled and enabled by an override before and after its approval; the file stays as it is', async () => {
    await using home = await tempHome();
    await home.write(projectFile, { mcpServers: { a: { command: '/bin/cat' }, off: { command: '/bin/cat', enabled: false } } });
    const switchTo = async (name: string, enabled: boolean) => {
      const config = await loadFor(home);
      return setServerEnabled(config, serverOf(config, name), enabled, access);
    };
    await switchTo('a', false);
    expect(serverOf(await loadFor(home), 'a')).toMatchObject({ enabled: false, enabledInFile: true, approval: 'missing' });
    await approve(home, 'a');
    const config = await loadFor(home);
    expect(serverOf(config, 'a')).toMatchObject({ enabled: false, approval: 'approved' });
    const settings = join(home.configDir, 'settings.json');
    const explanation = explainServer(config, serverOf(config, 'a'));
    expect(explanation.override).toEqual({ enabled: false, file: settings });
    expect(explanation.values.find(({ path }) => path === 'enabled')).toMatchObject({ value: false, from: 'settings' });
    await switchTo('a', true);
    await switchTo('off', true);
    expect(serverOf(await loadFor(home), 'a')).toMatchObject({ enabled: true, approval: 'approved' });
    expect(serverOf(await loadFor(home), 'off')).toMatchObject({ enabled: true, enabledInFile: false });
    await switchTo('off', false);
    expect(explainServer(await loadFor(home), serverOf(await loadFor(home), 'off')).override).toBeNull();
  });
});

describe('what a project has no say in', () => {
  it('is ignored with one warning each, at its place, before and after the approval', async () => {
    await using home = await tempHome();
    await home.write(
      projectFile,
      [
        '{ "startConcurrency": 1, "defaults": { "timeouts": { "connect": "1ms" } }, "metrics": {}, "credentials": {}, "state": {},',
        '  "trust": {}, "inheritEnv": true, "oauth": { "allowHosts": ["h"], "assumeS256": true },',
        '  "mcpServers": { "a": { "command": "/bin/cat", "inheritEnv": true, "trust": {},',
        '    "oauth": { "allowHosts": ["h"], "assumeS256": true } } } }',
      ].join('\n'),
    );
    const ignored = 'is ignored in a project file; it counts in your own configuration, or in a file given with -c';
    const paths = [
      'defaults',
      'startConcurrency',
      'metrics',
      'credentials',
      'state',
      'trust',
      'inheritEnv',
      'oauth.allowHosts',
      'oauth.assumeS256',
      'mcpServers.a.trust',
      'mcpServers.a.inheritEnv',
      'mcpServers.a.oauth.allowHosts',
      'mcpServers.a.oauth.assumeS256',
    ];
    const check = (config: Config) => {
      for (const path of paths) {
        const told = config.problems.filter((problem) => problem.path === path);
        expect(told, path).toMatchObject([{ severity: 'warning', message: ignored }]);
        expect(told[0]!.line, path).toBeGreaterThan(0);
      }
      expect(config.startConcurrency).toBe(4);
      expect(serverOf(config, 'a').timeouts.connectMs).toBe(10_000);
      expect(serverOf(config, 'a').definition).toMatchObject({ inheritEnv: false });
    };
    check(await loadFor(home));
    await approve(home, 'a');
    check(await loadFor(home));
  });

  it('are approvals that lie inside the project: they do not count, with a warning, and none can be made', async () => {
    await using home = await tempHome();
    const entry = { command: '/bin/cat' };
    await home.write('project/x', '');
    await home.write(projectFile, { mcpServers: { a: entry } });
    await approve(home, 'a');
    await rename(home.configDir, join(home.projectDir, 'config'));
    await symlink(join(home.projectDir, 'config'), home.configDir);
    const config = await loadFor(home);
    expect(serverOf(config, 'a').approval).toBe('missing');
    expect(messages(config)).toEqual([expect.stringMatching(/^warning : the settings lie inside the project/)]);
    await expect(approve(home, 'a')).rejects.toMatchObject({ code: 'UNTRUSTED', message: expect.stringContaining('inside') });
  });
});

describe('a bare command of an approved project server', () => {
  const env = (home: TempHome, path: string) => ({ env: { PATH: path.replaceAll('~', home.path) } });
  async function homeWith(entry: object): Promise<TempHome> {
    const home = await tempHome();
    for (const folder of ['project/bin', 'elsewhere']) {
      const program = await home.write(`${folder}/tool`, '#!/bin/sh\n');
      await chmod(program, 0o755);
    }
    await symlink(join(home.projectDir, 'bin'), join(home.path, 'linked'));
    await home.write(projectFile, { mcpServers: { a: entry } });
    await approve(home, 'a');
    return home;
  }

  it.each([
    ['~/project/bin:~/elsewhere', /"tool" would run .*project\/bin\/tool, a file of the project that PATH leads to/],
    ['~/linked', /would run .*linked\/tool, a file of the project/],
    ['bin:~/elsewhere', /would run .*project\/bin\/tool, found through the relative entry "bin" of PATH/],
  ])('is refused with PATH=%s', async (path, message) => {
    await using home = await homeWith({ command: 'tool' });
    const { problem } = serverOf(await loadFor(home, env(home, path)), 'a');
    expect(problem).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });
    expect(problem?.message).toContain('.mcp.json:4:');
  });

  it('is refused where an empty entry of PATH leads to the working directory', async () => {
    await using home = await homeWith({ command: 'tool', cwd: 'bin' });
    const { problem } = serverOf(await loadFor(home, env(home, ':~/elsewhere')), 'a');
    expect(problem?.message).toMatch(/found through the empty entry "" of PATH/);
  });

  it('is judged by the PATH that the entry itself sets', async () => {
    await using home = await homeWith({ command: 'tool', env: { PATH: '${OWN}' } });
    const both = { env: { PATH: join(home.path, 'elsewhere'), OWN: join(home.projectDir, 'bin') } };
    expect(serverOf(await loadFor(home, both), 'a').problem?.message).toContain('a file of the project');
  });

  it.each(['~/elsewhere:~/project/bin', '~/nowhere:~/elsewhere'])('is fine with PATH=%s', async (path) => {
    await using home = await homeWith({ command: 'tool' });
    expect(serverOf(await loadFor(home, env(home, path)), 'a').problem).toBeUndefined();
  });

  it('is fine as a path into the project: that is what was approved', async () => {
    await using home = await homeWith({ command: './bin/tool' });
    expect(serverOf(await loadFor(home, env(home, '~/project/bin')), 'a').problem).toBeUndefined();
  });
});

describe('presets', () => {
  const cache = { maxSize: 100, policy: 'lru', results: null };
  const options = async (home: TempHome, preset: 'production' | 'development' | 'test') => {
    const { timeouts, health, cache, reconnect } = serverOf(await loadFor(home, { preset }), 'a');
    return { connectMs: timeouts.connectMs, intervalMs: health.intervalMs, cache, jitter: reconnect.jitter };
  };

  it('are defaults below the files: development looks closer, test leaves nothing to the background or to chance', async () => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { a: { command: 'x' } } });
    const production = { connectMs: 10_000, intervalMs: 30_000, cache: { ...cache, enabled: true, ttlMs: 300_000 }, jitter: 0.5 };
    expect(await options(home, 'production')).toEqual(production);
    expect(await options(home, 'development')).toEqual({
      ...production,
      intervalMs: 10_000,
      cache: { ...cache, enabled: true, ttlMs: 30_000 },
    });
    expect(await options(home, 'test')).toEqual({
      connectMs: 2_000,
      intervalMs: 0,
      cache: { ...cache, enabled: false, ttlMs: 300_000 },
      jitter: 0,
    });
  });

  it('give way to the defaults of a file, and those to the server', async () => {
    await using home = await tempHome();
    await home.writeConfig({
      defaults: { timeouts: { connect: '5s' }, cache: { enabled: true, ttl: '1m' } },
      mcpServers: { a: { command: 'x', cache: { ttl: '2m' } } },
    });
    expect(await options(home, 'test')).toEqual({
      connectMs: 5_000,
      intervalMs: 0,
      cache: { ...cache, enabled: true, ttlMs: 120_000 },
      jitter: 0,
    });
  });
});

describe('explainServer', () => {
  it('finds the key that decides of a repeat: a single value, the preset of a layer, or that of a tool', async () => {
    await using home = await tempHome();
    const file = await home.write(
      'one.json',
      '{ "defaults": { "retry": { "maxAttempts": 9, "jitter": 0.5 } },\n"mcpServers": { "a": { "command": "x", "retry": {\n"preset": "network",\n"baseDelay": "2s",\n"tools": { "t": {\n"maxAttempts": 1 } } } } } }',
    );
    const config = await loadFor(home, { files: [file], preset: 'test' });
    const server = serverOf(config, 'a');
    const from = explainServer(config, server).values.flatMap(({ path, value, line }) =>
      path.startsWith('retry') ? [[path, value, line]] : [],
    );
    expect(from).toEqual([
      ['retry.strategy', 'exponential', 3],
      ['retry.baseDelay', '2s', 4],
      ['retry.maxDelay', '10s', 3],
      ['retry.maxAttempts', 4, 3],
      ['retry.jitter', 1, 3],
      ['retry.tools.t.maxAttempts', 1, 6],
    ]);
    expect(server.retry.tools.t).toEqual({
      strategy: 'exponential',
      baseDelayMs: 2000,
      maxDelayMs: 10_000,
      maxAttempts: 1,
      jitter: 1,
    });
  });

  it('tells for every value whether it is a default, of the preset, or of which place of which file', async () => {
    await using home = await tempHome();
    const one = await home.write('one.json', {
      mcpServers: { a: { command: 'old', args: ['--token', 'literal-secret'] } },
      defaults: { timeouts: { list: '7s' } },
    });
    const two = await home.write(
      'two.json',
      '{ "mcpServers": { "a": {\n  "command": "new",\n  "args": ["--api-key", "${KEY}"],\n  "env": { "N": "${HOME}" },\n  "timeouts": { "call": "90s" }, "circuitBreaker": { "tools": { "t": { "timeout": "5s" } } } } } }',
    );
    const config = await loadFor(home, { files: [one, two], env: { KEY: 'canary-00001', HOME: '/h' }, preset: 'development' });
    const explanation = explainServer(config, serverOf(config, 'a'));
    const from = new Map(
      explanation.values.map(({ path, value, from, preset, file, line, column, variables }) => [
        path,
        [value, preset ?? (file ? `${file}:${line}:${column}` : from), ...variables],
      ]),
    );
    expect(Object.fromEntries(from)).toEqual({
      command: ['new', `${two}:2:3`],
      'args[0]': ['--api-key', `${two}:3:12`],
      'args[1]': ['***', `${two}:3:25`, 'KEY'],
      'env.N': ['/h', `${two}:4:12`, 'HOME'],
      cwd: [home.path, 'default'],
      inheritEnv: [false, 'default'],
      type: ['stdio', 'default'],
      protocol: ['auto', 'default'],
      enabled: [true, 'default'],
      'timeouts.connect': ['10s', 'default'],
      'timeouts.initialize': ['1m', 'default'],
      'timeouts.list': ['7s', `${one}:13:7`],
      'timeouts.call': ['90s', `${two}:5:17`],
      'health.interval': ['10s', 'development'],
      'health.timeout': ['5s', 'default'],
      'cache.enabled': [true, 'default'],
      'cache.ttl': ['30s', 'development'],
      'retry.strategy': ['exponential', 'development'],
      'retry.baseDelay': ['100ms', 'development'],
      'retry.maxDelay': ['5s', 'development'],
      'retry.maxAttempts': [3, 'development'],
      'retry.jitter': [1, 'development'],
      'concurrency.inFlight': [64, 'default'],
      'concurrency.queue': [256, 'default'],
      'trust.annotations': [false, 'default'],
      'circuitBreaker.maxFailures': [5, 'default'],
      'circuitBreaker.timeout': ['30s', 'default'],
      'circuitBreaker.maxHalfOpenRequests': [3, 'default'],
      'circuitBreaker.successThreshold': [2, 'default'],
      'circuitBreaker.failureRateThreshold': [50, 'default'],
      'circuitBreaker.minSamples': [10, 'default'],
      'circuitBreaker.tools.t.timeout': ['5s', `${two}:5:72`],
      'cache.maxSize': [100, 'default'],
      'cache.policy': ['lru', 'default'],
      'stop.grace': [null, 'default'],
      'stop.command': [null, 'default'],
      'tools.include': [[], 'default'],
      'tools.exclude': [[], 'default'],
      maxMessageBytes: [16_777_216, 'default'],
    });
    expect(explanation.others).toEqual([
      { source: 'flag', file: one, line: 3, column: 5, target: 'old --token ***', why: 'shadowed' },
    ]);
    expect(JSON.stringify(explanation)).not.toMatch(/canary|literal-secret/);
  });
});
