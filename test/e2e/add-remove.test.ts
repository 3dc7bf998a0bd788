/** `add` and `remove` as a user types them: one shot, batch and REPL, for people and with --json. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { startTerminal } from '../support/terminal.js';
import { documentOf, errorOf, expectHumanError, faultServer, homeWith } from './kit.js';

const fileOf = (home: TempHome) => join(home.configDir, 'config.json');
const entriesOf = async (home: TempHome) => JSON.parse(await readFile(fileOf(home), 'utf8')).mcpServers;

describe('add', () => {
  it('writes a program with its flags, says what and where, and the server works', async () => {
    await using home = await tempHome();
    const { command, args } = faultServer('echo');
    const added = await runCli(['add', 'fault', command, ...args, '--json', '-v'], { home });
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout).toBe(
      `Added fault to ${fileOf(home)}\n  ${[command, ...args].join(' ')} --json -v\nmcpctl ping fault tries it.\n`,
    );
    expect(await entriesOf(home)).toEqual({ fault: { command, args: [...args, '--json', '-v'] } });
    expect((await stat(fileOf(home))).mode & 0o777).toBe(0o600);
    expect(await runCli(['call', 'fault/echo', 'text=hi'], { home })).toMatchObject({ code: 0, stdout: 'hi\n' });
  });

  it('takes flags before the name, behind it in front of --, and behind a URL; ${VAR} stays as it is; paths become absolute', async () => {
    await using home = await tempHome();
    const add = (...words: string[]) => runCli(['add', '--json', ...words], { home });
    expect(documentOf(await add('--env', 'A=1', '--env=B=${B}', '--cwd', 'sub', 'one', './bin/x', '--env', 'C=3'))).toEqual({
      server: 'one',
      file: fileOf(home),
      entry: {
        command: join(home.projectDir, 'bin/x'),
        args: ['--env', 'C=3'],
        env: { A: '1', B: '${B}' },
        cwd: join(home.projectDir, 'sub'),
      },
    });
    await add('two', '--env', 'A=1', '--', 'x', '--', 'y');
    const url = 'https://example.com/mcp?a=b';
    await add('three', url, '--transport', 'http', '--header', 'Authorization: Bearer ${TOKEN}', '--header', 'X-A:b: c');
    await add('--transport', 'sse', 'four', '${BASE}/sse');
    expect(await entriesOf(home)).toMatchObject({
      two: { command: 'x', args: ['--', 'y'], env: { A: '1' } },
      three: { type: 'http', url, headers: { Authorization: 'Bearer ${TOKEN}', 'X-A': 'b: c' } },
      four: { type: 'sse', url: '${BASE}/sse' },
    });
  });

  it.each([
    [['x'], 'Missing <command>'],
    [['x', 'https://a.example', 'surplus'], 'Only flags may follow a URL'],
    [['x', 'ftp://a.example'], /^url: must start with http:\/\/ or https:\/\/, not ftp:/],
    [['x', 'https://'], /^url: is not a URL/],
    [['x', 'https://a.example', '--header', 'secret-without-name'], "--header takes 'Name: value', and the name is missing"],
    [['x', 'https://a.example', '--header', 'A b: c'], /^headers\["A b"\]: "A b" is not a header name/],
    [['x', 'https://a.example', '--header', 'A: b', '--header', 'a: c'], /^headers\.a: the same header as "A"/],
    [['x', 'https://a.example', '--header', 'Content-Length: 1'], /set by mcpctl/],
    [['x', 'https://a.example', '--transport', 'stdio'], /^type: "stdio" needs "command"/],
    [['x', 'https://a.example', '--transport', 'tcp'], /^type: expected "stdio", "http"/],
    [['x', 'https://a.example', '--env', 'A=b'], '--env is for programs, and this is a URL'],
    [['--header', 'A: b', 'x', 'prog'], '--header is for URLs, and this is a program'],
    [['--client-id', 'c', 'x', 'prog'], '--client-id and the like are for URLs, and this is a program'],
    [['x', 'https://a.example', '--client-secret-env', 'S'], 'oauth.clientSecretEnv: needs "clientId"'],
    [
      ['x', 'https://a.example', '--client-id', 'c', '--client-secret-env', 'secret-without-name'],
      /^oauth\.clientSecretEnv: is the name of a variable/,
    ],
    [['x', 'https://a.example', '--client-metadata-url', 'http://a.example/c'], /^oauth\.clientMetadataUrl: must be an https/],
    [['--env', 'A', 'x', 'prog'], '--env takes NAME=value, and the name is missing'],
    [['--env', 'A=1', '--env', 'A=2', 'x', 'prog'], '--env takes NAME=value, and "A" is given twice'],
    [['--env', '__proto__=1', 'x', 'prog'], /the key "__proto__" is not allowed/],
    [['x', 'prog', '${A'], /^args\[0\]: "\$\{" without "}"/],
    [['--cwd', '~/x', 'x', 'prog'], /^cwd: "~" is not expanded/],
    [['--cwd', '', 'x', 'prog'], /^cwd: must not be empty/],
    [['a/b', 'prog'], /^a server name has 1 to 64 letters/],
    [['constructor', 'prog'], /the key "constructor" is not allowed/],
    [['old', 'prog'], /^There is a server "old" already, in .*config\.json:3$/],
  ])('refuses %j, and the file is as it was', async (words, message) => {
    await using home = await homeWith({ old: { command: 'x' } });
    const before = await readFile(fileOf(home), 'utf8');
    const result = await runCli(['--json', 'add', ...words], { home });
    const error = errorOf(result);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(error.code).toBe('USAGE');
    expect(error.message).toMatch(message);
    expect(error.hint).not.toBeNull();
    expect(result.stderr).not.toContain('secret-without-name');
    expect(await readFile(fileOf(home), 'utf8')).toBe(before);
  });

  it('accepts a literal secret with a warning, and shows it nowhere', async () => {
    await using home = await tempHome();
    const words = ['add', 'a', 'https://a.example', '--header', 'Authorization: Bearer planted-secret-1'];
    const added = await runCli(words, { home });
    expect(added.code).toBe(0);
    expect(added.stdout).toContain('headers Authorization: ***');
    expect(added.stderr).toMatch(/^warning: .*config\.json now holds a secret in plain text, and other users .*\$\{VAR\}/);
    const json = await runCli(
      ['--json', 'add', '--env', 'DB_PASSWORD=planted-secret-2', 'b', 'x', '--token', 'planted-secret-3'],
      { home },
    );
    expect(documentOf(json)).toMatchObject({ entry: { env: { DB_PASSWORD: '***' }, args: ['--token', '***'] } });
    expect(added.stdout + added.stderr + json.stdout + json.stderr).not.toContain('planted-secret');
    expect(await readFile(fileOf(home), 'utf8')).toMatch(/planted-secret-1[\s\S]*planted-secret-3[\s\S]*planted-secret-2/);
  });

  it('writes who this client is to the provider of a URL, the secret as the name of its variable', async () => {
    await using home = await tempHome();
    const words = ['a', 'https://a.example', '--client-id', 'c', '--client-secret-env', 'A_SECRET'];
    const added = await runCli(['add', ...words, '--client-metadata-url', 'https://c.example/me.json'], { home });
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout).toContain('oauth clientId: c\n  oauth clientSecretEnv: A_SECRET\n');
    expect(JSON.parse(await readFile(fileOf(home), 'utf8'))).toEqual({
      mcpServers: {
        a: {
          url: 'https://a.example',
          oauth: { clientId: 'c', clientSecretEnv: 'A_SECRET', clientMetadataUrl: 'https://c.example/me.json' },
        },
      },
    });
  });

  it('is refused with -c, whose files are never written', async () => {
    await using home = await tempHome();
    const given = await home.write('given.json', { mcpServers: {} });
    const result = await runCli(['-c', given, 'add', 'a', 'x'], { home });
    expect(result.code).toBe(2);
    expectHumanError(result.stderr, /^error: add changes your own configuration, and -c names another/);
    expect(JSON.parse(await readFile(given, 'utf8'))).toEqual({ mcpServers: {} });
  });
});

describe('remove', () => {
  it('takes one server out, comments around it stay; --json tells server and file', async () => {
    await using home = await tempHome();
    await home.writeConfig(
      '{\n  "mcpServers": {\n    // one\n    "a": { "command": "x" }, // after one\n    "b": { "command": "y" }\n  }\n}\n',
    );
    expect(documentOf(await runCli(['remove', 'a', '--json'], { home }))).toEqual({ server: 'a', file: fileOf(home) });
    expect(await readFile(fileOf(home), 'utf8')).toBe(
      '{\n  "mcpServers": {\n    // one\n    // after one\n    "b": { "command": "y" }\n  }\n}\n',
    );
    expect(await runCli(['rm', 'b'], { home })).toMatchObject({
      code: 0,
      stdout: `Removed b from ${fileOf(home)}\n`,
      stderr: '',
    });
    expect(await entriesOf(home).catch(() => 'comments')).toBe('comments');
    expect((await runCli(['servers', '--json'], { home })).stdout).toBe('{\n  "servers": []\n}\n');
  });

  it('knows an unknown name from a mistyped one, and a file of -c from the user’s own', async () => {
    await using home = await homeWith({ github: { command: 'x' } });
    const error = errorOf(await runCli(['remove', 'gihub', '--json'], { home }));
    expect(error).toMatchObject({ code: 'UNKNOWN_SERVER', hint: 'did you mean "github"?' });
    const given = await home.write('given.json', { mcpServers: { theirs: { command: 'x' } } });
    const refused = await runCli(['remove', 'theirs', '-c', given], { home });
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toBe(
      `error: The server "theirs" is defined in ${given}, which mcpctl never writes\nhint: mcpctl disable theirs switches it off, or take it out of that file by hand\n`,
    );
  });
});

describe('add and remove in a session', () => {
  it('work line by line in a batch, quoted as in sh', async () => {
    await using home = await tempHome();
    const input = `/mcp add --env 'A=b c' one x "d e" # note\nadd two https://a.example --header 'X-A: b'\nadd one y\nremove two\n`;
    const result = await runCli(['--keep-going'], { home, input });
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/^error: line 3: There is a server "one" already/);
    expect(await entriesOf(home)).toEqual({ one: { command: 'x', args: ['d e'], env: { A: 'b c' } } });
  });

  it('work in the REPL; a line with a literal secret is not kept in the history, one with ${VAR} is', async () => {
    await using home = await homeWith({ first: faultServer() });
    await using terminal = startTerminal([], { home, columns: 200 });
    await terminal.waitFor('first connected');
    terminal.type("add a https://a.example --header 'X-Custom-Key: planted-1'\r");
    await terminal.waitFor('Added a to');
    terminal.type("add b https://a.example --header 'Authorization: Bearer ${B_TOKEN}'\r");
    await terminal.waitFor('Added b to');
    terminal.type('remove a\r');
    await terminal.waitFor('Removed a from');
    terminal.type('/exit\r');
    expect((await terminal.exited).code).toBe(0);
    expect(Object.keys(await entriesOf(home))).toEqual(['first', 'b']);
    expect(await readFile(join(home.stateDir, 'history'), 'utf8')).toBe(
      "add b https://a.example --header 'Authorization: Bearer ${B_TOKEN}'\nremove a\n/exit\n",
    );
  });
});
