/** The REPL on a real pseudo-terminal, with real servers behind it. */
import { writeFileSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { spawn } from '@lydell/node-pty';
import { describe, expect, it } from 'vitest';
import { cliPath } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { keys, startTerminal, type Terminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { renderScreen } from './screen.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const faultServer = fileURLToPath(new URL('../fixtures/servers/fault-stdio.mjs', import.meta.url));
const fault = { command: process.execPath, args: [faultServer] };
/** A server that connects only when this file is there. */
const late = (gate: string) => ({
  command: 'sh',
  args: ['-c', 'until [ -e "$GATE" ]; do sleep 0.05; done; exec "$0" "$@"', process.execPath, faultServer],
  env: { GATE: gate },
});
const prompt = 'mcpctl> ';

async function homeWith(mcpServers: Record<string, unknown>): Promise<TempHome> {
  const home = await tempHome();
  await home.writeConfig({ mcpServers });
  return home;
}

/** A home with one server that connects when the test says so. */
async function homeWithLate(): Promise<{ home: TempHome; connect: () => void }> {
  const home = await tempHome();
  const gate = join(home.path, 'gate');
  await home.writeConfig({ mcpServers: { late: late(gate) } });
  return { home, connect: () => writeFileSync(gate, '') };
}

/** The three servers of `.mcp.example.json`. */
function startExample(home: TempHome): Terminal {
  return startTerminal(['-c', '.mcp.example.json'], { home, cwd: root, env: { TMPDIR: home.path } });
}

/** Types a line and resolves with what the terminal showed from then to the next prompt. */
async function run(terminal: Terminal, line: string): Promise<string> {
  const after = terminal.text.length;
  terminal.type(`${line}${keys.enter}`);
  // The prompt that the line is typed at may be drawn again by a notice; the answer's prompt comes after a line of its own.
  await terminal.waitFor(new RegExp(`${literal(line)}[\\s\\S]*\\n(?:.*\\r)?${prompt}$`), { after });
  return terminal.text.slice(after);
}

/** The rows of the screen; everything has the size that `startTerminal` gives it. */
function rowsOf(terminal: Terminal): readonly string[] {
  return renderScreen(terminal.raw, 100, 30).rows;
}

/** Resolves once the screen ends with these rows. */
async function waitForRows(terminal: Terminal, ...last: string[]): Promise<void> {
  const what = () => `${last.join(' | ')} at the end of\n${rowsOf(terminal).join('\n')}`;
  await waitFor(() => rowsOf(terminal).slice(-last.length).join('\n') === last.join('\n'), { timeoutMs: 10_000, what });
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

describe('the REPL with three real servers', () => {
  it('shows the prompt before any server, then each with its tools, and goes through status, call, disable, enable, reconnect', async () => {
    await using home = await tempHome();
    await using terminal = startExample(home);
    await terminal.waitFor(prompt);
    expect(terminal.text).toMatch(/^mcpctl \d+\.\d+\.\d+ .*\/help/);
    expect(terminal.text.slice(0, terminal.text.indexOf(prompt))).not.toContain('connected');
    await terminal.waitFor('3 servers: everything, filesystem, memory');
    for (const name of ['everything', 'filesystem', 'memory']) {
      await terminal.waitFor(new RegExp(`\\+ ${name} connected, \\d+ tools, [\\d.]+ m?s`));
    }

    for (const typed of ['/mcp status', '/status', 'status']) expect(await run(terminal, typed)).toContain('3 connected');
    expect(await run(terminal, 'call everything/echo message="hello there"')).toContain('Echo: hello there');
    expect(await run(terminal, 'call everything/get-sum a=2 b=x')).toContain('error:');
    expect(await run(terminal, '/mcp disable memory --session')).toContain('memory is disabled');
    expect(await run(terminal, 'status memory')).toContain('1 disabled');
    expect(await run(terminal, 'call memory/read_graph')).toMatch(/error: .*memory.* is disabled/);
    const after = terminal.text.length;
    expect(await run(terminal, '/mcp enable memory --session')).toContain('memory is enabled');
    await terminal.waitFor(/\+ memory connected, 9 tools/, { after });
    const reconnected = await run(terminal, 'reconnect everything');
    expect(reconnected).toMatch(/everything: connected, \d+ tools/);
    expect(reconnected).not.toContain('+ everything');
    terminal.type('/exit\r');
    expect(await terminal.exited).toEqual({ code: 0, signal: undefined });
  });

  it('completes commands, servers, tools and arguments by Tab, and lists what is left at the second', async () => {
    await using home = await tempHome();
    await using terminal = startExample(home);
    await terminal.waitFor('+ everything connected');
    terminal.type(`CAL${keys.tab}ev${keys.tab}ec${keys.tab}`);
    await terminal.waitFor('mcpctl> call everything/echo ');
    terminal.type(`${keys.tab}typed${keys.enter}`);
    await terminal.waitFor('Echo: typed');
    const after = terminal.text.length;
    terminal.type(`sta${keys.tab}${keys.tab}${keys.tab}`);
    await terminal.waitFor(/everything +filesystem +memory/, { after });
    // Its status is asked for once, so it has to be there by then.
    await terminal.waitFor('+ filesystem connected');
    terminal.type(`f${keys.tab}${keys.enter}`);
    await terminal.waitFor(/status filesystem[\s\S]*1 connected/, { after });
  });

  it('cancels a call of 60 s at Ctrl-C at once, and leaves at the second within 2 s with 130', async () => {
    await using home = await tempHome();
    await using terminal = startExample(home);
    await terminal.waitFor('+ everything connected');
    terminal.type('call everything/trigger-long-running-operation duration=60 steps=60\r');
    // Its second step, which the spinner shows: the call is under way.
    await terminal.waitFor(/trigger-long-running-operation 2\/60 \(\d s\)/);
    terminal.type(keys.ctrlC);
    await waitForRows(terminal, 'error: Cancelled', prompt.trimEnd());
    expect(rowsOf(terminal).filter((row) => row.includes('2/60'))).toEqual([]);
    expect(renderScreen(terminal.raw, 100, 30).isCursorVisible).toBe(true);
    terminal.type(keys.ctrlC);
    expect(await terminal.exited).toEqual({ code: 130, signal: undefined });
  });
});

describe('the line that is being typed', () => {
  it('survives a notice in the middle of three rows of typing: text and cursor stand where they stood', async () => {
    const { home: made, connect } = await homeWithLate();
    await using home = made;
    const columns = 40;
    await using terminal = startTerminal([], { home, columns, rows: 12 });
    await terminal.waitFor('1 server: late');
    const typed = 'call late/echo text="a line that wraps over several rows of a narrow terminal"';
    // Back to the second of the three rows.
    terminal.type(typed + '\x1b[D'.repeat(38));
    const column = (prompt.length + typed.length - 38) % columns;
    const isDrawn = () => {
      const { rows, cursor } = renderScreen(terminal.raw, columns, 12);
      return rows.join('').endsWith('terminal"') && cursor.column === column;
    };
    await waitFor(isDrawn);
    connect();
    await terminal.waitFor('+ late connected');
    await waitFor(isDrawn);
    const screen = renderScreen(terminal.raw, columns, 12);
    const notice = screen.rows.findIndex((row) => row.startsWith('+ late connected'));
    expect(screen.rows.slice(notice + 1).join('')).toBe(`${prompt}${typed}`);
    expect(screen.rows.slice(notice + 1)).toHaveLength(3);
    expect(screen.rows.filter((row) => row.startsWith('mcpctl> call'))).toHaveLength(1);
    expect(screen.cursor).toEqual({ row: notice + 2, column });
    // What is typed next goes where the cursor stands.
    terminal.type('\x01\x1b[F!\x7f\r');
    await terminal.waitFor(/\na line that wraps over several rows of a narrow terminal\r?\n/);
  });

  it('survives a notice at the bottom of a screen of 6 rows, where everything scrolls', async () => {
    const { home: made, connect } = await homeWithLate();
    await using home = made;
    await using terminal = startTerminal([], { home, columns: 40, rows: 6 });
    await terminal.waitFor('1 server: late');
    const typed = 'status '.repeat(17).trim();
    terminal.type(`help\rhelp\r${typed}`);
    await waitFor(() =>
      renderScreen(terminal.raw, 40, 6)
        .rows.map((row) => row.padEnd(40))
        .join('')
        .trim()
        .endsWith(typed),
    );
    connect();
    await terminal.waitFor('+ late connected');
    await waitFor(() => renderScreen(terminal.raw, 40, 6).rows.slice(-4).join(' ').includes('+ late') === false);
    const { rows } = renderScreen(terminal.raw, 40, 6);
    const notice = rows.findIndex((row) => row.startsWith('+ late connected'));
    expect(
      rows
        .slice(notice + 1)
        .map((row) => row.padEnd(40))
        .join('')
        .trim(),
    ).toBe(`${prompt}${typed}`);
  });

  it('is cleared by Ctrl-C; on an empty line Ctrl-C gives a hint, and a second one within 2 s leaves with 130', async () => {
    await using home = await homeWith({ fault });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type('call fault/crash');
    await terminal.waitFor(/mcpctl> call fault\/crash$/);
    terminal.type(keys.ctrlC);
    await waitFor(() => renderScreen(terminal.raw, 100, 30).rows.at(-1) === 'mcpctl>');
    expect(terminal.text).not.toContain('Ctrl-C again');
    terminal.type(keys.ctrlC);
    await terminal.waitFor('(Ctrl-C again within 2 s or Ctrl-D leaves)');
    terminal.type(keys.ctrlC);
    expect((await terminal.exited).code).toBe(130);
  });

  it('goes on living when the second Ctrl-C comes after more than 2 s', async () => {
    await using home = await homeWith({ fault });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type(keys.ctrlC);
    await terminal.waitFor('(Ctrl-C again');
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const after = terminal.text.length;
    terminal.type(keys.ctrlC);
    await terminal.waitFor('(Ctrl-C again', { after });
    expect(await run(terminal, 'call fault/echo text=alive')).toContain('\nalive');
  });

  it('may be typed ahead: three lines typed during a call run after it, in order, nothing lost', async () => {
    await using home = await homeWith({ fault });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type(
      'call fault/sleep ms:=1000\rcall fault/echo text=one\rcall fault/echo text=two\r# three\rcall fault/echo text=fo',
    );
    const shown = [
      'ok',
      'call fault/echo text=one',
      'one',
      'call fault/echo text=two',
      'two',
      '# three',
      'call fault/echo text=fo',
    ];
    await waitForRows(terminal, ...shown.map((row) => (row.includes(' ') ? `${prompt}${row}` : row)));
    terminal.type('ur\r');
    await terminal.waitFor(/\nfour\r?\n/);
  });

  it('drops what was typed ahead of a cancelled call, and says so', async () => {
    await using home = await homeWith({ fault });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type('call fault/hang\r');
    await terminal.waitFor('fault/hang (');
    terminal.type('call fault/echo text=never\r');
    terminal.type(keys.ctrlC);
    await terminal.waitFor('(a line typed ahead dropped)');
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    expect(await run(terminal, 'call fault/echo text=later')).toContain('\nlater');
    expect(terminal.text).not.toContain('\nnever');
  });
});

describe('notices', () => {
  it('says when the next try comes, and gives up after five exits, with the command to type', async () => {
    await using home = await homeWith({
      gone: { url: 'http://127.0.0.1:9/mcp' },
      broken: { ...fault, env: { FAULT: 'exit-at-start=3' } },
    });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor(/! gone unavailable: Cannot reach 127\.0\.0\.1:9: .*refused.*; next try in [\d.]+ s/);
    await terminal.waitFor(/! broken .*code 3.*; next try in [\d.]+ s/);
    await terminal.waitFor('x broken gave up after 5 exits in 60 s; /mcp reconnect broken', { timeoutMs: 19_000 });
    expect(await run(terminal, 'status broken --json')).toContain('CRASH_LOOP');
  }, 30_000);

  it('tells that a server was lost while a command of another one runs, above its spinner', async () => {
    await using home = await homeWith({ fault, victim: fault });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ victim connected');
    await terminal.waitFor('+ fault connected');
    const status = await run(terminal, 'call victim/pid');
    const pid = Number(/\n(\d+)\r?\n/.exec(status)?.[1]);
    terminal.type('call fault/sleep ms:=3000\r');
    await terminal.waitFor('fault/sleep (');
    process.kill(pid, 'SIGKILL');
    await terminal.waitFor(/! victim .*; next try in/);
    await waitForRows(terminal, 'ok', prompt.trimEnd());
    const rows = rowsOf(terminal);
    expect(rows.filter((row) => row.includes('fault/sleep ('))).toEqual([]);
    expect(rows.filter((row) => row.startsWith('! victim'))).toHaveLength(1);
  });

  it('explains to a newcomer without servers what to type, and is no error', async () => {
    await using home = await tempHome();
    // A dumb terminal is not asked the questions of a first start.
    await using terminal = startTerminal([], { home, columns: 200, env: { TERM: 'dumb' } });
    await terminal.waitFor(`No servers yet. Add one to ${join(home.configDir, 'config.json')}`);
    await terminal.waitFor('add files npx -y');
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
    expect(terminal.text).not.toContain('error');
  });

  it('ends with 9 and the place of the mistake when the configuration cannot be read', async () => {
    await using home = await tempHome();
    await home.writeConfig('{ "mcpServers": { "a": }');
    await using terminal = startTerminal([], { home });
    expect((await terminal.exited).code).toBe(9);
    expect(terminal.text).toMatch(/error: .*config\.json.*1:24/s);
  });
});

describe('the history', () => {
  it('is kept over sessions, 0600, without lines that carry a secret or start with a space', async () => {
    await using home = await homeWith({ fault: { ...fault, env: { API_TOKEN: 'planted-canary-value' } } });
    const file = join(home.stateDir, 'history');
    {
      await using terminal = startTerminal([], { home });
      await terminal.waitFor('+ fault connected');
      await run(terminal, 'call fault/echo text=remembered');
      await run(terminal, 'call fault/echo text=planted-canary-value');
      await run(terminal, 'call fault/echo password=hunter2 text=x');
      await run(terminal, ' call fault/echo text=private');
      // Kept for this session, though: Up brings it back.
      const after = terminal.text.length;
      terminal.type(keys.up);
      await terminal.waitFor(' call fault/echo text=private', { after });
      terminal.type(keys.ctrlC);
      await run(terminal, 'call fault/echo text=remembered');
      terminal.type(keys.ctrlD);
      expect((await terminal.exited).code).toBe(0);
    }
    expect(await readFile(file, 'utf8')).toBe('call fault/echo text=remembered\n');
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type(`${keys.up}${keys.enter}`);
    await terminal.waitFor(/\nremembered\r?\n/);
  });

  it('is written line by line, so that a killed session loses nothing; a loose file is made 0600, odd lines are dropped', async () => {
    await using home = await homeWith({ fault });
    const file = join(home.stateDir, 'history');
    await writeFile(file, 'status\n\x1b[2Jevil\nstatus\n', { mode: 0o644 });
    {
      await using terminal = startTerminal([], { home });
      await terminal.waitFor('+ fault connected');
      await run(terminal, 'call fault/echo text=before');
      await waitFor(async () => (await readFile(file, 'utf8')).endsWith('call fault/echo text=before\n'));
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      process.kill(terminal.pid, 'SIGKILL');
      await terminal.exited;
    }
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    await run(terminal, 'tools');
    terminal.type('/exit\r');
    await terminal.exited;
    expect(await readFile(file, 'utf8')).toBe('status\ncall fault/echo text=before\ntools\n/exit\n');
  });

  it('costs one line when its file cannot be written, and nothing else', async () => {
    await using home = await homeWith({ fault });
    await home.write('state/history/in-the-way', '');
    await using terminal = startTerminal([], { home });
    await terminal.waitFor(/error: Cannot read the history[\s\S]*mcpctl> /);
    expect(await run(terminal, 'call fault/echo text=works')).toContain('\nworks');
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
    expect(terminal.text.match(/the history/g)).toHaveLength(1);
  });
});

describe('commands of the session', () => {
  it('clears the screen at /clear, ignores empty lines and comments, and reports a quote that is not closed', async () => {
    await using home = await homeWith({ fault });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type('\r# nothing\r/clear\r');
    await waitFor(() => rowsOf(terminal).filter(Boolean).join() === prompt.trimEnd(), {
      what: () => rowsOf(terminal).join('\n'),
    });
    expect(await run(terminal, "call fault/echo text='open")).toMatch(/error: The quote ' in column 22 is not closed\r?\nhint: /);
    expect(await run(terminal, 'nonsense')).toContain('error: Unknown command "nonsense"');
    expect(await run(terminal, 'status -c other.json')).toContain('error: The configuration cannot be changed');
  });
});

describe('ways out', () => {
  /** Starts the REPL from a shell, which then says how it found its terminal. */
  async function fromShell(
    home: TempHome,
    act: (type: (text: string) => void, text: () => string) => Promise<void>,
  ): Promise<string> {
    const script = '"$@"; echo "code=$?"; stty -a';
    const pty = spawn('sh', ['-c', script, 'sh', process.execPath, cliPath], {
      cols: 100,
      rows: 30,
      cwd: home.projectDir,
      env: { ...home.env },
    });
    let raw = '';
    pty.onData((data) => {
      raw += data;
    });
    const exited = new Promise<void>((resolve) => pty.onExit(() => resolve()));
    try {
      await waitFor(() => stripVTControlCharacters(raw).includes('+ fault connected'), { timeoutMs: 10_000, what: () => raw });
      await act(
        (text) => pty.write(text),
        () => stripVTControlCharacters(raw),
      );
      await exited;
    } finally {
      pty.kill('SIGHUP');
    }
    return raw;
  }

  it.each([
    ['Ctrl-D', 0, async (type: (text: string) => void) => type(keys.ctrlD)],
    ['exit', 0, async (type: (text: string) => void) => type('exit\r')],
    ['/quit', 0, async (type: (text: string) => void) => type('/quit\r')],
    [
      'a second Ctrl-C during a call',
      130,
      async (type: (text: string) => void, text: () => string) => {
        type('call fault/hang\r');
        await waitFor(() => text().includes('fault/hang ('));
        type(keys.ctrlC + keys.ctrlC);
      },
    ],
  ])('gives the terminal back after %s, and exits with %d', async (_, code, act) => {
    await using home = await homeWith({ fault });
    const raw = await fromShell(home, act);
    const after = raw.slice(raw.lastIndexOf('code='));
    expect(after).toMatch(new RegExp(`^code=${code}\\r?\\n`));
    // Canonical input, echo and signals are what a shell expects; a leading minus means off.
    for (const mode of ['icanon', 'echo', 'isig', 'icrnl']) expect(after).toMatch(new RegExp(`(?<![-\\w])${mode}\\b`));
    expect(raw.lastIndexOf('\x1b[?25l')).toBeLessThanOrEqual(raw.lastIndexOf('\x1b[?25h'));
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends at %s with %d, also in the middle of a line', async (signal, code) => {
    await using home = await homeWith({ fault });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type('half a li');
    await terminal.waitFor(/half a li$/);
    process.kill(terminal.pid, signal);
    expect((await terminal.exited).code).toBe(code);
  });

  it('leaves at once although a command is waiting for an answer that never comes, and ends its server', async () => {
    await using home = await homeWith({ fault: { ...fault, env: { FAULT: 'ignore-eof,ignore-term' } } });
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type('call fault/hang\r');
    await terminal.waitFor('fault/hang (');
    terminal.type(keys.ctrlC);
    await terminal.waitFor('error: Cancelled');
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
  });
});
