/** A project file that changes under an open REPL: nothing of it runs before it is approved again. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCli } from '../support/run-cli.js';
import { tempHome } from '../support/temp-home.js';
import { startTerminal, type Terminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { faultServer } from './kit.js';

async function shows(terminal: Terminal, pattern: string | RegExp, act: () => unknown): Promise<void> {
  const after = terminal.text.length;
  await act();
  await terminal.waitFor(pattern, { after });
}

it('starts nothing that a project file brings or changes while the REPL is open, before another shell approves it', async () => {
  await using home = await tempHome();
  await mkdir(join(home.projectDir, '.git'));
  const file = join(home.projectDir, '.mcp.json');
  const [oldPids, newPids] = [join(home.path, 'old.pids'), join(home.path, 'new.pids')];
  await home.writeConfig({ mcpServers: { mine: faultServer() } });
  await using terminal = startTerminal([], { home, columns: 160 });
  await terminal.waitFor('+ mine connected');

  const write = async (pids: string) => {
    await writeFile(`${file}.new`, JSON.stringify({ mcpServers: { theirs: faultServer(`pid-file=${pids}`) } }));
    await rename(`${file}.new`, file);
  };
  await shows(terminal, '! theirs of', () => write(oldPids));
  await shows(terminal, '1 untrusted', () => terminal.type('status\r'));
  await shows(terminal, 'is not approved', () => terminal.type('call theirs/pid\r'));
  expect(existsSync(oldPids)).toBe(false);

  await shows(terminal, '+ theirs connected', () => runCli(['trust', 'approve', 'theirs', '--yes'], { home }));
  const pid = Number(readFileSync(oldPids, 'utf8'));
  await shows(terminal, /theirs of .* was changed and waits for a new approval/, () => write(newPids));
  await waitFor(() => !existsSync(`/proc/${pid}`), { what: 'the end of the approved version' });
  await shows(terminal, 'was changed since it was approved', () => terminal.type('reconnect theirs\r'));
  await shows(terminal, /mine +connected/, () => terminal.type('status\r'));
  expect(existsSync(newPids)).toBe(false);
  expect(terminal.text.split('waits for a new approval')).toHaveLength(2);
  const { code } = await runCli(['status', '--check'], { home });
  expect(code).toBe(9);
  await shows(terminal, '+ theirs connected', () => runCli(['trust', 'approve', 'theirs', '--yes'], { home }));
  expect(existsSync(newPids)).toBe(true);
  await shows(terminal, 'theirs of', () => runCli(['trust', 'revoke', 'theirs'], { home }));
  terminal.type('/exit\r');
  expect(await terminal.exited).toEqual({ code: 0, signal: undefined });
});
