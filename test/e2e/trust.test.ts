/** A cloned folder with a hostile project file: nothing of it runs, is expanded or is read, until somebody has read it and said yes. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as users write them in a file
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.js';
import { runCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { keys, startTerminal, type Terminal } from '../support/terminal.js';
import { type Clone, clone, names, secret } from './hostile-folder.js';
import { documentOf, errorOf, expectHumanError, faultServer } from './kit.js';

/** These change or start something by design; they have tests of their own. */
const elsewhere = ['add', 'remove', 'import', 'up', 'down', 'serve'];

/** Every command, bare, with --help, and with a server or a tool wherever one may stand. */
function linesOf({ name, positionals }: (typeof registry)[number]): string[][] {
  // It goes on and on.
  const end = name === 'top' ? ['--timeout', '1s'] : [];
  const actions = positionals[0]?.choices?.map((choice) => [choice]) ?? [[]];
  return [
    [name],
    [name, '--help'],
    ...actions.flatMap((action) => [[name, ...action], ...['runs', 'calls'].map((server) => [name, ...action, server])]),
    ...(actions[0]!.length > 0
      ? []
      : [
          [name, 'runs/x'],
          [name, 'runs', 'x'],
          [name, 'runs/x', 'a=1'],
        ]),
    // What is disabled would be safe for a reason that has nothing to do with trust.
    ...(name === 'disable' ? [['enable', ...names]] : []),
  ].map((words) => [...words, ...end]);
}

describe('in a cloned folder with a hostile .mcp.json', () => {
  let made: Clone;
  beforeAll(async () => {
    made = await clone();
  });
  afterAll(async () => {
    await made[Symbol.asyncDispose]();
  });

  const expectNothing = (output: string) => {
    expect(existsSync(made.sentinel)).toBe(false);
    expect(made.requests()).toBe(0);
    expect(output).not.toContain(secret);
    expect(output).not.toMatch(/[\x1b\u202e]/);
    expect(output).not.toContain('internal error');
  };
  const specs = registry.filter(({ scope, name }) => scope !== 'repl' && !elsewhere.includes(name));

  it.each(specs.map((spec) => [spec.name, spec] as const))(
    '%s starts, asks, expands and reads nothing, with every server of it',
    async (_name, spec) => {
      for (const words of linesOf(spec)) {
        const { stdout, stderr, code } = await runCli(words, { home: made.home, env: made.env });
        expectNothing(stdout + stderr);
        expect([0, 2, 4, 9, ...(words.includes('--timeout') ? [6] : [])], words.join(' ')).toContain(code);
      }
    },
    60_000,
  );

  it.each(['call runs/x', 'tools runs', 'tool calls/x', 'ping local', 'reconnect reads'])(
    '%s ends with 9 UNTRUSTED and the command to type next',
    async (line) => {
      const server = names.find((name) => line.includes(name))!;
      const plain = await runCli(line.split(' '), { home: made.home, env: made.env });
      expect(plain.code).toBe(9);
      expectHumanError(plain.stderr, `Server "${server}" of ${join(made.home.projectDir, '.mcp.json')} is not approved`);
      expect(plain.stderr).toContain(`mcpctl trust approve ${server}`);
      const machine = await runCli([...line.split(' '), '--json', '-q'], { home: made.home, env: made.env });
      expect(machine.code).toBe(9);
      expect(machine.stderr).toContain('"code":"UNTRUSTED"');
    },
  );

  it('the user’s own servers work as ever', async () => {
    const { stdout, code } = await runCli(['call', 'mine/echo', 'text=hi'], { home: made.home, env: made.env });
    expect([code, stdout]).toEqual([0, expect.stringContaining('hi')]);
  });

  it('the REPL starts nothing of it: prompt, completion, status, call, reconnect --all, disable and enable', async () => {
    await using terminal = startTerminal([], { home: made.home, env: made.env });
    await terminal.waitFor(/\+ mine connected/);
    const lines = ['status', 'tools', 'call runs/x', 'reconnect --all', 'disable runs', 'enable runs', 'config explain calls'];
    for (const line of lines) {
      const after = terminal.text.length;
      terminal.type(`${line}${keys.enter}`);
      // The prompt that the line is typed at may be drawn again; the answer's prompt comes after a line of its own.
      await terminal.waitFor(new RegExp(`${line}[\\s\\S]*\\n(?:.*\\r)?mcpctl> $`), { after, timeoutMs: 6_000 });
    }
    terminal.type(`call run${keys.tab}`);
    await terminal.waitFor('call runs/', { timeoutMs: 3_000 });
    terminal.type(keys.tab);
    terminal.type(keys.ctrlC);
    const after = terminal.text.length;
    terminal.type(`trust approve ca${keys.tab}`);
    await terminal.waitFor('trust approve calls', { after, timeoutMs: 3_000 });
    terminal.type(keys.ctrlC);
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
    expect(existsSync(made.sentinel)).toBe(false);
    expect(made.requests()).toBe(0);
    expect(terminal.raw).not.toContain(secret);
    expect(terminal.raw).not.toMatch(/\x1b\]0;owned|\u202e/);
  });

  it('config show and servers show what is written, and config validate has nothing to say against it', async () => {
    const show = documentOf(await runCli(['config', 'show', '--json', '-q'], { home: made.home, env: made.env }));
    expect(show).toMatchObject({
      servers: {
        calls: { approval: 'missing', target: expect.stringContaining('${AWS_SECRET_ACCESS_KEY}') },
        local: { definition: { command: './run.sh', inheritEnv: false } },
        mine: { approval: 'not-needed' },
      },
    });
    expect((await runCli(['config', 'validate'], { home: made.home, env: made.env })).code).toBe(0);
  });
});

describe('trust', () => {
  const project = (home: TempHome, mcpServers: object) => home.write('project/.mcp.json', { mcpServers });
  const run = (home: TempHome, line: string) => runCli(line.split(' '), { home });

  it('goes the whole way in a script: refused, approved by its fingerprint, used, changed, refused, approved, taken back', async () => {
    await using home = await tempHome();
    const file = await project(home, { files: faultServer() });
    const call = 'call files/echo text=hello';
    const refused = await run(home, 'trust approve files');
    expect(refused.code).toBe(9);
    expect(refused.stdout).toBe('');
    expect(refused.stderr).toContain(`  command  ${JSON.stringify(process.execPath)}\n`);
    expectHumanError(refused.stderr, 'is not approved, and nobody is there to ask');

    const machine = await run(home, 'trust approve files --json');
    expect(documentOf(machine)).toMatchObject({ approved: false, definition: faultServer() });
    const { details, hint } = errorOf(machine);
    const fingerprint = details!.fingerprint as string;
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(hint).toContain(`--fingerprint ${fingerprint}`);
    expect(hint).toContain('--yes');
    expect(refused.stderr).toContain(`Fingerprint: ${fingerprint}`);

    const wrong = await run(home, `trust approve files --fingerprint ${fingerprint.slice(0, 63)}`);
    expect(wrong.code).toBe(9);
    expect(wrong.stderr).toContain(`has the fingerprint ${fingerprint}, not ${fingerprint.slice(0, 63)}`);
    expect((await run(home, call)).code).toBe(9);

    const approved = await run(home, `trust approve files --fingerprint ${fingerprint} --json`);
    expect([approved.code, approved.stderr]).toEqual([0, '']);
    expect(documentOf(approved)).toEqual({
      server: 'files',
      file,
      project: home.projectDir,
      fingerprint,
      approved: true,
      definition: faultServer(),
      variables: [],
      changes: [],
    });
    const called = await run(home, call);
    expect([called.code, called.stdout]).toEqual([0, expect.stringContaining('hello')]);

    await project(home, { files: { ...faultServer(), env: { NEW: '1' } } });
    expect((await run(home, call)).stderr).toContain('was changed since it was approved');
    const list = documentOf(await run(home, 'trust list --json')) as { servers: object[] };
    expect(list).toMatchObject({ file, project: home.projectDir, servers: [{ server: 'files', state: 'changed' }] });
    expect((await run(home, `trust approve files --fingerprint ${fingerprint}`)).code).toBe(9);

    const yes = await run(home, 'trust approve files --yes');
    expect(yes.code).toBe(0);
    expect(yes.stdout).toMatch(/^files is approved \(fingerprint [0-9a-f]{64}\)\n$/);
    expect(yes.stderr).toMatch(/Changed since you approved it on .*\n {2}\+ env\.NEW: "1"\nFingerprint: [0-9a-f]{64}\n$/);
    expect((await run(home, call)).code).toBe(0);
    expect((await run(home, 'trust approve files')).code).toBe(0);

    expect((await run(home, 'trust revoke files')).stdout).toBe('files: the approval is taken back\n');
    expect((await run(home, 'trust revoke files')).stdout).toBe('files: it was not approved\n');
    expect((await run(home, call)).code).toBe(9);
    const unknown = await run(home, 'trust revoke fils');
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('did you mean "files"?')]);
  });

  it('shows on stderr a literal that was registered as a secret by another server: nobody hides a part of a definition', async () => {
    await using home = await tempHome();
    await project(home, {
      a: { ...faultServer(), env: { API_TOKEN: 'curl-evil.example' } },
      b: { command: 'sh', args: ['curl-evil.example'] },
    });
    await run(home, 'trust approve a --yes');
    const { stderr } = await run(home, 'trust approve b');
    expect(stderr).toContain('  args[0]  "curl-evil.example"\n');
    expect((await run(home, 'trust approve b --yes --json')).stdout).toContain('"curl-evil.example"');
  });

  it('counts from the next line of a script on: approved, called, taken back, refused with exit code 9', async () => {
    await using home = await tempHome();
    await project(home, { files: faultServer() });
    const call = 'call files/echo text=hello';
    const input = ['trust approve files --yes', call, 'trust revoke files', call, ''].join('\n');
    const { stdout, stderr, code } = await runCli([], { home, input });
    expect(stdout).toMatch(/^files is approved .*\nhello\nfiles: the approval is taken back\n$/);
    expect(stderr).toContain('error: line 4: Server "files" of');
    expect(code).toBe(9);
  });

  it('takes nothing away from a server that is added under a waiting one’s name: the added one counts, and add says so', async () => {
    await using home = await tempHome();
    const file = await project(home, { files: faultServer() });
    const added = await run(home, 'add files node server.js');
    expect(added.code).toBe(0);
    expect(added.stderr).toBe(
      `warning: ${file}:3:5: mcpServers.files: is not approved, so "files" of ${join(home.configDir, 'config.json')} stays in force; look at it: mcpctl trust approve files\n`,
    );
  });

  it('lets a waiting server be disabled and enabled, seen by servers and config explain; the file stays as it is', async () => {
    await using home = await tempHome();
    const file = await project(home, { files: faultServer() });
    const before = await readFile(file, 'utf8');
    const enabled = async () =>
      (documentOf(await run(home, 'servers --json')) as { servers: { enabled: boolean }[] }).servers[0]!.enabled;
    expect((await run(home, 'disable files')).code).toBe(0);
    expect(await enabled()).toBe(false);
    expect((await run(home, 'config explain files')).stdout).toContain(
      `disabled by an override in ${join(home.configDir, 'settings.json')}`,
    );
    expect((await run(home, 'enable files')).code).toBe(0);
    expect(await enabled()).toBe(true);
    expect((await run(home, 'config explain files')).stdout).not.toContain('override');
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('says with -c and outside a project that nothing waits', async () => {
    await using home = await tempHome();
    const file = await home.write('mcp.json', { mcpServers: { files: faultServer() } });
    expect(documentOf(await run(home, 'trust list --json'))).toEqual({ file: null, project: null, servers: [] });
    const given = await run(home, `-c ${file} trust approve files`);
    expect([given.code, given.stderr]).toEqual([2, expect.stringContaining('needs no approval')]);
  });
});

describe('trust approve on a terminal', () => {
  async function withProject(): Promise<TempHome> {
    const home = await tempHome();
    await home.write('project/.mcp.json', { mcpServers: { files: faultServer() } });
    return home;
  }
  const question = 'Approve "files"? [y/N]';
  const stored = (home: TempHome) => existsSync(join(home.configDir, 'settings.json'));
  const answer = async (terminal: Terminal, typed: string) => {
    await terminal.waitFor(question);
    expect(terminal.text).toContain(`args[0]  ${JSON.stringify(faultServer().args[0])}`);
    terminal.type(typed);
  };

  it.each([
    ['Enter', keys.enter],
    ['n', `n${keys.enter}`],
    ['a word', `yess${keys.enter}`],
  ])('%s means no: exit 9, nothing stored', async (_what, typed) => {
    await using home = await withProject();
    await using terminal = startTerminal(['trust', 'approve', 'files'], { home });
    await answer(terminal, typed);
    expect(await terminal.exited).toEqual({ code: 9, signal: undefined });
    expect(terminal.text).toContain('"files" is not approved');
    expect(stored(home)).toBe(false);
  });

  it('the end of input (Ctrl-D) means no', async () => {
    await using home = await withProject();
    await using terminal = startTerminal(['trust', 'approve', 'files'], { home });
    await answer(terminal, keys.ctrlD);
    expect((await terminal.exited).code).toBeGreaterThan(0);
    expect(stored(home)).toBe(false);
  });

  it('Ctrl-C means no, with 130', async () => {
    await using home = await withProject();
    await using terminal = startTerminal(['trust', 'approve', 'files'], { home });
    await answer(terminal, keys.ctrlC);
    expect((await terminal.exited).code).toBe(130);
    expect(stored(home)).toBe(false);
  });

  it('y means yes, also with --quiet, which still shows what it is about', async () => {
    await using home = await withProject();
    await using terminal = startTerminal(['trust', 'approve', 'files', '--quiet'], { home });
    await answer(terminal, `y${keys.enter}`);
    expect((await terminal.exited).code).toBe(0);
    expect(terminal.text).toContain('files is approved');
    expect((await runCli(['ping', 'files'], { home })).code).toBe(0);
  });

  it('approves nothing that was changed while the question stood there', async () => {
    await using home = await withProject();
    await using terminal = startTerminal(['trust', 'approve', 'files'], { home });
    await terminal.waitFor(question);
    await home.write('project/.mcp.json', { mcpServers: { files: { command: 'sh', args: ['-c', 'true'] } } });
    terminal.type(`y${keys.enter}`);
    expect((await terminal.exited).code).toBe(9);
    expect(terminal.text).toContain('has changed while you looked at it');
    expect(stored(home)).toBe(false);
  });

  it('asks in the REPL as well: Enter means no, y means yes', async () => {
    await using home = await withProject();
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('1 server: files');
    terminal.type(`trust approve files${keys.enter}`);
    await answer(terminal, keys.enter);
    await terminal.waitFor('error: "files" is not approved');
    expect(stored(home)).toBe(false);
    const after = terminal.text.length;
    terminal.type(`/mcp trust approve files${keys.enter}`);
    await terminal.waitFor(question, { after });
    terminal.type(`yes${keys.enter}`);
    await terminal.waitFor('files is approved', { after });
    expect(stored(home)).toBe(true);
    terminal.type(`trust list${keys.enter}`);
    await terminal.waitFor(/files +approved/, { after });
  });
});

describe('--preset', () => {
  it('is one of three, seen in config explain, and refused in a running session', async () => {
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { mine: faultServer() } });
    const { stdout } = await runCli(['config', 'explain', 'mine', '--preset', 'test'], { home });
    expect(stdout).toMatch(/^timeouts\.connect +"2s" +preset test$/m);
    expect(stdout).toMatch(/^cache\.enabled +false +preset test$/m);
    const line = await runCli(['--preset', 'test'], { home, input: 'servers --preset development\n' });
    expect(line.code).toBe(2);
    expect(line.stderr).toContain('start mcpctl --preset development');
    expect((await runCli(['--preset', 'test', 'call', 'mine/echo', 'text=hi'], { home })).code).toBe(0);
  });
});
