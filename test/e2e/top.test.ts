/** `top` as a person meets it: keys, sizes, a terminal that is left as it was found however it ends; and as a script does. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findProcesses } from '../support/no-leftovers.js';
import { cliPath, runCli, startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { keys, startTerminal, type Terminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { expectHumanError, faultServer, homeWith } from './kit.js';
import { managerIn } from './managed.js';
import { renderScreen } from './screen.js';

const three = { alpha: faultServer(), beta: faultServer(), gamma: { command: 'no-such-program' } };
const [columns, rows] = [100, 24] as const;
const ctrlZ = '\x1a';

/** A shell on a terminal in which mcpctl can be started, stopped and looked at from outside. */
function startShell(home: TempHome, env: Record<string, string> = {}): Terminal {
  const more = { NODE: process.execPath, CLI: cliPath, PS1: '$ ', ...env };
  return startTerminal(['-i'], { home, columns, rows, program: 'sh', env: more });
}

const screenOf = (terminal: Terminal) => renderScreen(terminal.raw, columns, rows);
const shown = (terminal: Terminal) => screenOf(terminal).rows.join('\n');

/** Resolves when the screen shows it, as it is now. */
async function sees(terminal: Terminal, pattern: RegExp): Promise<void> {
  await waitFor(() => pattern.test(shown(terminal)), { timeoutMs: 15_000, what: () => `${pattern} on\n${shown(terminal)}` });
}

async function notes(home: TempHome, name: string): Promise<string> {
  return readFile(join(home.projectDir, name), 'utf8');
}

/** Starts top in a shell and resolves when it is there. */
async function startTop(terminal: Terminal, words = ''): Promise<readonly string[]> {
  await sees(terminal, /^\$$/m);
  terminal.type('stty -a >before\r');
  await sees(terminal, /before\n\$$/);
  const before = screenOf(terminal).rows;
  terminal.type(`"$NODE" "$CLI" top ${words}; echo "exit $?"\r`);
  await sees(terminal, /alpha +connected/);
  expect(screenOf(terminal)).toMatchObject({ isAlternate: true, isCursorVisible: false });
  return before;
}

/** What the shell shows since, once top has left; the terminal must be as it was. */
async function expectLeft(terminal: Terminal, home: TempHome, before: readonly string[], code: number): Promise<string> {
  await sees(terminal, new RegExp(`exit ${code}\\n\\$`));
  const screen = screenOf(terminal);
  expect(screen).toMatchObject({ isAlternate: false, isCursorVisible: true });
  expect(screen.rows.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  terminal.type('stty -a >after; echo done\r');
  await sees(terminal, /^done$/m);
  expect(await notes(home, 'after')).toBe(await notes(home, 'before'));
  const text = screen.rows.slice(before.length - 1).join('\n');
  expect(text).not.toMatch(/CALLS\/S|\x1b|q quit/);
  return text;
}

describe('top on a terminal', () => {
  it('sorts, selects, opens a log and comes back, disables, enables and reconnects, and follows the size of the window', {
    timeout: 60_000,
  }, async () => {
    await using home = await homeWith(three);
    await using terminal = startShell(home);
    const before = await startTop(terminal);
    await sees(terminal, /^✗ gamma +error/m);
    expect(screenOf(terminal).rows[2]).toMatch(/^SERVER▲ +STATE +CALLS\/S .*BREAKER .*LOGIN/);

    terminal.type('ee');
    await sees(terminal, /ERROR▲/);
    terminal.type('n');
    await sees(terminal, /SERVER▲[\s\S]*alpha[\s\S]*beta[\s\S]*gamma/);
    terminal.type(`${keys.down}${keys.down}`);
    await sees(terminal, /^gamma: UNAVAILABLE: .*no-such-program/m);
    terminal.type(keys.enter);
    await sees(terminal, /^log of gamma {2}\(following, times in UTC\)\n.*\[mcpctl\] UNAVAILABLE/);
    terminal.type('q');
    await sees(terminal, /SERVER▲/);

    terminal.type(`${keys.up}d`);
    await sees(terminal, /Disable beta\? .*y\/n/);
    terminal.type('n');
    await sees(terminal, /^beta: /m);
    terminal.type('dy');
    await sees(terminal, /^– beta +disabled/m);
    await sees(terminal, /^beta: disabled until this manager ends/m);
    terminal.type('d');
    await sees(terminal, /^● beta +connected/m);
    terminal.type('r');
    await sees(terminal, /^beta: connected/m);
    terminal.type('?');
    await sees(terminal, /any key comes back/);
    terminal.type(' ');
    await sees(terminal, /SERVER▲/);

    const large = terminal.raw.length;
    terminal.resize(20, 5);
    // Everything is drawn anew for the new size.
    const small = () => renderScreen(`\x1b[?1049h${terminal.raw.slice(large)}`, 20, 5).rows;
    await waitFor(() => small().length === 5 && small().at(-1) === '? help  q quit' && small()[1] === 'SERVER▲      CALLS/S', {
      what: () => small().join('\n'),
    });
    terminal.resize(columns, rows);
    await sees(terminal, /BREAKER/);
    terminal.type('q');
    await expectLeft(terminal, home, before, 0);
    // Nothing of it was written down.
    expect(await readFile(join(home.configDir, 'config.json'), 'utf8')).not.toContain('enabled');
    terminal.type('exit\r');
    await terminal.exited;
  });

  const ends: [string, number, (terminal: Terminal, pid: number) => void][] = [
    ['q', 0, (terminal) => terminal.type('q')],
    ['Esc', 0, (terminal) => terminal.type('\x1b')],
    ['Ctrl-C', 130, (terminal) => terminal.type(keys.ctrlC)],
    ['SIGINT', 130, (_, pid) => process.kill(pid, 'SIGINT')],
    ['SIGTERM', 143, (_, pid) => process.kill(pid, 'SIGTERM')],
    ['SIGHUP', 129, (_, pid) => process.kill(pid, 'SIGHUP')],
  ];
  it.each([false, true])(
    'leaves it as it was found, attached: %s, by each of 6 ways',
    { timeout: 120_000 },
    async (isAttached) => {
      await using home = await homeWith(three);
      await using _manager = isAttached ? await managerIn(home) : undefined;
      await using terminal = startShell(home);
      for (const [what, code, end] of ends) {
        const before = await startTop(terminal);
        const [top] = findProcesses(home.path).filter(({ command }) => /mcpctl(\.js)? top/.test(command));
        end(terminal, top!.pid);
        const text = await expectLeft(terminal, home, before, code);
        expect([what, /error:|\^C/.test(text)]).toEqual([what, false]);
        terminal.type('clear\r');
        await waitFor(() => screenOf(terminal).rows.length <= 1);
      }
    },
  );

  it('stops at Ctrl-Z with the terminal as it was, and at fg is there again, with figures that went on', {
    timeout: 60_000,
  }, async () => {
    await using home = await homeWith(three);
    await using manager = await managerIn(home);
    await using terminal = startShell(home);
    const before = await startTop(terminal);
    terminal.type(ctrlZ);
    await waitFor(() => !screenOf(terminal).isAlternate);
    // The shell speaks again.
    terminal.type('stty -a >stopped; echo stopped here\r');
    await sees(terminal, /^stopped here$/m);
    expect(screenOf(terminal).isCursorVisible).toBe(true);
    expect(await notes(home, 'stopped')).toBe(await notes(home, 'before'));
    expect((await manager.run('call alpha/tool-error')).code).toBe(5);
    expect(shown(terminal)).not.toContain('CALLS/S');
    terminal.type('fg\r');
    await waitFor(() => screenOf(terminal).isAlternate);
    await sees(terminal, /^● alpha +connected +[\d.]+ +\d* *1 /m);
    terminal.type('q');
    await sees(terminal, /^\$ ?$/m);
    expect(screenOf(terminal)).toMatchObject({ isAlternate: false, isCursorVisible: true });
    expect(screenOf(terminal).rows.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  });

  it.each([
    ['is ended by down', 'SIGTERM', /error: The manager has ended\nhint: mcpctl up/],
    ['dies', 'SIGKILL', /error: The manager \(process \d+\) went away\nhint: mcpctl status/],
  ] as const)(
    'says so and exits with 4 when the manager it is attached to %s',
    { timeout: 60_000 },
    async (_, signal, message) => {
      await using home = await homeWith(three);
      await using manager = await managerIn(home);
      await using terminal = startShell(home);
      const before = await startTop(terminal);
      process.kill(manager.up.pid, signal);
      expect(await expectLeft(terminal, home, before, 4)).toMatch(message);
    },
  );

  it('gives the screen back at Ctrl-C at once when the manager it is attached to hangs, in a shell and in a session', {
    timeout: 60_000,
  }, async () => {
    await using home = await homeWith(three);
    await using manager = await managerIn(home);
    for (const words of [['top'], []]) {
      await using terminal = startTerminal(words, { home, columns, rows });
      if (words.length === 0) {
        await sees(terminal, /^3 servers/m);
        terminal.type('top\r');
      }
      await sees(terminal, /alpha +connected/);
      process.kill(manager.up.pid, 'SIGSTOP');
      terminal.type(keys.ctrlC);
      await waitFor(() => !screenOf(terminal).isAlternate, { timeoutMs: 2_000 });
      // As with any command: a second one leaves the session.
      if (words.length === 0) terminal.type(keys.ctrlC);
      expect((await terminal.exited).code).toBe(130);
      process.kill(manager.up.pid, 'SIGCONT');
    }
  });

  it('holds back what -v tells while it has the screen, unless stderr is a file: there it stands at once', {
    timeout: 60_000,
  }, async () => {
    await using home = await homeWith({ alpha: faultServer() });
    await using terminal = startShell(home);
    const empty = await startTop(terminal, '-v');
    terminal.type('q');
    expect(await expectLeft(terminal, home, empty, 0)).toMatch(/^alpha: connected after/m);
    terminal.type('clear\r');
    await waitFor(() => screenOf(terminal).rows.length <= 1);
    const before = await startTop(terminal, '-v 2>told');
    await waitFor(async () => /^alpha: connected after/m.test(await notes(home, 'told')));
    expect(screenOf(terminal).isAlternate).toBe(true);
    terminal.type('q');
    expect(await expectLeft(terminal, home, before, 0)).not.toContain('connected after');
  });

  it('refuses a name that is not configured before it takes the screen', async () => {
    await using home = await homeWith(three);
    await using terminal = startTerminal(['top', 'alhpa'], { home });
    expect((await terminal.exited).code).toBe(2);
    expect(terminal.raw).not.toContain('\x1b[?1049h');
    expectHumanError(terminal.text.replaceAll('\r', ''), /alpha/);
  });
});

describe.each([false, true])('top in a session, attached: %s', (isAttached) => {
  it('gives keys, line and history back; Ctrl-C ends top and not the session; what happened meanwhile is told after it', {
    timeout: 60_000,
  }, async () => {
    await using home = await homeWith({ alpha: faultServer(), beta: faultServer() });
    await using _manager = isAttached ? await managerIn(home) : undefined;
    await using terminal = startTerminal([], { home, columns, rows });
    await sees(terminal, isAttached ? /^2 servers/m : /beta connected/);
    terminal.type('ping alpha\r');
    await sees(terminal, /ping alpha\n.*\nmcpctl>$/);
    const before = screenOf(terminal).rows;
    terminal.type('/mcp top\r');
    await sees(terminal, /^● alpha +connected/m);
    terminal.type(`${keys.down}dy`);
    await sees(terminal, /^– beta +disabled/m);
    terminal.type('d');
    await sees(terminal, /^● beta +connected/m);
    expect(shown(terminal)).not.toContain('mcpctl>');
    terminal.type('q');
    // Told once the screen was back, below what was typed.
    await sees(terminal, /^mcpctl> \/mcp top\n\+ beta connected.*\nmcpctl>$/m);
    expect(screenOf(terminal)).toMatchObject({ isAlternate: false, isCursorVisible: true });
    expect(screenOf(terminal).rows.slice(0, before.length - 1)).toEqual(before.slice(0, -1));

    terminal.type('top\r');
    await sees(terminal, /^● alpha +connected/m);
    terminal.type(keys.ctrlC);
    await sees(terminal, /^mcpctl>$/m);
    // Two lines back, and edited: the keys are those of the line again.
    terminal.type(`${keys.up}${keys.up}${keys.up}`);
    await sees(terminal, /^mcpctl> ping alpha$/m);
    terminal.type('\x7f\x7f\x7f\x7f\x7fbeta\r');
    await sees(terminal, /^beta answered/m);
    terminal.type(keys.ctrlD);
    expect((await terminal.exited).code).toBe(0);
  });
});

describe('top without a screen', () => {
  interface Block {
    readonly at: string;
    readonly manager: { pid: number; uptimeMs: number };
    readonly totals: { calls: number; callsPerSecond: number | null };
    readonly servers: { name: string; status: string; calls: number; callsPerSecond: number | null; latencyMs: unknown }[];
  }

  it('prints a block at once and one each interval, plain, until Ctrl-C', async () => {
    await using home = await homeWith(three);
    await using cli = startCli(['top', 'beta', 'alpha', '--interval', '200ms'], { home });
    await cli.waitForOutput(/(manager \d+[\s\S]*){3}beta +connected/);
    cli.kill('SIGINT');
    const { code, stdout } = await cli.exited;
    expect(code).toBe(130);
    expect(stdout).not.toMatch(/\x1b|gamma|q quit/);
    const [first] = stdout.split('\n\n');
    expect(first).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC {2}manager \d+, up .*\nSERVER.*\n. alpha .*\n. beta [^\n]*$/);
  });

  it('with --json is NDJSON, in which 3 calls of others are counted, and their rate once', async () => {
    await using home = await homeWith({ alpha: faultServer() });
    await using manager = await managerIn(home);
    await using cli = startCli(['top', '--json', '--interval', '250ms'], { home });
    await cli.waitForOutput('"calls":0');
    for (let i = 0; i < 3; i++) expect((await manager.run('call alpha/echo text=hi')).code).toBe(0);
    await cli.waitForOutput('"calls":3');
    await waitFor(() => cli.stdout.endsWith('\n'));
    cli.kill('SIGTERM');
    const { code, stdout, stderr } = await cli.exited;
    expect({ code, stderr }).toEqual({ code: 143, stderr: '' });
    const blocks = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Block);
    expect(blocks[0]!.servers[0]).toMatchObject({ name: 'alpha', callsPerSecond: null, latencyMs: null });
    expect(blocks[0]!.manager.pid).toBe(manager.up.pid);
    const last = blocks.at(-1)!;
    expect(last.servers[0]).toMatchObject({
      calls: 3,
      failed: 0,
      latencyMs: { p50: expect.any(Number), p95: expect.any(Number) },
    });
    // Each call is in exactly one of the rates.
    const counted = blocks.slice(1).map((block, index) => {
      const seconds = (Date.parse(block.at) - Date.parse(blocks[index]!.at)) / 1000;
      return block.servers[0]!.callsPerSecond! * seconds;
    });
    expect(counted.reduce((sum, one) => sum + one)).toBeCloseTo(3, 1);
  });

  it('on a terminal with TERM=dumb writes no escape sequence, and ends at --timeout with 6', async () => {
    await using home = await homeWith({ alpha: faultServer() });
    await using terminal = startTerminal(['top', '--interval', '300ms', '--timeout', '1500ms'], { home, env: { TERM: 'dumb' } });
    expect((await terminal.exited).code).toBe(6);
    expect(terminal.raw).not.toContain('\x1b');
    expect(terminal.text.match(/manager \d+/g)!.length).toBeGreaterThan(1);
    expect(terminal.text).toMatch(/^error: .*1.5 s/m);
  });

  it('as a line of a script keeps the servers of the script, and its reader may leave', async () => {
    await using home = await homeWith({ alpha: faultServer() });
    const { code, stdout } = await runCli([], { home, input: 'ping alpha\ntop --timeout 500ms --json\n' });
    expect(code).toBe(6);
    expect(JSON.parse(stdout.split('\n')[1]!)).toMatchObject({ servers: [{ name: 'alpha', status: 'connected' }] });
  });
});
