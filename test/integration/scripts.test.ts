/** The two commands of a fresh clone, on a small tree of the same shape: when they install and build, what they print, how they end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn as spawnTerminal } from '@lydell/node-pty';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../support/wait-for.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** From plain JavaScript, because it runs before anything is installed. */
const { installNeeded }: { installNeeded: (root: string) => boolean } = await import(
  new URL('../../scripts/lib/prepare.mjs', import.meta.url).href
);

/** Prints its arguments; `late` loads a chunk; `wait` reports signals until SIGTERM, `die` ends by one. */
const program = `
export const done = run(process.argv.slice(2));

async function run(args) {
  if (args.includes('late')) console.log((await import('./late.js')).late);
  else if (args.includes('die')) process.kill(process.pid, 'SIGKILL');
  else if (args.includes('exit')) process.exitCode = 7;
  else if (args.includes('wait')) {
    process.on('SIGINT', () => console.log('SIGINT'));
    process.on('SIGTERM', () => { console.log('SIGTERM'); process.exit(143); });
    setInterval(() => {}, 1000);
    console.log('waiting pid ' + process.pid);
  } else console.log(JSON.stringify(args));
}
`;

const main = "export const main = () => require(import.meta.dirname + '/program.cjs').done;";

interface Tree extends AsyncDisposable {
  readonly root: string;
  run(
    args: readonly string[],
    env?: Record<string, string | undefined>,
  ): Promise<{ stdout: string; stderr: string; code: number | null }>;
  start(args: readonly string[]): ChildProcess;
}

/** A checkout with the real scripts and packages, and a program of its own. */
async function tree({ installed = true } = {}): Promise<Tree> {
  const root = await mkdtemp(join(tmpdir(), 'mcpctl-'));
  for (const name of ['scripts', 'bin', 'package.json', 'package-lock.json', '.mcp.example.json']) {
    await cp(join(repository, name), join(root, name), { recursive: true });
  }
  await mkdir(join(root, 'src'));
  await writeFile(join(root, 'src/main.ts'), main);
  await writeFile(join(root, 'src/program.ts'), program);
  await writeFile(join(root, 'src/late.ts'), 'export const late = "loaded late";');
  // What the build takes from the real program: nothing is on the hot path here, and the help is one line.
  await writeFile(join(root, 'scripts/lib/hot-path.mjs'), "export const hotPathTogether = () => ({ name: 'none', setup() {} });");
  await mkdir(join(root, 'src/auth'));
  await writeFile(join(root, 'src/auth/keychain-helper.ts'), 'export {};');
  await mkdir(join(root, 'src/cli'));
  await writeFile(join(root, 'src/cli/registry.ts'), 'export const registry = [];');
  await writeFile(join(root, 'src/cli/help.ts'), "export const explain = () => ({ help: 'no help' });");
  await mkdir(join(root, 'src/config'));
  await writeFile(join(root, 'src/config/json-schema.ts'), 'export const configJsonSchema = () => ({});');
  await mkdir(join(root, 'test/support'), { recursive: true });
  await cp(join(repository, 'test/support/setup.ts'), join(root, 'test/support/setup.ts'));
  if (installed) await symlink(join(repository, 'node_modules'), join(root, 'node_modules'));
  const start = (args: readonly string[], env: Record<string, string | undefined> = {}) =>
    spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined, npm_execpath: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  return {
    root,
    start,
    run: async (args, env) => {
      const child = start(args, env);
      let [stdout, stderr] = ['', ''];
      child.stdout?.on('data', (chunk) => {
        stdout += chunk;
      });
      child.stderr?.on('data', (chunk) => {
        stderr += chunk;
      });
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      return { stdout, stderr, code };
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

describe('npm start', () => {
  it('builds at first and after a change of a source, not when only a time changed, and prints nothing of it on stdout', async () => {
    await using checkout = await tree();
    const first = await checkout.run(['scripts/start.mjs', 'status']);
    expect(first).toMatchObject({
      code: 0,
      stdout: `${JSON.stringify(['-c', join(checkout.root, '.mcp.example.json'), 'status'])}\n`,
    });
    expect(first.stderr).toMatch(/^built dist\/: \d+ files/);

    await utimes(join(checkout.root, 'src/main.ts'), new Date(), new Date());
    expect((await checkout.run(['scripts/start.mjs', 'status'])).stderr).toBe('');

    await writeFile(join(checkout.root, 'src/late.ts'), 'export const late = "changed";');
    expect(await checkout.run(['scripts/start.mjs', 'late'])).toMatchObject({
      stdout: 'changed\n',
      stderr: expect.stringMatching(/^built/),
    });
  });

  it('builds again when a file of dist/ is gone, and keeps the chunks of the build before, and of no other', async () => {
    await using checkout = await tree();
    await checkout.run(['scripts/build.mjs']);
    const [chunk] = await readdir(join(checkout.root, 'dist/chunks'));
    await rm(join(checkout.root, 'dist/chunks', chunk!));
    expect(await checkout.run(['scripts/start.mjs', 'late'])).toMatchObject({ code: 0, stdout: 'loaded late\n' });

    await writeFile(join(checkout.root, 'src/late.ts'), 'export const late = "another hash";');
    await checkout.run(['scripts/build.mjs']);
    // A program that was started before still loads it; the one that was started before that has had its time.
    expect(existsSync(join(checkout.root, 'dist/chunks', chunk!))).toBe(true);
    await writeFile(join(checkout.root, 'src/late.ts'), 'export const late = "a third hash";');
    await checkout.run(['scripts/build.mjs']);
    expect(existsSync(join(checkout.root, 'dist/chunks', chunk!))).toBe(false);
    await checkout.run(['scripts/build.mjs', '--clean']);
    expect(await readdir(join(checkout.root, 'dist/chunks'))).toHaveLength(1);
  });

  it('adds the example configuration unless -c, --config or --config= names another; what follows -- does not count', async () => {
    await using checkout = await tree();
    const ours = ['-c', join(checkout.root, '.mcp.example.json')];
    for (const [args, added] of [
      [['-c', 'x.json', 'status'], false],
      [['status', '--config', 'x.json'], false],
      [['--config=x.json'], false],
      [['add', 'x', '--', 'sh', '-c', 'true'], true],
      [[], true],
    ] as const) {
      const { stdout } = await checkout.run(['scripts/start.mjs', ...args]);
      expect(JSON.parse(stdout)).toEqual([...(added ? ours : []), ...args]);
    }
  });

  it('ends with the exit code 7 of the command, and with 137 when SIGKILL ended it', async () => {
    await using checkout = await tree();
    expect((await checkout.run(['scripts/start.mjs', 'exit'])).code).toBe(7);
    expect((await checkout.run(['scripts/start.mjs', 'die'])).code).toBe(137);
  });

  it('hands SIGINT and SIGTERM on, and outlives the command by nothing', async () => {
    await using checkout = await tree();
    const child = checkout.start(['scripts/start.mjs', 'wait']);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let stdout = '';
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    await waitFor(() => stdout.includes('waiting'), { timeoutMs: 15_000 });
    child.kill('SIGINT');
    await waitFor(() => stdout.includes('SIGINT'));
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await ended).toBe(143);
    expect(stdout).toMatch(/^waiting pid \d+\nSIGINT\nSIGTERM\n$/);
  });

  it('lets one Ctrl-C on a terminal reach the command as one SIGINT, although npm passes on another', async () => {
    await using checkout = await tree();
    await checkout.run(['scripts/build.mjs']);
    const pty = spawnTerminal('npm', ['start', '--silent', '--', 'wait'], { cwd: checkout.root, env: process.env });
    let shown = '';
    pty.onData((data) => {
      shown += data;
    });
    const ended = new Promise((resolve) => pty.onExit(resolve));
    await waitFor(() => shown.includes('waiting'), { timeoutMs: 15_000, what: () => `"waiting" in ${shown}` });
    pty.write('\x03');
    await waitFor(() => shown.includes('SIGINT'));
    // A second one would arrive in the same moment; this is how long we are ready to notice it.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const pid = Number(/pid (\d+)/.exec(shown)?.[1]);
    process.kill(pid, 'SIGTERM');
    await ended;
    expect(shown.match(/SIG\w+/g)).toEqual(['SIGINT', 'SIGTERM']);
  });

  it('shows file and line of a source that does not parse, exits 1 and keeps the dist/ it had', async () => {
    await using checkout = await tree();
    await checkout.run(['scripts/build.mjs']);
    await writeFile(join(checkout.root, 'src/late.ts'), 'export const late = ;');
    const broken = await checkout.run(['scripts/start.mjs', 'late']);
    expect(broken).toMatchObject({ code: 1, stdout: '' });
    expect(broken.stderr).toMatch(/src\/late\.ts:1:20[\s\S]*error: the build failed\nhint: /);
    expect((await checkout.run(['bin/mcpctl.js', 'late'])).stdout).toBe('loaded late\n');
  });

  it('says what to do when npm is missing, and when the registry cannot be reached', async () => {
    await using checkout = await tree({ installed: false });
    const noNpm = await checkout.run(['scripts/start.mjs'], { PATH: '/nonexistent' });
    expect(noNpm).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('error: npm was not found\nhint: install Node.js'),
    });

    const noNetwork = await checkout.run(['scripts/start.mjs'], {
      npm_config_registry: 'http://127.0.0.1:9/',
      npm_config_fetch_retries: '0',
      // As under `npm start --silent`: the reason must show all the same.
      npm_config_loglevel: 'silent',
      npm_config_cache: join(checkout.root, 'empty-cache'),
    });
    expect(noNetwork).toMatchObject({ code: 1, stdout: '' });
    expect(noNetwork.stderr).toMatch(/error: the packages could not be downloaded \(ECONNREFUSED\)\nhint: check the network/);
  });
});

describe('npm test', () => {
  /** Adds the test support of this repository and one made-up test file to a checkout. */
  async function withTest(checkout: Tree, body: string): Promise<void> {
    await cp(join(repository, 'test/support'), join(checkout.root, 'test/support'), { recursive: true });
    await cp(join(repository, 'vitest.config.ts'), join(checkout.root, 'vitest.config.ts'));
    const imports = [
      "import { spawn } from 'node:child_process';",
      "import { describe, expect, it } from 'vitest';",
      "import { needs } from './support/needs.js';",
      "import { noLeftovers } from './support/no-leftovers.js';",
    ];
    await writeFile(join(checkout.root, 'test/made-up.test.ts'), [...imports, body].join('\n'));
  }
  const lastLines = (stdout: string, count: number) => stdout.trimEnd().split('\n').slice(-count);

  it('ends with `2 passed, 0 failed, 1 skipped` and how to get openssl, exit code 0, but 1 with CI=true', async () => {
    await using checkout = await tree();
    await withTest(
      checkout,
      "it('a', () => {}); it('b', needs(), () => {}); describe('tls', needs('openssl'), () => { it('c', () => {}); });",
    );
    const outside = await checkout.run(['scripts/test.mjs'], { PATH: '/nonexistent', CI: undefined });
    expect(lastLines(outside.stdout, 3)).toEqual([
      'Skipped:',
      '  1 test without openssl (certificates for the TLS tests): apt-get install openssl',
      '2 passed, 0 failed, 1 skipped',
    ]);
    expect(outside.code).toBe(0);
    const inside = await checkout.run(['scripts/test.mjs'], { PATH: '/nonexistent', CI: 'true' });
    expect(lastLines(inside.stdout, 1)).toEqual(['2 passed, 0 failed, 1 skipped']);
    expect(inside.code).toBe(1);
  });

  it('passes its arguments on: `-t` runs 1 of 2 tests, and the other is no skip', async () => {
    await using checkout = await tree();
    await withTest(checkout, "it('first', () => {}); it('second', () => { throw new Error('not wanted'); });");
    const { stdout, code } = await checkout.run(['scripts/test.mjs', '-t', 'first'], { CI: 'true' });
    expect([lastLines(stdout, 1), code]).toEqual([['1 passed, 0 failed'], 0]);
  });

  it('counts a failing test and a file that does not load, and exits 1', async () => {
    await using checkout = await tree();
    await withTest(checkout, "it('a', () => { expect(1).toBe(2); });");
    await writeFile(join(checkout.root, 'test/broken.test.ts'), 'import "./gone.js";');
    const { stdout, code } = await checkout.run(['scripts/test.mjs']);
    expect([lastLines(stdout, 1), code]).toEqual([['0 passed, 2 failed'], 1]);
  });

  it.skipIf(process.platform !== 'linux')(
    'noLeftovers() fails the test that leaves a process, or a server of its own, and no other',
    async () => {
      await using checkout = await tree();
      await withTest(
        checkout,
        `import { createServer } from 'node:net';
      const { env } = noLeftovers({ withinMs: 100 });
      it('leaves a process', () => void spawn('sleep', ['30'], { env: { ...process.env, ...env }, detached: true, stdio: 'ignore' }));
      it('leaves a server', () => new Promise((resolve) => createServer().listen(0, '127.0.0.1', () => resolve(undefined))));
      it('leaves nothing', () => new Promise((resolve) => spawn('true', [], { env: { ...process.env, ...env } }).once('close', resolve)));`,
      );
      const { stdout, stderr } = await checkout.run(['scripts/test.mjs']);
      expect(lastLines(stdout, 1)).toEqual(['1 passed, 2 failed']);
      expect(stderr).toMatch(/Processes left 100 ms after their test: 1\s+\d+ \(parent \d+\) sleep 30/);
      expect(stderr).toContain("the test's own resources to close: 1 TCPServerWrap");
    },
  );
});

describe('installNeeded', () => {
  const lock = (packages: object) => JSON.stringify({ packages });

  it.each([
    ['nothing is installed', { 'node_modules/a': { version: '1.0.0' } }, undefined, true],
    ['all is as locked', { '': {}, 'node_modules/a': { version: '1.0.0' } }, { 'node_modules/a': { version: '1.0.0' } }, false],
    ['a version differs', { 'node_modules/a': { version: '1.0.1' } }, { 'node_modules/a': { version: '1.0.0' } }, true],
    ['a checksum differs', { 'node_modules/a': { integrity: 'x' } }, { 'node_modules/a': { integrity: 'y' } }, true],
    ['a package is missing', { 'node_modules/a': {}, 'node_modules/b': {} }, { 'node_modules/a': {} }, true],
    ["another platform's package is missing", { 'node_modules/b': { optional: true, os: ['aix'] } }, {}, false],
    ["this platform's package is missing", { 'node_modules/b': { optional: true, os: [process.platform] } }, {}, true],
    [
      'a package that is not for this platform is missing',
      { 'node_modules/b': { optional: true, os: [`!${process.platform}`] } },
      {},
      false,
    ],
  ] as const)('when %s', async (_, wanted, installed, expected) => {
    const root = await mkdtemp(join(tmpdir(), 'mcpctl-'));
    try {
      await writeFile(join(root, 'package-lock.json'), lock(wanted));
      if (installed) {
        for (const path of Object.keys(installed)) await mkdir(join(root, path), { recursive: true });
        await mkdir(join(root, 'node_modules'), { recursive: true });
        await writeFile(join(root, 'node_modules/.package-lock.json'), lock(installed));
      }
      expect(installNeeded(root)).toBe(expected);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it('when the account of npm is there but a folder was removed by hand', async () => {
    const root = await mkdtemp(join(tmpdir(), 'mcpctl-'));
    try {
      await mkdir(join(root, 'node_modules'));
      for (const file of ['package-lock.json', 'node_modules/.package-lock.json'])
        await writeFile(join(root, file), lock({ 'node_modules/a': {} }));
      expect(installNeeded(root)).toBe(true);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});

describe('the build', () => {
  it('ships the licence of each bundled package and none of the packages it does not contain', async () => {
    await using checkout = await tree();
    await writeFile(
      join(checkout.root, 'src/late.ts'),
      "import { parse } from 'jsonc-parser'; export const late = parse('{\"a\":1}').a;",
    );
    expect(await checkout.run(['scripts/start.mjs', 'late'])).toMatchObject({ stdout: '1\n' });
    const notices = await readFile(join(checkout.root, 'dist/THIRD_PARTY_NOTICES.txt'), 'utf8');
    expect(notices).toMatch(
      /^mcpctl contains code of the following 1 packages\.\n\n-{80}\njsonc-parser \d+\.\d+\.\d+ \(MIT\)\n\n[\s\S]*Permission is hereby granted/,
    );
  });

  it('knows the version of package.json without reading it', async () => {
    await using checkout = await tree();
    await writeFile(
      join(checkout.root, 'src/program.ts'),
      'declare const __MCPCTL_VERSION__: string; console.log(__MCPCTL_VERSION__);',
    );
    await checkout.run(['scripts/build.mjs']);
    await rm(join(checkout.root, 'package.json'));
    await writeFile(join(checkout.root, 'package.json'), '{"type":"module"}');
    const { version } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'));
    expect((await checkout.run(['bin/mcpctl.js'])).stdout).toBe(`${version}\n`);
  });
});

describe('bin/mcpctl.js', () => {
  it('says `npm run build` when dist/ is missing, exit code 1', async () => {
    await using checkout = await tree();
    expect(await checkout.run(['bin/mcpctl.js'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('npm run build'),
    });
  });

  it('tells Node 18 apart before it loads anything', async () => {
    await using checkout = await tree();
    const pretend = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"18.20.8"})';
    const { code, stderr } = await checkout.run(['--import', pretend, 'bin/mcpctl.js']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: mcpctl needs Node\.js 20\.19 or newer/);
  });
});
