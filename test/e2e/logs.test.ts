/** Logs of servers as a user meets them: read without a manager, followed in the REPL, bounded and masked under a flood. */
import { spawn as spawnProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from '@lydell/node-pty';
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { cliPath, runCli, startCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { keys, startTerminal } from '../support/terminal.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, errorOf, esc, expectHumanError, faultServer, homeWith } from './kit.js';

const secret = 'S3cr3t-of-the-flood/0123456789';
const flooded = () => homeWith({ fault: { ...faultServer(), env: { API_TOKEN: secret } }, quiet: faultServer() });

interface Logs {
  readonly server: string;
  readonly file: string;
  readonly lines: readonly { readonly at: string; readonly pid: number; readonly kind: string; readonly text: string }[];
}

const filesOf = (home: TempHome, server: string) => {
  const folder = join(home.stateDir, 'logs');
  if (!existsSync(folder)) return [];
  return (
    readdirSync(folder)
      // Not the lock of a moment.
      .filter((name) => name.startsWith(`${server}-`) && /\.log(\.\d)?$/.test(name))
      .map((name) => join(folder, name))
  );
};

describe('mcpctl logs', () => {
  it('shows log messages of the protocol with their level and logger, each on one line, secrets masked, also at a cut', async () => {
    await using home = await flooded();
    const long = `${'x'.repeat(3_990)}${secret}`;
    for (const input of [
      { level: 'warning', logger: 'db', data: `slow query with ${secret}` },
      { level: 'info', data: { rows: 3, by: ['\u001b[31mred', 'two\nlines'] } },
      { level: 'error', data: long },
    ])
      expect((await runCli(['call', 'fault/log', '--args', JSON.stringify(input)], { home })).code).toBe(0);
    const { lines } = documentOf(await runCli(['logs', 'fault', '--json', '--tail', 'all'], { home })) as Logs;
    const texts = lines.flatMap(({ kind, text }) => (kind === 'log' ? [text] : []));
    expect(texts).toEqual([
      '[warning] db: slow query with [redacted]',
      '[info] {"rows":3,"by":["\\u001b[31mred","two\\nlines"]}',
      expect.stringMatching(/^\[error\] x{3990}\[redacted\]$/),
    ]);
    const shown = (await runCli(['logs', 'fault'], { home })).stdout;
    expect(shown).toMatch(/Z {2}\[warning\] db: slow query with \[redacted\]$/m);
    expect(shown + filesOf(home, 'fault').map((file) => readFileSync(file, 'utf8'))).not.toContain(secret.slice(0, 12));
    const { stderr } = await runCli(['call', 'fault/log', 'level=notice', 'data=hello', '-v'], { home });
    expect(stderr).toMatch(/^fault log: \[notice\] hello$/m);
  });

  it('shows what a server said and why it ended, for people and as JSON, from earlier runs and without a process', async () => {
    await using home = await homeWith({ dead: faultServer('exit-at-start'), fault: faultServer() });
    await runCli(['ping', 'dead'], { home });
    const { stdout, stderr, code } = await runCli(['logs', 'dead'], { home });
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    const at = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z {2}';
    expect(stdout).toMatch(new RegExp(`^${at}fatal: bad argument --frobnicate$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${at}\\[mcpctl\\] SERVER_EXITED: Server "dead" exited with code 1`, 'm'));

    const { server, file, lines } = documentOf(await runCli(['logs', 'dead', '--json'], { home })) as Logs;
    expect([server, file, readdirSync(home.stateDir)]).toEqual([
      'dead',
      filesOf(home, 'dead')[0],
      expect.arrayContaining(['logs']),
    ]);
    expect(new Set(lines.map(({ kind }) => kind))).toEqual(new Set(['err', 'mcp']));
    expect(lines.at(-1)).toEqual({
      at: expect.stringMatching(/Z$/),
      pid: expect.any(Number),
      kind: 'mcp',
      text: expect.stringContaining('SERVER_EXITED'),
    });
    // A server that did what it was asked for and said nothing has no log.
    await runCli(['call', 'fault/echo', 'text=hi'], { home });
    expect(filesOf(home, 'fault')).toEqual([]);
    expect(await runCli(['logs', 'fault'], { home })).toMatchObject({ stdout: '', stderr: 'fault has no log yet\n', code: 0 });
    expect(documentOf(await runCli(['logs', 'fault', '--json'], { home }))).toMatchObject({ server: 'fault', lines: [] });
  });

  it('takes --tail as a number, 0 or all, and --since as a duration; both refuse nonsense with 2', async () => {
    await using home = await homeWith({ fault: faultServer() });
    await runCli(['call', 'fault/stderr-flood', 'bytes:=20000'], { home });
    const count = async (...words: string[]) =>
      (documentOf(await runCli(['logs', 'fault', '--json', ...words], { home })) as Logs).lines.length;
    expect(await count()).toBe(50);
    expect(await count('-n', '3')).toBe(3);
    expect(await count('--tail', '0')).toBe(0);
    expect(await count('--tail', 'all')).toBeGreaterThan(200);
    expect(await count('--since', '1h')).toBe(await count('--tail', 'all'));
    expect(await count('--since', '1h', '--tail', '2')).toBe(2);
    expect(await count('--since', '1ms')).toBe(0);
    for (const words of [
      ['--tail', 'many'],
      ['--tail', '-1'],
      ['--tail', '1.5'],
      ['--since', '10'],
      ['--since', 'yesterday'],
    ]) {
      const result = await runCli(['logs', 'fault', ...words], { home });
      expect(result.code).toBe(2);
      expectHumanError(result.stderr, /--tail|--since/);
    }
  });

  it('of an unknown server suggests the nearest with 2; --follow in a single command and in a batch is 4 with mcpctl up', async () => {
    await using home = await homeWith({ fault: faultServer() });
    const unknown = await runCli(['logs', 'fualt', '--json'], { home });
    expect([unknown.code, errorOf(unknown)]).toMatchObject([2, { code: 'UNKNOWN_SERVER', hint: 'did you mean "fault"?' }]);
    expect((await runCli(['logs', 'fualt', '-f'], { home })).code).toBe(2);
    const follow = await runCli(['logs', 'fault', '-f', '--json'], { home });
    expect([follow.code, follow.stdout, errorOf(follow)]).toMatchObject([4, '', { code: 'NO_MANAGER', hint: 'mcpctl up' }]);
    expect(await runCli([], { home, input: 'logs fault --follow\n' })).toMatchObject({ code: 4, stdout: '' });
  });

  it('masks a key of several lines that a server prints line by line', async () => {
    const lines = [
      '-----BEGIN PRIVATE KEY-----',
      'MIIEvQIBADANBgkqhkiG9w0BAQ',
      'EFAASCBKcwggSjAgEAAoIBAQDZ',
      '-----END PRIVATE KEY-----',
    ];
    await using home = await homeWith({ fault: { ...faultServer(), env: { SIGNING_KEY: '${THE_KEY}' } } });
    const env = { THE_KEY: lines.join('\n') };
    const input = JSON.stringify({ stderr: `key:\n${lines.join('\n')}` });
    const { stderr } = await runCli(['call', 'fault/exit', '--args', '-'], { home, env, input });
    const { stdout } = await runCli(['logs', 'fault', '-n', 'all'], { home, env });
    const onDisk = readFileSync(filesOf(home, 'fault')[0]!, 'utf8');
    expect(onDisk).toContain('-----BEGIN PRIVATE KEY-----');
    for (const text of [stderr, stdout, onDisk]) for (const line of lines.slice(1, 3)) expect(text).not.toContain(line);
  });

  it.skipIf(process.platform !== 'linux')(
    'on a full or read-only disk: one warning, the call works, and what fitted can be read',
    needs('unshare'),
    async () => {
      await using home = await flooded();
      const shell = (script: string) =>
        new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
          const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
          const argv = [...asRoot, '--mount', 'sh', '-c', script, process.execPath, cliPath];
          const child = spawnProcess('unshare', argv, { env: home.env, cwd: home.projectDir, stdio: ['ignore', 'pipe', 'pipe'] });
          const output = { stdout: '', stderr: '' };
          child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
          child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
          child.once('error', reject);
          child.once('close', (code) => resolve({ code, ...output }));
        });
      const mount = (options: string) => `mount -t tmpfs -o ${options} none "$MCPCTL_STATE_DIR"`;
      // Containers often forbid mounts; there is nothing to test there.
      if ((await shell(mount('size=1m'))).code !== 0) return;
      const call = '"$0" "$1" call fault/stderr-flood bytes:=3000000';
      for (const options of ['size=256k', 'ro,size=256k']) {
        const { stdout, stderr, code } = await shell(`${mount(options)} && ${call}`);
        expect({ stdout, code }).toEqual({ stdout: 'ok\n', code: 0 });
        expect(stderr.match(/^warning: cannot write to /gm)).toHaveLength(1);
        expect(stderr).not.toContain('internal error');
      }
      const read = await shell(`${mount('size=256k')} && ${call} >/dev/null 2>&1; "$0" "$1" logs fault --json`);
      expect((documentOf(read) as Logs).lines).toHaveLength(50);
    },
  );
});

describe('logs in the REPL', () => {
  it('--follow shows the last lines and then each new one below, until Ctrl-C; stderr is in no notice', async () => {
    await using home = await flooded();
    await using terminal = startTerminal([], { home });
    await terminal.waitFor('+ fault connected');
    terminal.type(`logs fault${keys.enter}`);
    await terminal.waitFor(/Z {2}\[mcpctl\] connected after/);
    let after = terminal.text.length;
    terminal.type(`logs fault -n 1 --follow${keys.enter}`);
    await terminal.waitFor(/Z {2}\[mcpctl\] connected after/, { after });
    const rawBefore = terminal.raw.length;
    // It speaks while it is followed, and dies.
    const pid = Number(/^\d+$/m.exec((await runCli(['status', 'fault', '--no-connect', '--json'], { home })).stdout)?.[0] ?? 0);
    expect(pid).toBe(0);
    const [log] = filesOf(home, 'fault');
    // As another mcpctl would: it is the same log.
    await runCli(['call', 'fault/exit', 'stderr=last words'], { home });
    await terminal.waitFor('last words', { after });
    await terminal.waitFor('SERVER_EXITED', { after });
    expect(terminal.raw.slice(rawBefore)).not.toContain(`${esc}[2J`);
    expect(readFileSync(log!, 'utf8')).toContain('last words');
    after = terminal.text.length;
    terminal.type(keys.ctrlC);
    // The way to leave a view is no error.
    await terminal.waitFor(/\^C\r?\n[^e]*mcpctl> $/, { after });
    after = terminal.text.length;
    terminal.type(`call fault/exit stderr="not a notice"${keys.enter}`);
    await terminal.waitFor(/error: .*exited/, { after });
    terminal.type(`logs fault -n all --json${keys.enter}`);
    await terminal.waitFor(/"text": "not a notice"/, { after });
    expect(terminal.text).not.toMatch(/^[!x~+].*not a notice/m);
  });

  it('--follow --json prints one object a line', async () => {
    await using home = await flooded();
    await using terminal = startTerminal(['--json'], { home });
    await waitFor(() => filesOf(home, 'fault').length > 0);
    terminal.type(`logs fault --follow${keys.enter}`);
    await terminal.waitFor(/\{"at":"[^"]*Z","pid":\d+,"kind":"mcp","text":"connected after [^"]*"\}/);
  });
});

/** Of the process, in bytes; `VmHWM` is the highest it ever was. */
function memoryOf(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

const MB = 1024 ** 2;
const floodBytes = 100_000_000;

/** Not one in any file, at most 20 MiB in all, and the end of the flood is there. */
function expectBoundedAndMasked(home: TempHome): void {
  const files = filesOf(home, 'fault');
  expect(files).toHaveLength(4);
  expect(files.reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThanOrEqual(20 * MB);
  const text = files.map((file) => readFileSync(file, 'latin1')).join('');
  expect(text).not.toContain(secret);
  expect(text).toContain('[redacted]');
  expect(text).toContain('end of the flood');
}

describe('a flood of 100 MB on stderr', { skip: process.platform !== 'linux' }, () => {
  it('is turned over and masked in at most 20 MiB; calls are answered meanwhile; memory grows by less than 100 MB', {
    timeout: 120_000,
  }, async () => {
    await using home = await flooded();
    await using cli = startCli([], { home });
    let answers = 0;
    const call = async (line: string) => {
      cli.write(`${line}\n`);
      answers++;
      await waitFor(() => cli.stdout.split('\n').length > answers, { timeoutMs: 60_000, intervalMs: 1, what: line });
    };
    await call('call fault/echo text=before');
    const before = memoryOf(cli.pid, 'VmHWM');
    await call(`call fault/stderr-flood-beside bytes:=${floodBytes} word=${secret}`);
    let during = 0;
    const isOver = () => {
      try {
        return filesOf(home, 'fault').some((file) => readFileSync(file).includes('end of the flood'));
      } catch {
        // Turned over while we looked.
        return false;
      }
    };
    for (; !isOver(); during++) await call(`call fault/echo text=${during}`);
    expect(during).toBeGreaterThan(5);
    expect(memoryOf(cli.pid, 'VmHWM') - before).toBeLessThan(100 * MB);
    expectBoundedAndMasked(home);
    cli.end();
    const { code, stderr } = await cli.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('can be followed to its end on a terminal, masked; memory grows by less than 100 MB', { timeout: 180_000 }, async () => {
    await using home = await flooded();
    const pty = spawn(process.execPath, [cliPath], {
      cols: 160,
      rows: 30,
      cwd: home.projectDir,
      env: { ...home.env },
      name: 'dumb',
    });
    // Only the last of it is kept: it may be a hundred megabytes.
    let recent = '';
    let leaks = 0;
    let bytes = 0;
    pty.onData((data) => {
      bytes += data.length;
      recent = recent.slice(-10_000) + data;
      if (recent.includes(secret.slice(0, 12))) leaks++;
    });
    const exited = new Promise<void>((resolve) => pty.onExit(() => resolve()));
    try {
      const shown = (text: string, timeoutMs = 10_000) =>
        waitFor(() => recent.includes(text), { timeoutMs, what: () => `${text} in\n${recent.slice(-2000)}` });
      await shown('fault connected');
      // By its name: what is typed is echoed.
      await home.write('project/flood.json', { bytes: floodBytes, word: secret });
      pty.write('call fault/stderr-flood-beside --args @flood.json\r');
      await shown('ok\r\n');
      const before = memoryOf(pty.pid, 'VmHWM');
      pty.write('logs fault --follow -n 5\r');
      await shown('end of the flood', 150_000);
      expect(memoryOf(pty.pid, 'VmHWM') - before).toBeLessThan(100 * MB);
      expect(bytes).toBeGreaterThan(100_000);
      expect(leaks).toBe(0);
      expectBoundedAndMasked(home);
    } finally {
      pty.kill('SIGTERM');
      await exited;
    }
  });
});
