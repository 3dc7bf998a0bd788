/** A REPL stays open while its configuration is edited: servers come, go and change, and the others do not notice. */
import { readFileSync } from 'node:fs';
import { readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { keys, startTerminal, type Terminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { faultServer } from './kit.js';

/** A server that writes its pid into a file of its name at every start. */
const server = (home: TempHome, name: string, ...faults: string[]) =>
  faultServer(`pid-file=${join(home.path, `${name}.pids`)}`, ...faults);

/** The pids of all starts of a server, the first one first. */
function starts(home: TempHome, name: string): number[] {
  try {
    return readFileSync(join(home.path, `${name}.pids`), 'utf8')
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const fileOf = (home: TempHome) => join(home.configDir, 'config.json');
const textOf = (mcpServers: Record<string, unknown>) => `${JSON.stringify({ mcpServers }, null, 2)}\n`;

/** As editors save: a new file takes the name. */
async function save(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** Types a line, and resolves when `pattern` has been shown after it. */
async function run(terminal: Terminal, line: string, pattern: string | RegExp): Promise<void> {
  const after = terminal.text.length;
  terminal.type(`${line}\r`);
  await terminal.waitFor(pattern, { after });
}

async function shows(terminal: Terminal, pattern: string | RegExp, act: () => Promise<unknown>): Promise<void> {
  const after = terminal.text.length;
  await act();
  await terminal.waitFor(pattern, { after });
}

async function leave(terminal: Terminal): Promise<void> {
  terminal.type('/exit\r');
  expect(await terminal.exited).toEqual({ code: 0, signal: undefined });
}

/** The first start offers to add a server; Ctrl-C leaves it out. */
async function withoutOffer(terminal: Terminal): Promise<void> {
  await terminal.waitFor('Add a first server?');
  terminal.type(keys.ctrlC);
  await terminal.waitFor('No servers yet');
}

describe('editing the configuration under an open REPL', () => {
  it('adds, changes and removes a server, and keeps the process of the one that was not touched', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig({ mcpServers: { stays: server(home, 'stays') } });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ stays connected');

    const stays = server(home, 'stays');
    await shows(terminal, /\+ other connected/, () => save(file, textOf({ stays, other: server(home, 'other') })));
    expect(terminal.text).toContain('~ configuration: added other');
    await run(terminal, 'call other/echo text=there', 'there');

    const [oldPid] = starts(home, 'other');
    await shows(terminal, /\+ other connected/, () => writeFile(file, textOf({ stays, other: server(home, 'other', 'crlf') })));
    expect(terminal.text).toContain('~ configuration: changed other');
    const [, newPid] = starts(home, 'other');
    expect([isAlive(oldPid!), isAlive(newPid!)]).toEqual([false, true]);

    await shows(terminal, '~ configuration: removed other', () => save(file, textOf({ stays })));
    await waitFor(() => !isAlive(newPid!), { what: 'the end of the removed server' });
    await run(terminal, 'call other/pid', 'error: There is no server "other"');
    await run(terminal, 'status', '1 connected');
    expect(starts(home, 'stays')).toHaveLength(1);
    await run(terminal, 'call stays/pid', String(starts(home, 'stays')[0]));
    await leave(terminal);
    expect(starts(home, 'other')).toHaveLength(2);
  });

  it('tells a broken file with line and column, once, goes on as before, and takes the repaired one', async () => {
    await using home = await tempHome();
    const good = textOf({ stays: server(home, 'stays') });
    const file = await home.writeConfig(good);
    await using terminal = startTerminal([], { home, columns: 200 });
    await terminal.waitFor('+ stays connected');

    const broken = '{\n  "mcpServers": {\n    "stays": { "command": 7 }\n  }\n}\n';
    await shows(terminal, `${file}:3:27: mcpServers.stays.command`, () => save(file, broken));
    expect(terminal.text).toContain('the configuration cannot be used and stays as it was');
    await run(terminal, 'call stays/echo text=alive', 'alive');
    expect(await readFile(file, 'utf8')).toBe(broken);
    await shows(terminal, `${file}:4:1`, () => save(file, '{\n  "mcpServers": {\n\n'));
    await shows(terminal, '~ the configuration is valid again', () => save(file, good));
    await shows(terminal, '+ other connected', () =>
      save(file, textOf({ stays: server(home, 'stays'), other: server(home, 'other') })),
    );
    expect(terminal.text.split(`${file}:3:27`)).toHaveLength(2);
    expect(starts(home, 'stays')).toHaveLength(1);
    await leave(terminal);
  });

  it('ends in the last of 20 quick saves by rename', async () => {
    await using home = await tempHome();
    const stays = server(home, 'stays');
    const file = await home.writeConfig({ mcpServers: { stays } });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ stays connected');
    const after = terminal.text.length;
    for (let i = 0; i < 20; i++) await save(file, textOf({ stays, [`server-${i}`]: server(home, `server-${i}`) }));
    await terminal.waitFor('+ server-19 connected', { after });
    await run(terminal, 'status', '2 connected');
    await run(terminal, 'call server-19/echo text=last', 'last');
    for (let i = 0; i < 19; i++) for (const pid of starts(home, `server-${i}`)) expect(isAlive(pid)).toBe(false);
    expect(starts(home, 'stays')).toHaveLength(1);
    await leave(terminal);
  });

  it('follows a link to the file, keeps its servers while the file is replaced by way of nothing, and loses them with the file', async () => {
    await using home = await tempHome();
    const dotfile = join(home.home, 'mcp.json');
    const [stays, other] = [server(home, 'stays'), server(home, 'other')];
    await writeFile(dotfile, textOf({ stays }));
    await symlink(dotfile, fileOf(home));
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ stays connected');
    await shows(terminal, '+ other connected', () => save(dotfile, textOf({ stays, other })));
    // Some programs save by deleting first.
    await shows(terminal, '~ configuration: removed other', async () => {
      await unlink(dotfile);
      await writeFile(dotfile, textOf({ stays }));
    });
    expect(starts(home, 'stays')).toHaveLength(1);
    await shows(terminal, '~ configuration: removed stays', () => rm(dotfile));
    await shows(terminal, '+ stays connected', () => writeFile(dotfile, textOf({ stays })));
    expect(starts(home, 'stays')).toHaveLength(2);
    await leave(terminal);
  });

  it('starts the first server when the file is written that was not there, without a restart', async () => {
    await using home = await tempHome();
    await rm(home.configDir, { recursive: true });
    await using terminal = startTerminal([], { home });
    await withoutOffer(terminal);
    await shows(terminal, '+ first connected', () => home.writeConfig({ mcpServers: { first: server(home, 'first') } }));
    await leave(terminal);
  });

  it('watches a file given by -c, says that it is gone, and keeps its servers', async () => {
    await using home = await tempHome();
    const file = await home.write('given.json', { mcpServers: { stays: server(home, 'stays') } });
    await using terminal = startTerminal(['-c', file], { home, columns: 200 });
    await terminal.waitFor('+ stays connected');
    await shows(terminal, `${file}: no such file`, () => unlink(file));
    await run(terminal, 'call stays/echo text=alive', 'alive');
    await shows(terminal, '+ other connected', () =>
      home.write('given.json', { mcpServers: { stays: server(home, 'stays'), other: server(home, 'other') } }),
    );
    expect(starts(home, 'stays')).toHaveLength(1);
    await leave(terminal);
  });

  it('does not tell what enable and disable have written themselves', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig({ mcpServers: { stays: server(home, 'stays'), other: server(home, 'other') } });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ stays connected');
    await terminal.waitFor('+ other connected');
    await run(terminal, 'disable other', 'other is disabled');
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ mcpServers: { other: { enabled: false } } });
    // The next save of another hand is told, so whatever there was to tell of the first has been told by then.
    const text = textOf({
      stays: server(home, 'stays'),
      other: { ...server(home, 'other'), enabled: false },
      third: server(home, 'third'),
    });
    await shows(terminal, '+ third connected', () => save(file, text));
    expect(terminal.text.match(/~ configuration: .*/g)).toEqual(['~ configuration: added third']);
    await leave(terminal);
  });

  it('hides a secret that came with a new version of the file', async () => {
    await using home = await tempHome();
    const file = await home.writeConfig({ mcpServers: {} });
    await using terminal = startTerminal([], { home });
    await withoutOffer(terminal);
    const leaky = {
      command: 'sh',
      args: ['-c', 'echo "refused: $API_TOKEN" >&2; exit 1'],
      env: { API_TOKEN: 'tok-9f8e7d6c5b4a' },
    };
    await shows(terminal, 'leaky', () => save(file, textOf({ leaky })));
    await run(terminal, 'reconnect leaky', 'stderr: refused: ');
    expect(terminal.text).not.toContain('tok-9f8e7d6c5b4a');
    await leave(terminal);
  });
});
