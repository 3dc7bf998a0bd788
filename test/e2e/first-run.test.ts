/** The first start on a pseudo-terminal: what is offered, what a yes writes, and that a no leaves everything as it was. */
import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { keys, startTerminal, type Terminal } from '../support/terminal.js';
import { fixture, homeWith, packageRoot } from './kit.js';

const intro = 'No server is configured yet';
const menu = 'select';
const fileOf = (home: TempHome) => join(home.configDir, 'config.json');
const start = (home: TempHome, args: readonly string[] = [], env: Record<string, string> = {}) =>
  startTerminal(args, { home, columns: 160, env });

/** Answers a question once it is asked. */
async function answer(terminal: Terminal, question: string, typed: string): Promise<void> {
  await terminal.waitFor(question);
  terminal.type(typed);
}

/** A prompt that works: the terminal belongs to the REPL, and the line typed is the line run. */
async function expectPrompt(terminal: Terminal): Promise<void> {
  await terminal.waitFor('mcpctl> ');
  const after = terminal.text.length;
  terminal.type('config path\r');
  await terminal.waitFor('state: ', { after });
  terminal.type(keys.ctrlD);
  expect((await terminal.exited).code).toBe(0);
  expect(
    terminal.raw.endsWith('\x1b[?25h') || terminal.raw.lastIndexOf('\x1b[?25h') >= terminal.raw.lastIndexOf('\x1b[?25l'),
  ).toBe(true);
}

/** `npx`, as far as the example needs it, without a network. */
async function withNpx(home: TempHome): Promise<Record<string, string>> {
  const server = join(packageRoot, 'node_modules/@modelcontextprotocol/server-filesystem/dist/index.js');
  const npx = await home.write('bin/npx', `#!/bin/sh\nshift 2\nexec '${process.execPath}' '${server}' "$@"\n`);
  await chmod(npx, 0o755);
  return { PATH: `${join(home.path, 'bin')}:${home.env.PATH}` };
}

describe('the first start', () => {
  it('says what mcpctl is, and Enter at every question ends in a connected example', async () => {
    await using home = await tempHome();
    await using terminal = start(home, [], await withNpx(home));
    await answer(terminal, menu, keys.enter);
    expect(terminal.text).toMatch(/^mcpctl \S+ keeps MCP servers connected/);
    expect(terminal.text).toContain(`What you add goes into ${fileOf(home)}.`);
    await answer(terminal, '(files)', keys.enter);
    await answer(terminal, '(Y/n)', keys.enter);
    await terminal.waitFor(/files connected, \d+ tools/);
    expect(terminal.text).toContain(`  npx -y @modelcontextprotocol/server-filesystem ${home.projectDir}`);
    expect(JSON.parse(await readFile(fileOf(home), 'utf8'))).toEqual({
      mcpServers: { files: { command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', home.projectDir] } },
    });
    expect((await stat(fileOf(home))).mode & 0o777).toBe(0o600);
    await expectPrompt(terminal);
  });

  it('adds a program typed as in a shell, under the name it suggests, after refusing a command that is none', async () => {
    await using home = await tempHome();
    await home.writeConfig('// nothing yet\n{ "mcpServers": {} }\n');
    await using terminal = start(home, [], { PATH: '/nonexistent' });
    await answer(terminal, menu, keys.enter);
    await answer(terminal, 'Command line', `node "${keys.enter}`);
    await terminal.waitFor('is not closed');
    terminal.type(`\x15'${process.execPath}' "${fixture('fault-stdio.mjs')}"${keys.enter}`);
    await answer(terminal, '(fault-stdio)', keys.enter);
    await answer(terminal, '(Y/n)', keys.enter);
    await terminal.waitFor('fault-stdio connected');
    expect(await readFile(fileOf(home), 'utf8')).toMatch(/^\/\/ nothing yet\n[\s\S]*"fault-stdio"/);
    await expectPrompt(terminal);
  });

  it('adds a URL with headers, keeps ${VAR}, and refuses what is no URL, no header and no name', async () => {
    await using home = await tempHome();
    await using terminal = start(home, [], { PATH: '/nonexistent' });
    await answer(terminal, menu, `${keys.down}${keys.enter}`);
    await answer(terminal, '? URL', `nonsense${keys.enter}`);
    await terminal.waitFor('is not a URL');
    terminal.type(`\x15http://127.0.0.1:9/mcp${keys.enter}`);
    await answer(terminal, 'Header, such as', `X-Bad${keys.enter}`);
    await terminal.waitFor('the name is missing');
    terminal.type(`\x15Authorization: Bearer \${TOKEN}${keys.enter}`);
    await answer(terminal, 'Another header', keys.enter);
    await answer(terminal, 'called?', `bad name${keys.enter}`);
    await terminal.waitFor('a server name has');
    terminal.type(`\x15local${keys.enter}`);
    await answer(terminal, '(Y/n)', keys.enter);
    await terminal.waitFor('Added local');
    expect(JSON.parse(await readFile(fileOf(home), 'utf8'))).toEqual({
      mcpServers: { local: { url: 'http://127.0.0.1:9/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } } },
    });
    await expectPrompt(terminal);
  });

  it.each([
    ['"Not now"', async (terminal: Terminal) => answer(terminal, menu, `${keys.up}${keys.enter}`)],
    ['Ctrl-C at the first question', async (terminal: Terminal) => answer(terminal, menu, keys.ctrlC)],
    ['Ctrl-D at the first question', async (terminal: Terminal) => answer(terminal, menu, keys.ctrlD)],
    [
      'Ctrl-C at the second',
      async (terminal: Terminal) => {
        await answer(terminal, menu, keys.enter);
        await answer(terminal, 'Command line', `half a lin${keys.ctrlC}`);
      },
    ],
    [
      '"no" at the last',
      async (terminal: Terminal) => {
        await answer(terminal, menu, keys.enter);
        await answer(terminal, 'Command line', `prog${keys.enter}`);
        await answer(terminal, '(prog)', keys.enter);
        await answer(terminal, '(Y/n)', `n${keys.enter}`);
      },
    ],
  ])('goes on to the prompt after %s, with nothing written', async (_name, decline) => {
    await using home = await tempHome();
    await using terminal = start(home, [], { PATH: '/nonexistent' });
    await decline(terminal);
    await terminal.waitFor('No servers yet');
    await expectPrompt(terminal);
    expect(await readdir(home.configDir)).toEqual([]);
  });

  it('goes on to the prompt with the reason when the file cannot be written', async () => {
    await using home = await tempHome();
    const blocked = await home.write('blocked', '');
    await using terminal = start(home, [], { PATH: '/nonexistent', MCPCTL_CONFIG_DIR: join(blocked, 'below') });
    await answer(terminal, menu, keys.enter);
    await answer(terminal, 'Command line', `prog${keys.enter}`);
    await answer(terminal, '(prog)', keys.enter);
    await answer(terminal, '(Y/n)', keys.enter);
    await terminal.waitFor(/error: .*could not be changed: ENOTDIR/);
    await expectPrompt(terminal);
  });

  it('ends with 143 at SIGTERM during a question, and gives the terminal back', async () => {
    await using home = await tempHome();
    await using terminal = start(home);
    await terminal.waitFor(menu);
    process.kill(terminal.pid, 'SIGTERM');
    expect((await terminal.exited).code).toBe(143);
    expect(terminal.text).not.toContain('mcpctl> ');
    expect(terminal.raw.lastIndexOf('\x1b[?25h')).toBeGreaterThan(terminal.raw.lastIndexOf('\x1b[?25l'));
  });

  it.each([
    ['-q', ['-q']],
    ['--json', ['--json']],
    ['-c', ['-c', 'given.json']],
  ])('offers nothing with %s', async (_name, args) => {
    await using home = await tempHome();
    await home.write('project/given.json', { mcpServers: {} });
    await using terminal = start(home, args);
    await terminal.waitFor('mcpctl> ');
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
    expect(terminal.text).not.toContain(intro);
  });

  it('offers nothing where servers are configured, in the user’s file or a project’s, nor on a dumb terminal or without one', async () => {
    const isOffered = async (home: TempHome, env: Record<string, string> = {}) => {
      await using terminal = start(home, [], env);
      await terminal.waitFor(/mcpctl> |navigate/);
      return terminal.text.includes(intro);
    };
    await using empty = await tempHome();
    expect(await isOffered(empty)).toBe(true);
    expect(await isOffered(empty, { TERM: 'dumb' })).toBe(false);
    expect((await runCli([], { home: empty, input: 'config path\n' })).stderr).toBe('');
    await empty.write('project/.mcp.json', { mcpServers: {} });
    expect(await isOffered(empty)).toBe(false);
    await using configured = await homeWith({ a: { command: 'x', enabled: false } });
    expect(await isOffered(configured)).toBe(false);
  });
});
