/** Whatever is wrong with a file, a flag, an argument or the machine: one clear error with a hint, the right exit code, nothing left running. */

import { spawn } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { cliPath, runCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { errorOf, exampleConfig, expectHumanError, faultServer, homeWith } from './kit.js';

const server = (more: object) => JSON.stringify({ mcpServers: { a: { command: 'node', ...more } } });

/** Content of a configuration, and what the message must name. */
const brokenFiles: readonly (readonly [what: string, content: string | Buffer, named: RegExp])[] = [
  ['an empty file', '', /empty/],
  ['a text', 'hello', /:1:1: unexpected text/],
  ['an unclosed brace', '{"mcpServers": {', /ends too early/],
  ['an unclosed string', '{"mcpServers": {"a', /:1:\d+/],
  ['a missing comma in line 3', '{\n "mcpServers": {\n  "a": {"command": "x"} "b": {} } }', /:3:\d+/],
  ['single quotes', "{'mcpServers': {}}", /:1:2/],
  ['YAML', 'mcpServers:\n  a:\n    command: x\n', /:1:1/],
  ['an array', '[]', /:1:1: .*expected .*object/i],
  ['null', 'null', /:1:1: .*expected .*object/i],
  ['servers as an array', '{"mcpServers": []}', /mcpServers: /],
  ['a server as a string', '{"mcpServers": {"a": "node"}}', /mcpServers\.a: /],
  ['a server without command and url', '{"mcpServers": {"a": {}}}', /needs "command" .* or "url"/],
  ['a server with command and url', server({ url: 'http://x' }), /exclude each other/],
  ['a number as command', server({ command: 5 }), /mcpServers\.a\.command: /],
  ['args as a string', server({ args: '--x' }), /mcpServers\.a\.args: /],
  ['a number in args', server({ args: [1] }), /mcpServers\.a\.args/],
  ['a boolean in env', server({ env: { A: true } }), /mcpServers\.a\.env\.A: /],
  ['enabled as a word', server({ enabled: 'yes' }), /mcpServers\.a\.enabled: /],
  ['a duration without unit', server({ timeouts: { call: 30 } }), /write "30ms" or "30s"/],
  ['an unknown duration', server({ timeouts: { call: '5 parsecs' } }), /expected a duration/],
  ['a negative concurrency', '{"mcpServers":{}, "startConcurrency": -1}', /startConcurrency: /],
  ['a server name with a slash', '{"mcpServers": {"a/b": {"command": "x"}}}', /server name/],
  ['a server name of 300 letters', `{"mcpServers": {"${'n'.repeat(300)}": {"command": "x"}}}`, /1 to 64/],
  ['a server named __proto__', '{"mcpServers": {"__proto__": {"command": "x"}}}', /"__proto__" is not allowed/],
  ['a server named constructor', '{"mcpServers": {"constructor": {"command": "x"}}}', /"constructor" is not allowed/],
  ['a server twice', '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', /duplicate key "a"/],
  ['NUL bytes', '{"mcpServers": \0}', /NUL/],
  ['UTF-16', Buffer.from('\ufeff{"mcpServers": {}}', 'utf16le'), /UTF-16|not UTF-8/],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), /not UTF-8/],
  ['10,000 brackets', '['.repeat(10_000), /nested more than 64 levels/],
  ['a Git conflict', '<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> b\n', /:1:1/],
];

describe('a broken configuration', () => {
  let home: TempHome;
  beforeAll(async () => {
    home = await tempHome();
  });
  afterAll(() => home[Symbol.asyncDispose]());

  it.each(brokenFiles)('%s: exit 9, file and place named, one JSON document, the file untouched', async (_, content, named) => {
    const file = join(home.configDir, 'config.json');
    await writeFile(file, content);
    const machine = await runCli(['servers', '--json'], { home });
    const error = errorOf(machine);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toMatch(named);
    expect(error.message).toContain(file);
    expect(error.hint).not.toBeNull();
    expect(machine).toMatchObject({ code: 9, stdout: '' });
    expect(Buffer.compare(await readFile(file), Buffer.from(content))).toBe(0);
  });

  it('is told to a person in the same way, and enable does not touch it', async () => {
    const file = await home.writeConfig('{"mcpServers": {"a": {"command": "x"},,}}');
    const status = await runCli(['status'], { home });
    expectHumanError(status.stderr, /config\.json:1:\d+/);
    expect((await runCli(['enable', 'a'], { home })).code).toBe(9);
    expect(await readFile(file, 'utf8')).toBe('{"mcpServers": {"a": {"command": "x"},,}}');
  });

  it('help and version work without it', async () => {
    await home.writeConfig('{');
    for (const words of [['--help'], ['help', 'call'], ['--version']]) expect((await runCli(words, { home })).code).toBe(0);
  });

  const places: Readonly<Record<string, { make?: (path: string) => Promise<unknown>; below?: string; said: RegExp }>> = {
    'a missing file': { said: /no such file/ },
    'a directory': { make: (path) => mkdir(path), said: /is a directory/ },
    'a link in a circle': { make: (path) => symlink(path, path), said: /ELOOP|symbolic link/ },
    'a file in a file': { make: (path) => writeFile(path, '{}'), below: 'x', said: /no such file|not a directory/ },
  };
  it.each(Object.entries(places))('-c with %s: exit 9', async (name, { make, below = '', said: named }) => {
    const made = join(home.projectDir, name.replaceAll(' ', '-'));
    await make?.(made);
    const path = join(made, below);
    const result = await runCli(['-c', path, 'status'], { home });
    expectHumanError(result.stderr, named);
    expect(result).toMatchObject({ code: 9, stdout: '' });
  });

  it('one of two -c files broken: exit 9, and only that one named', async () => {
    const good = await home.write('project/good.json', { mcpServers: { a: { command: 'node' } } });
    const bad = await home.write('project/bad.json', '{"mcpServers": {');
    const { stderr, code } = await runCli(['-c', good, '-c', bad, 'servers', '--json'], { home });
    expect(errorOf({ stderr }).message).toContain('bad.json:1:');
    expect(stderr).not.toContain('good.json');
    expect(code).toBe(9);
  });

  it('only warns of unknown keys, with their place and what was meant', async () => {
    await home.writeConfig('{"mcpServers": {"a": {"command": "node", "argz": []}}}');
    const { stderr, code } = await runCli(['servers'], { home });
    expect(stderr).toMatch(/^warning: .*config\.json:1:\d+: mcpServers\.a.*argz/m);
    expect(code).toBe(0);
  });
});

/** Words, the code, and what is said. */
const badWords: readonly (readonly [words: readonly string[], code: string, said: RegExp])[] = [
  [['--nope'], 'USAGE', /option '--nope'/],
  [['status', '--chekc'], 'USAGE', /did you mean --check/],
  [['status', '-x'], 'USAGE', /option '-x'/],
  [['--json=yes', 'status'], 'USAGE', /--json/],
  [['-c'], 'USAGE', /argument missing/],
  [['--config=', 'status'], 'USAGE', /names no file/],
  [['status', '--timeout'], 'USAGE', /argument missing/],
  [['status', '--timeout', '5'], 'USAGE', /takes a duration, not "5"/],
  [['status', '--timeout', '0s'], 'USAGE', /takes a duration/],
  [['status', '--timeout', '-5s'], 'USAGE', /duration|option/],
  [['status', '--timeout', '5 s'], 'USAGE', /takes a duration/],
  [['status', '--timeout', 'soon'], 'USAGE', /takes a duration, not "soon"/],
  [['status', '--timeout', 'Infinity'], 'USAGE', /takes a duration/],
  [['stauts'], 'USAGE', /Unknown command "stauts"/],
  [['constructor'], 'USAGE', /Unknown command/],
  [['__proto__'], 'USAGE', /Unknown command/],
  [['exit'], 'USAGE', /Unknown command/],
  [['x'.repeat(300)], 'USAGE', /Unknown command/],
  [['help', 'constructor'], 'USAGE', /Unknown command/],
  [['config', 'constructor'], 'USAGE', /one of path, show, validate/],
  [['servers', 'surplus'], 'USAGE', /Too many arguments/],
  [['ping', 'falut'], 'UNKNOWN_SERVER', /no server "falut"/],
  [['ping', 'constructor'], 'UNKNOWN_SERVER', /no server/],
  [['status', '__proto__'], 'UNKNOWN_SERVER', /no server/],
  [['tools', 'toString'], 'UNKNOWN_SERVER', /no server/],
  [['enable', 'hasOwnProperty'], 'UNKNOWN_SERVER', /no server/],
  [['reconnect', 'x'.repeat(300)], 'UNKNOWN_SERVER', /no server/],
  [['call', '__proto__/constructor'], 'UNKNOWN_SERVER', /no server/],
  [['call', 'fault/constructor'], 'UNKNOWN_TOOL', /no tool "constructor"/],
  [['call', 'fault/__proto__'], 'UNKNOWN_TOOL', /no tool/],
  [['tool', `fault/${'t'.repeat(300)}`], 'UNKNOWN_TOOL', /no tool/],
  [['call'], 'USAGE', /Missing <tool>/],
  [['call', 'fault'], 'USAGE', /which of its tools/],
  [['call', 'fault/'], 'USAGE', /names no tool/],
  [['call', 'fault/echo', 'word'], 'USAGE', /neither a tool nor key=value/],
  [['call', 'fault/echo', '=x'], 'USAGE', /no name before/],
  [['call', 'fault/echo', 'a:={'], 'INVALID_INPUT', /a:= is not JSON/],
  [['call', 'fault/echo', 'a:='], 'INVALID_INPUT', /a:= is not JSON/],
  [['call', 'fault/echo', '--args', '{'], 'INVALID_INPUT', /--args is not JSON/],
  [['call', 'fault/echo', '--args', '[1]'], 'INVALID_INPUT', /must be a JSON object/],
  [['call', 'fault/echo', '--args', 'null'], 'INVALID_INPUT', /must be a JSON object/],
  [['call', 'fault/echo', '--args', ''], 'INVALID_INPUT', /--args is not JSON/],
  [['call', 'fault/echo', '--args', '-'], 'INVALID_INPUT', /--args is not JSON/],
  [['call', 'fault/echo', '--args', '@missing.json'], 'USAGE', /Cannot read missing\.json/],
  [['call', 'fault/echo', 'text=@missing.txt'], 'USAGE', /Cannot read missing\.txt/],
  [['call', 'fault/echo', 'text=@.'], 'USAGE', /Cannot read/],
  [['call', 'fault/echo', 'a=1', 'a=2'], 'INVALID_INPUT', /\/a is given twice/],
  [['reconnect', '--all', 'fault'], 'USAGE', /Say which/],
  [['disable', '--session', 'fault'], 'NO_MANAGER', /--session/],
];

describe('bad words', () => {
  let home: TempHome;
  beforeAll(async () => {
    home = await homeWith({ fault: faultServer() });
    await runCli(['tools'], { home }); // so that what follows asks the server once only where it must
  });
  afterAll(() => home[Symbol.asyncDispose]());

  it.each(badWords.map(([words, code, said]) => [words.join(' ').slice(0, 60), words, code, said] as const))(
    'mcpctl %s',
    async (_, words, code, said) => {
      const result = await runCli(['--json', ...words], { home });
      const error = errorOf(result);
      expect(error.code).toBe(code);
      expect(error.message).toMatch(said);
      expect(error.hint).not.toBeNull();
      expect(result.stdout).toBe('');
      expect(result.code).toBe(code === 'CONFIG_INVALID' ? 9 : code === 'NO_MANAGER' ? 4 : 2);
      expect(result.stderr.length).toBeLessThan(3_000);
    },
  );

  it('arguments named __proto__, constructor and toString are ordinary arguments', async () => {
    for (const input of [
      ['__proto__=1', 'constructor=2', 'toString=3'],
      ['--args', '{"__proto__":"1","constructor":"2","toString":"3"}'],
    ]) {
      const { stdout, code } = await runCli(['call', 'fault/echo', 'text=fine', ...input], { home });
      expect({ stdout, code }).toEqual({ stdout: 'fine\n', code: 0 });
    }
    const typed = await runCli(['-c', exampleConfig, 'call', 'everything/get-sum', 'a=1', 'b=2', '__proto__=x'], {
      home,
      env: { TMPDIR: home.path },
    });
    expect(typed).toMatchObject({ code: 0, stdout: expect.stringContaining('is 3') });
  });
});

describe('a poor machine', () => {
  it.each([
    ['no HOME', { HOME: undefined }],
    ['a HOME that does not exist', { HOME: '/nonexistent/home' }],
    ['a relative HOME', { HOME: 'somewhere' }],
    ['no PATH', { PATH: undefined }],
    ['no LANG and no TERM', { LANG: undefined, TERM: undefined }],
  ] as const)('%s: a server is reached all the same', async (_, env) => {
    await using home = await homeWith({ fault: faultServer() });
    const { stdout, code, stderr } = await runCli(['ping', 'fault'], { home, env });
    expect({ code, stdout: stdout.slice(0, 14), stderr }).toEqual({
      code: 0,
      stdout: 'fault answered',
      stderr: expect.not.stringContaining('error'),
    });
  });

  it.each(['MCPCTL_STATE_DIR', 'MCPCTL_RUNTIME_DIR'])(
    '%s below a file or in /proc: one warning, the call works',
    async (variable) => {
      await using home = await homeWith({ fault: faultServer() });
      const file = await home.write('project/file', 'x');
      for (const value of [join(file, 'x'), ...(process.platform === 'linux' ? ['/proc/nowhere'] : [])]) {
        const { stdout, stderr, code } = await runCli(['call', 'fault/echo', 'text=hi'], { home, env: { [variable]: value } });
        expect({ stdout, code }).toEqual({ stdout: 'hi\n', code: 0 });
        expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(/^warning: .*(annot write|annot record)/)]);
      }
    },
  );

  it.skipIf(process.platform !== 'linux')(
    'a full or read-only disk: calls work with a warning; enable says what it could not write',
    needs('unshare'),
    async () => {
      await using home = await homeWith({ fault: faultServer() });
      await using inNamespace = await namespaceFor(home);
      if (!inNamespace.works) return;
      for (const mount of ['size=4k,nr_inodes=1', 'ro,size=4k']) {
        const call = await inNamespace.run(`mount -t tmpfs -o ${mount} none "$MCPCTL_STATE_DIR"`, [
          'call',
          'fault/echo',
          'text=hi',
        ]);
        expect(call).toMatchObject({ code: 0, stdout: 'hi\n', stderr: expect.stringMatching(/^warning: cannot write to .+\n$/) });
      }
      const bind = 'mount --bind "$MCPCTL_CONFIG_DIR" "$MCPCTL_CONFIG_DIR" && mount -o remount,bind,ro "$MCPCTL_CONFIG_DIR"';
      const before = await readFile(join(home.configDir, 'config.json'), 'utf8');
      const disabled = await inNamespace.run(bind, ['disable', 'fault', '--json']);
      expect(errorOf(disabled).message).toMatch(/config/);
      expect(disabled.code).toBe(9);
      expect(await readFile(join(home.configDir, 'config.json'), 'utf8')).toBe(before);
    },
  );
});

/** Runs the program in a mount namespace of its own, after a shell command that mounts something there. */
async function namespaceFor(home: TempHome) {
  const shell = (script: string, words: readonly string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
      const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
      const child = spawn('unshare', [...asRoot, '--mount', 'sh', '-c', `${script} && exec "$@"`, 'sh', ...words], {
        env: home.env,
        cwd: home.projectDir,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    });
  // Containers often forbid mounts; there is nothing to test there.
  const { code } = await shell('mount -t tmpfs none "$MCPCTL_STATE_DIR"', ['true']);
  return {
    works: code === 0,
    run: (script: string, words: readonly string[]) => shell(script, [process.execPath, cliPath, ...words]),
    [Symbol.asyncDispose]: async () => {},
  };
}

it('a current folder that was removed is named, for people and as JSON, before anything runs', async () => {
  await using home = await homeWith({ fault: faultServer() });
  const run = (line: string) =>
    new Promise<{ stderr: string; code: number | null }>((resolve) => {
      const script = `mkdir gone && cd gone && rmdir ../gone && exec "$0" "$1" ${line}`;
      const child = spawn('sh', ['-c', script, process.execPath, cliPath], {
        cwd: home.projectDir,
        env: home.env as NodeJS.ProcessEnv,
      });
      let stderr = '';
      child.stderr.on('data', (data) => {
        stderr += data;
      });
      child.once('close', (code) => resolve({ stderr, code }));
    });
  for (const line of ['status', 'up', 'call fault/echo'])
    expect(await run(line)).toEqual({
      code: 2,
      stderr: 'error: The current folder does not exist any more\nhint: cd into one that does\n',
    });
  const json = await run('status --json');
  expect({ code: json.code, error: errorOf(json).code }).toEqual({ code: 2, error: 'USAGE' });
});
