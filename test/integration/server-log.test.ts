/** Logs on a real disk: their form and bounds, writers that are killed or many, floods, secrets across cuts. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { Emitter } from '../../src/core/events.js';
import { Redactor } from '../../src/core/redact.js';
import type { ManagerEvent } from '../../src/manager/server-status.js';
import { StderrRing } from '../../src/mcp/stderr-ring.js';
import { ServerLogs } from '../../src/observe/server-logs.js';
import { logFiles, logPath, parseLine, serverLines } from '../../src/state/log-line.js';
import { readTail } from '../../src/state/log-reader.js';
import { ServerLog } from '../../src/state/server-log.js';
import { tellOnce } from '../../src/state/write-failures.js';
import { childScript } from '../support/child-script.js';
import { FakeClock } from '../support/fake-clock.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const secret = 'S3cr3t/value+0123456789';

function logIn(home: TempHome, more: Partial<ConstructorParameters<typeof ServerLog>[0]> = {}) {
  const path = join(home.stateDir, 'logs', 'a-0123456789abcdef.log');
  const redactor = new Redactor();
  redactor.add(secret);
  const failures: unknown[] = [];
  const log = new ServerLog({
    path,
    redactor,
    clock: systemClock,
    pid: 42,
    onFailure: (error) => failures.push(error),
    ...more,
  });
  return { path, log, failures, err: (text: string, isCut = false) => log.append({ at: 0, kind: 'err', text, isCut }) };
}

const all = Number.POSITIVE_INFINITY;
const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);
const sizesOf = (path: string) => logFiles(path).map((file) => (existsSync(file) ? statSync(file).size : 0));
const textsOf = async (path: string) => (await readTail(path, { format: serverLines, lines: all })).map(({ text }) => text);

/** The numbers of lines that were dropped, from what the log says about them. */
function missingIn(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Number(/^(\d+) lines? (?:is|are) missing here/.exec(text)?.[1] ?? 0), 0);
}

describe('a log', () => {
  it('has whole lines of time, pid, kind and text, sanitised and redacted, for its owner only', async () => {
    await using home = await tempHome();
    const { path, log, err } = logIn(home);
    err('hello \x1b[31mworld\x1b[0m');
    err(`key ${secret} and S3cr3t/\x1b[1mvalue+0123456789`);
    log.append({ at: 1, kind: 'mcp', text: 'connected' });
    await log[Symbol.asyncDispose]();
    expect(linesOf(path)).toEqual([
      '1970-01-01T00:00:00.000Z 42 err hello world',
      '1970-01-01T00:00:00.000Z 42 err key [redacted] and [redacted]',
      '1970-01-01T00:00:00.001Z 42 mcp connected',
    ]);
    expect([statSync(path).mode & 0o777, statSync(dirname(path)).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it('keeps a stderr line whole when a log message comes in its middle, and a secret across the two halves masked', async () => {
    await using home = await tempHome();
    const { path, log, err } = logIn(home);
    err(`key ${secret.slice(0, 9)}`, true);
    log.append({ at: 0, kind: 'log', text: '[info] hello' });
    err(`${secret.slice(9)} end`);
    await log[Symbol.asyncDispose]();
    expect((await readTail(path, { format: serverLines, lines: all })).map(({ kind, text }) => [kind, text])).toEqual([
      ['log', '[info] hello'],
      ['err', 'key [redacted] end'],
    ]);
  });

  it('opens nothing for lines that are no reason to write, and writes them with the first that is', async () => {
    await using home = await tempHome();
    const { path, log, err } = logIn(home);
    log.append({ at: 0, kind: 'mcp', text: 'connected' }, { later: true });
    await log.flush();
    expect(readdirSync(home.stateDir)).toEqual([]);
    err('now');
    log.append({ at: 0, kind: 'mcp', text: 'closed' }, { later: true });
    await log[Symbol.asyncDispose]();
    expect(await textsOf(path)).toEqual(['connected', 'now', 'closed']);
  });

  it('is turned over before 10 000 bytes: four files at most, and the newest lines in their order', async () => {
    await using home = await tempHome();
    const { path, log, err } = logIn(home, { maxBytes: 10_000 });
    for (let n = 0; n < 1000; n++) {
      err(`line ${n} ${'x'.repeat(60)}`);
      if (n % 10 === 0) await log.flush();
    }
    await log[Symbol.asyncDispose]();
    for (const size of sizesOf(path)) {
      expect(size).toBeGreaterThan(0);
      expect(size).toBeLessThanOrEqual(10_000);
    }
    const numbers = (await textsOf(path)).map((text) => Number(text.split(' ')[1]));
    expect(numbers.length).toBeGreaterThan(250);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => 1000 - numbers.length + i));
    expect(readdirSync(dirname(path)).sort()).toEqual(logFiles('a-0123456789abcdef.log'));
  });

  it('finds a file that was removed, and one that another process turned over', async () => {
    await using home = await tempHome();
    const clock = new FakeClock();
    const { path, log, err } = logIn(home, { clock });
    err('one');
    await log.flush();
    rmSync(path);
    await clock.advance(2_000);
    err('two');
    await log.flush();
    expect(await textsOf(path)).toEqual(['two']);
    await log[Symbol.asyncDispose]();
  });

  it('drops the oldest of 200 000 lines that come at once, keeps the last, and accounts for every one', async () => {
    await using home = await tempHome();
    const { path, log, err } = logIn(home);
    const total = 200_000;
    for (let n = 0; n < total; n++) err(`line ${n}`);
    await log[Symbol.asyncDispose]();
    const texts = await textsOf(path);
    expect(texts.at(-1)).toBe(`line ${total - 1}`);
    expect(missingIn(texts)).toBeGreaterThan(0);
    expect(texts.filter((text) => text.startsWith('line ')).length + missingIn(texts)).toBe(total);
  });

  it('shows no half of a secret, however a line of up to 40 000 characters with it is chunked and cut', async () => {
    await using home = await tempHome();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 13_000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 30_000 }),
        async (gaps, size) => {
          const { path, log, err } = logIn(home);
          rmSync(path, { force: true });
          const line = gaps.map((gap) => `${'.'.repeat(gap)}${secret}`).join('');
          const ring = new StderrRing({ maxLines: 20, maxBytes: 65_536, onLine: err });
          const bytes = Buffer.from(`${line}\nafter\n`);
          for (let at = 0; at < bytes.length; at += size) ring.push(bytes.subarray(at, at + size));
          await log[Symbol.asyncDispose]();
          const texts = await textsOf(path);
          expect(texts.at(-1)).toBe('after');
          const pieces = texts.slice(0, -1);
          expect(Math.max(...pieces.map((text) => text.length))).toBeLessThanOrEqual(8 * 1024 + secret.length + 2);
          for (const piece of pieces.slice(0, -1)) expect(piece.endsWith(' …')).toBe(true);
          const whole = pieces.map((text, i) => (i < pieces.length - 1 ? text.slice(0, -2) : text)).join('');
          expect(whole).toBe(line.replaceAll(secret, '[redacted]'));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('ends a line that will not go on, before the next news of the server and at its own end', async () => {
    await using home = await tempHome();
    const { path, log, err } = logIn(home);
    err('a'.repeat(8_192), true);
    log.append({ at: 0, kind: 'mcp', text: 'closed' });
    err('b'.repeat(8_192), true);
    await log[Symbol.asyncDispose]();
    const texts = await textsOf(path);
    expect(texts.map((text) => [text[0], text.length])).toEqual([
      ['a', 4098],
      ['a', 4096],
      ['c', 6],
      ['b', 4098],
      ['b', 4096],
    ]);
  });

  it('that cannot be written tells it, tries again after 5 s, and says how many lines are missing', async () => {
    await using home = await tempHome();
    const clock = new FakeClock();
    const { path, log, err, failures } = logIn(home, { clock });
    writeFileSync(dirname(path), 'a file where the folder should be');
    err('lost');
    await log.flush();
    expect(failures).toHaveLength(1);
    err('not tried');
    await log.flush();
    expect(failures).toHaveLength(1);
    rmSync(dirname(path));
    await clock.advance(5_000);
    err('back');
    await log[Symbol.asyncDispose]();
    expect(failures).toHaveLength(1);
    const texts = await textsOf(path);
    expect(texts.at(-1)).toBe('back');
    expect(texts.slice(0, -1)).toEqual([
      expect.stringMatching(/^1 line is missing here: .*could not be written \(E/),
      'not tried',
    ]);
  });

  it('does not hang at a pipe in its place', { skip: process.platform === 'win32' }, async () => {
    await using home = await tempHome();
    const { path, log, err, failures } = logIn(home);
    mkdirSync(dirname(path));
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    err('lost');
    await log[Symbol.asyncDispose]();
    expect(failures).toHaveLength(1);
  });
});

/** Writes lines as one of several processes; with `exit` it ends in the middle of its turn, as at an uncaught error. */
const writer = `
  import { systemClock } from './core/clock.js';
  import { Redactor } from './core/redact.js';
  import { ServerLog } from './state/server-log.js';
  const [, , path, lines, maxBytes, end] = process.argv as string[];
  const log = new ServerLog({
    path: path!, redactor: new Redactor(), clock: systemClock, pid: process.pid, maxBytes: Number(maxBytes),
    onFailure: (error) => { console.error(error); process.exitCode = 1; },
  });
  process.on('exit', () => log.flushNow());
  console.log(process.pid);
  for (let n = 0; n < Number(lines); n++) {
    log.append({ at: n, kind: 'err', text: process.pid + ' ' + n + ' ' + 'x'.repeat(n % 97) });
    if (end !== 'exit' && n % 7 === 0) await log.flush();
  }
  if (end === 'exit') process.exit(0);
  await log[Symbol.asyncDispose]();
`;

describe('several processes', () => {
  it('ten that write 1000 lines each: none is torn, none is lost, each in its order', { timeout: 60_000 }, async () => {
    await using home = await tempHome();
    const start = await childScript(home, writer);
    const path = join(home.stateDir, 'logs', 'a.log');
    const runs = await Promise.all(Array.from({ length: 10 }, () => start(path, '1000', '5000000', 'dispose').finished));
    expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(Array(10).fill([0, '']));
    const parsed = linesOf(path).map(parseLine);
    expect(parsed.every((line) => line !== undefined)).toBe(true);
    for (const { stdout } of runs) {
      const pid = Number(stdout);
      const numbers = parsed.filter((line) => line?.pid === pid).map((line) => Number(line?.text.split(' ')[1]));
      expect(numbers).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    }
  });

  it('that turn the log over together lose nothing but what the bound takes', { timeout: 60_000 }, async () => {
    await using home = await tempHome();
    const start = await childScript(home, writer);
    const path = join(home.stateDir, 'logs', 'a.log');
    const runs = await Promise.all(Array.from({ length: 6 }, () => start(path, '1500', '100000', 'dispose').finished));
    expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(Array(6).fill([0, '']));
    // Had one pushed a new file over one that was just put aside, there would be a small one among them.
    const [, ...old] = sizesOf(path);
    for (const size of old) expect(size).toBeGreaterThan(80_000);
    const texts = logFiles(path).flatMap(linesOf).map(parseLine);
    expect(texts.every((line) => line !== undefined)).toBe(true);
    const seen = texts.map((line) => line!.text);
    expect(new Set(seen).size).toBe(seen.length);
    expect(readdirSync(dirname(path)).sort()).toEqual(logFiles('a.log'));
  });

  it('one that exits at once has written every line it took', async () => {
    await using home = await tempHome();
    const start = await childScript(home, writer);
    const path = join(home.stateDir, 'logs', 'a.log');
    expect((await start(path, '3000', '5000000', 'exit').finished).code).toBe(0);
    expect((await textsOf(path)).map((text) => Number(text.split(' ')[1]))).toEqual(Array.from({ length: 3000 }, (_, n) => n));
  });
});

describe('ServerLogs', () => {
  const state = (server: string, more: Partial<Extract<ManagerEvent, { type: 'server-state' }>>): ManagerEvent => ({
    type: 'server-state',
    server,
    from: 'connecting',
    to: 'connected',
    error: null,
    retryAt: null,
    durationMs: null,
    ...more,
  });
  const failed = { code: 'SERVER_EXITED', message: `Server "a" exited\nwith ${secret}`, hint: null, at: '' } as const;

  function listening(home: TempHome, longLived: boolean) {
    const events = new Emitter<ManagerEvent>();
    const redactor = new Redactor();
    redactor.add(secret);
    const warnings: string[] = [];
    const options = { stateDir: home.stateDir, redactor, clock: systemClock, pid: 7, longLived };
    const logs = new ServerLogs({ ...options, onWriteFailure: tellOnce(home.stateDir, (message) => warnings.push(message)) });
    const files = new Map([
      ['a', '/a.json'],
      ['b', '/b.json'],
    ]);
    logs.listen(events, (server) => files.get(server));
    const textOf = (server: string) => textsOf(logPath(home.stateDir, server, files.get(server)!));
    return { events, logs, warnings, files, textOf };
  }

  it('writes the life of each server into its own log, with what it says on stderr', async () => {
    await using home = await tempHome();
    const { events, logs, files, textOf } = listening(home, true);
    for (const event of [
      state('a', { from: 'disconnected', to: 'connecting' }),
      state('a', { durationMs: 1200 }),
      { type: 'server-stderr', server: 'a', line: `token=${secret}`, isCut: false },
      { type: 'server-stderr', server: 'b', line: 'other', isCut: false },
      { type: 'warning', server: 'a', message: 'prints logs to stdout' },
      { type: 'warning', server: null, message: 'about no server' },
      state('a', { from: 'connected', to: 'error', error: failed, retryAt: '2026-01-01T00:00:00.000Z' }),
      state('a', { from: 'error', to: 'disconnected' }),
      state('a', { to: 'needs-auth', error: { ...failed, message: '401' } }),
      state('a', { from: 'connected', to: 'disconnected' }),
      state('a', { from: 'disconnected', to: 'disabled' }),
      state('unknown', {}),
    ] as ManagerEvent[])
      events.emit(event);
    await logs[Symbol.asyncDispose]();
    events.emit(state('a', {}));
    expect(await textOf('a')).toEqual([
      'connected after 1.2 s',
      'token=[redacted]',
      'warning: prints logs to stdout',
      'SERVER_EXITED: Server "a" exited with [redacted]; next try at 2026-01-01T00:00:00.000Z',
      'needs a login: 401',
      'closed',
      'disabled',
    ]);
    expect(await textOf('b')).toEqual(['other']);
    expect(files.size).toBe(2);
  });

  it('writes nothing about one command that went well in silence, and all of one that did not', async () => {
    await using home = await tempHome();
    const { events, logs, textOf } = listening(home, false);
    events.emit(state('a', {}));
    events.emit(state('b', {}));
    events.emit(state('b', { from: 'connected', to: 'error', error: failed }));
    events.emit(state('a', { from: 'connected', to: 'disconnected' }));
    await logs[Symbol.asyncDispose]();
    expect(await textOf('a')).toEqual([]);
    expect(await textOf('b')).toEqual(['connected', 'SERVER_EXITED: Server "b" exited with [redacted]'.replace('"b"', '"a"')]);
  });

  it('goes on in another log when another file defines the server, and keeps that of one that was taken out', async () => {
    await using home = await tempHome();
    const { events, logs, files, textOf } = listening(home, true);
    events.emit({ type: 'server-stderr', server: 'a', line: 'first', isCut: false });
    const before = logPath(home.stateDir, 'a', '/a.json');
    files.set('a', '/other.json');
    events.emit({ type: 'server-stderr', server: 'a', line: 'second', isCut: false });
    files.delete('a');
    events.emit(state('a', { from: 'connected', to: 'disconnected' }));
    await logs[Symbol.asyncDispose]();
    files.set('a', '/other.json');
    expect([await textsOf(before), await textOf('a')]).toEqual([['first'], ['second', 'closed']]);
  });

  it('warns once for all servers', async () => {
    await using home = await tempHome();
    writeFileSync(join(home.stateDir, 'logs'), '');
    const { events, logs, warnings } = listening(home, true);
    for (const server of ['a', 'b']) events.emit(state(server, {}));
    await logs[Symbol.asyncDispose]();
    expect(warnings).toEqual([
      expect.stringMatching(/^cannot write to .*; going on without logs, figures or memory between runs$/),
    ]);
  });
});
