/** mcpctl's own log on a real disk: what is worth a line, its bounds, several writers, hostile text, planted secrets, a disk that takes nothing. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LogLevel } from '../../src/config/log-level.js';
import { systemClock } from '../../src/core/clock.js';
import { Emitter } from '../../src/core/events.js';
import { Redactor } from '../../src/core/redact.js';
import type { ManagerEvent } from '../../src/manager/server-status.js';
import { Logs } from '../../src/observe/logs.js';
import { OwnLog } from '../../src/observe/own-log.js';
import { OwnLogSink } from '../../src/observe/own-log-sink.js';
import { logFiles } from '../../src/state/log-line.js';
import { readTail } from '../../src/state/log-reader.js';
import { ownLines, ownLogPath } from '../../src/state/own-log.js';
import { tellOnce } from '../../src/state/write-failures.js';
import { childScript } from '../support/child-script.js';
import { FakeClock } from '../support/fake-clock.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

type Finished = Extract<ManagerEvent, { type: 'call-finished' }>;
const finished = (outcome: Finished['outcome'], more: Partial<Finished> = {}): Finished => ({
  type: 'call-finished',
  server: 'a',
  tool: 'echo',
  callId: 'aaaaaaaaaaaa',
  durationMs: 12.345,
  attempts: 1,
  isSent: true,
  outcome,
  ...more,
});

type State = Extract<ManagerEvent, { type: 'server-state' }>;
const state = (to: State['to'], more: Partial<State> = {}): State => ({
  type: 'server-state',
  server: 'a',
  from: 'connecting',
  to,
  error: null,
  retryAt: null,
  durationMs: null,
  ...more,
});
const failure = (message: string) => ({ code: 'SERVER_EXITED' as const, message, hint: null, at: '2026-01-01T00:00:00.000Z' });
const warning = (message: string): ManagerEvent => ({ type: 'warning', server: 'a', message });

function opened(home: TempHome, { longLived = true, level = 'info' as LogLevel, secrets = [] as string[] } = {}) {
  const clock = new FakeClock();
  const redactor = new Redactor();
  for (const secret of secrets) redactor.add(secret);
  const failures: unknown[] = [];
  const events = new Emitter<ManagerEvent>();
  const chosen = { level };
  const log = new OwnLog({
    stateDir: home.stateDir,
    redactor,
    clock,
    pid: 42,
    longLived,
    level: () => chosen.level,
    onWriteFailure: (error) => failures.push(error),
  }).listen(events);
  return {
    clock,
    events,
    failures,
    chosen,
    log,
    emit: (...all: ManagerEvent[]) => all.forEach((event) => void events.emit(event)),
  };
}

const linesIn = (home: TempHome) => readTail(ownLogPath(home.stateDir), { format: ownLines, lines: Number.POSITIVE_INFINITY });
const bytesIn = (home: TempHome) =>
  logFiles(ownLogPath(home.stateDir))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('');

describe('a line', () => {
  it('is one JSON object with level, time, pid, msg and fields by name; the file is 0600 in a folder of 0700', async () => {
    await using home = await tempHome();
    const { log, emit } = opened(home);
    emit(finished('TIMEOUT', { attempts: 3 }));
    await log[Symbol.asyncDispose]();
    expect(
      bytesIn(home)
        .split('\n')
        .map((line) => line && JSON.parse(line)),
    ).toEqual([
      {
        level: 'error',
        time: '2026-01-01T00:00:00.000Z',
        pid: 42,
        msg: 'call ended',
        server: 'a',
        tool: 'echo',
        callId: 'aaaaaaaaaaaa',
        outcome: 'failed',
        code: 'TIMEOUT',
        durationMs: 12.3,
        attempts: 3,
      },
      '',
    ]);
    const path = ownLogPath(home.stateDir);
    expect([statSync(path).mode & 0o777, statSync(dirname(path)).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it('is there for states, calls, retries, breakers, logins, changes and warnings; what servers say is not', async () => {
    await using home = await tempHome();
    const { log, emit } = opened(home, { level: 'debug' });
    emit(
      state('connecting', { from: 'disconnected' }),
      state('connected', { durationMs: 5 }),
      state('error', { from: 'connected', error: failure('it is gone'), retryAt: '2026-01-01T00:00:01.000Z' }),
      state('error', { error: failure('it is gone') }),
      state('needs-auth'),
      { type: 'tools-changed', server: 'a', count: 2 },
      { type: 'tools-listed', server: 'a', durationMs: 1, ok: true },
      { type: 'tools-listed', server: 'a', durationMs: 1, ok: false },
      { type: 'server-stderr', server: 'a', line: 'said', isCut: false },
      { type: 'server-log', server: 'a', level: 'error', text: 'said' },
      { type: 'call-started', server: 'a', tool: 'echo', callId: 'aaaaaaaaaaaa' },
      { type: 'call-progress', server: 'a', tool: 'echo', callId: 'aaaaaaaaaaaa', progress: 1, total: 2, message: 'said' },
      {
        type: 'call-retry',
        server: 'a',
        tool: 'echo',
        callId: 'aaaaaaaaaaaa',
        code: 'UNAVAILABLE',
        attempt: 2,
        maxAttempts: 3,
        waitMs: 9,
      },
      finished('ok', { attempts: 2 }),
      finished('tool-error'),
      finished('CANCELLED'),
      { type: 'health-checked', server: 'a', ok: true, latencyMs: 1 },
      { type: 'health-checked', server: 'a', ok: false, latencyMs: null },
      { type: 'breaker-changed', server: 'a', tool: null, from: 'closed', to: 'open', openUntil: null, failures: 5 },
      { type: 'breaker-changed', server: 'a', tool: 'echo', from: 'open', to: 'closed', openUntil: null, failures: 0 },
      { type: 'login-changed', server: 'a', what: 'login', outcome: 'ok' },
      { type: 'login-changed', server: 'a', what: 'login', outcome: 'AUTH_DENIED' },
      warning('look here'),
      { type: 'approval-needed', file: '/p/.mcp.json', servers: ['x', 'y'], changed: [] },
      { type: 'config-changed', added: ['b'], removed: [], changed: ['a'] },
      { type: 'config-problem', message: 'expected a comma', file: '/c.json', line: 3, column: 7 },
    );
    await log[Symbol.asyncDispose]();
    const told = (await linesIn(home)).map(({ level, time: _, pid: __, msg, ...fields }) => [level, msg, fields]);
    expect(told).toEqual([
      ['debug', 'server connecting', { server: 'a', from: 'disconnected' }],
      ['info', 'server connected', { server: 'a', from: 'connecting', durationMs: 5 }],
      [
        'warn',
        'server error',
        { server: 'a', from: 'connected', code: 'SERVER_EXITED', error: 'it is gone', retryAt: '2026-01-01T00:00:01.000Z' },
      ],
      ['error', 'server error', { server: 'a', from: 'connecting', code: 'SERVER_EXITED', error: 'it is gone' }],
      ['warn', 'server needs-auth', { server: 'a', from: 'connecting' }],
      ['info', 'tools changed', { server: 'a', tools: 2 }],
      ['debug', 'tools listed', { server: 'a', durationMs: 1 }],
      ['warn', 'tools could not be listed', { server: 'a', durationMs: 1 }],
      ['debug', 'call started', { server: 'a', tool: 'echo', callId: 'aaaaaaaaaaaa' }],
      [
        'warn',
        'call is tried again',
        { server: 'a', tool: 'echo', callId: 'aaaaaaaaaaaa', code: 'UNAVAILABLE', attempt: 2, maxAttempts: 3, waitMs: 9 },
      ],
      ['info', 'call ended', expect.objectContaining({ outcome: 'ok', attempts: 2 })],
      ['warn', 'call ended', expect.objectContaining({ outcome: 'tool-error' })],
      ['info', 'call ended', expect.objectContaining({ outcome: 'failed', code: 'CANCELLED' })],
      ['debug', 'health check passed', { server: 'a', latencyMs: 1 }],
      ['warn', 'health check failed', { server: 'a' }],
      ['warn', 'circuit open', { server: 'a', from: 'closed', failures: 5 }],
      ['info', 'circuit closed', { server: 'a', tool: 'echo', from: 'open', failures: 0 }],
      ['info', 'logged in', { server: 'a' }],
      ['warn', 'login failed', { server: 'a', code: 'AUTH_DENIED' }],
      ['warn', 'look here', { server: 'a' }],
      ['warn', 'servers wait for an approval', { file: '/p/.mcp.json', servers: ['x', 'y'] }],
      ['info', 'configuration changed', { added: ['b'], removed: [], changed: ['a'] }],
      [
        'error',
        'the configuration cannot be used, the last good one stays',
        { error: 'expected a comma', file: '/c.json', line: 3, column: 7 },
      ],
    ]);
    expect(bytesIn(home)).not.toContain('said');
  });
});

describe('the level', () => {
  it('counts from the next event on when it changes; silent writes nothing', async () => {
    await using home = await tempHome();
    const { log, emit, chosen } = opened(home, { level: 'warn' });
    emit(finished('ok'), warning('first'));
    chosen.level = 'info';
    emit(finished('ok', { tool: 'second' }));
    chosen.level = 'silent';
    emit(warning('never'), finished('INTERNAL'));
    chosen.level = 'error';
    emit(warning('never'), finished('INTERNAL', { tool: 'third' }));
    await log[Symbol.asyncDispose]();
    expect((await linesIn(home)).map(({ msg, tool }) => tool ?? msg)).toEqual(['first', 'second', 'third']);
  });

  it('of a single command leaves failures and warnings, and makes no file when there are none; debug shows everything', async () => {
    await using home = await tempHome();
    const quiet = opened(home, { longLived: false });
    quiet.emit(state('connected'), finished('ok'), state('disconnected'));
    await quiet.log[Symbol.asyncDispose]();
    expect(existsSync(dirname(ownLogPath(home.stateDir)))).toBe(false);
    const failing = opened(home, { longLived: false });
    failing.emit(state('connected'), finished('TIMEOUT'));
    await failing.log[Symbol.asyncDispose]();
    expect((await linesIn(home)).map(({ msg }) => msg)).toEqual(['call ended']);
    const curious = opened(home, { longLived: false, level: 'debug' });
    curious.emit(state('connected'), finished('ok'));
    await curious.log[Symbol.asyncDispose]();
    expect((await linesIn(home)).map(({ msg }) => msg)).toEqual(['call ended', 'server connected', 'call ended']);
  });
});

describe('a flood', () => {
  it('of 10 000 warnings and 10 000 calls in a second leaves 200 of each, and a line with the number of the others', async () => {
    await using home = await tempHome();
    const { log, emit, clock } = opened(home);
    for (let n = 0; n < 10_000; n++) emit(warning(`again ${n}`), finished('ok'));
    await clock.advance(1_000);
    emit(warning('after it'));
    await log[Symbol.asyncDispose]();
    const lines = await linesIn(home);
    expect(lines.filter(({ msg }) => msg.startsWith('again'))).toHaveLength(200);
    expect(lines.filter(({ msg }) => msg === 'call ended')).toHaveLength(200);
    expect(lines.slice(400).map(({ msg }) => msg)).toEqual(['19600 lines were left out: more than 200 a second', 'after it']);
    expect(clock.pending()).toEqual([]);
  });

  it('that nothing follows is told of, too', async () => {
    await using home = await tempHome();
    const { log, emit } = opened(home);
    for (let n = 0; n < 201; n++) emit(warning('again'));
    await log[Symbol.asyncDispose]();
    expect((await linesIn(home)).at(-1)).toMatchObject({ level: 'warn', count: 1 });
  });

  it('of lines is turned over before a file has 20 000 bytes; four files at most, the newest lines in order', async () => {
    await using home = await tempHome();
    const options = { stateDir: home.stateDir, redactor: new Redactor(), clock: systemClock, pid: 1, onWriteFailure: () => {} };
    const sink = new OwnLogSink({ ...options, maxBytes: 20_000 });
    for (let n = 0; n < 2000; n++) {
      sink.write({ at: 0, level: 'warn', news: { type: 'warning', server: null, message: `line ${n}` } });
      if (n % 10 === 0) await sink.flush();
    }
    await sink[Symbol.asyncDispose]();
    const files = logFiles(ownLogPath(home.stateDir));
    for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(20_000);
    const numbers = (await linesIn(home)).map(({ msg }) => Number(msg.split(' ')[1]));
    expect(numbers.length).toBeGreaterThan(300);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => 2000 - numbers.length + i));
  });
});

describe('hostile text', () => {
  it('of 1 MB, with escape sequences, newlines and bidi characters, is one short line that a reader takes', async () => {
    await using home = await tempHome();
    const { log, emit } = opened(home);
    const text = `\x1b]0;owned\x07\x1b[31mred\nforged {"level":"info"}\u202e${'x'.repeat(1024 ** 2)}`;
    emit(state('error', { error: failure(text) }), finished('ok', { tool: text }), warning(text), {
      type: 'approval-needed',
      file: '/f',
      servers: Array.from({ length: 1000 }, () => text),
      changed: [],
    });
    await log[Symbol.asyncDispose]();
    const bytes = bytesIn(home);
    expect(bytes.trimEnd().split('\n')).toHaveLength(4);
    for (const line of bytes.split('\n')) expect(line.length).toBeLessThan(15_000);
    expect(bytes).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]|\\u001b|owned/);
    const [, call, told] = await linesIn(home);
    expect(told?.msg).toMatch(/^red forged \{"level":"info"\}<U\+202E>x+ …$/);
    expect(call?.tool).toBe(told?.msg);
  });
});

describe('planted secrets', () => {
  const secrets = ['cnry"quote\\Zq7+/=x9', 'cnry-plain-Zq7x9aa', '300000', 'cnry-line-one-0123456789\ncnry-line-two-0123456789'];

  it('are in no line: in errors, names, warnings, across a cut, with an escape sequence inside, encoded', async () => {
    await using home = await tempHome();
    const { log, emit } = opened(home, { secrets });
    for (const secret of secrets) {
      const halves = `${secret.slice(0, 4)}\x1b[0m${secret.slice(4)}`;
      const forms = [
        secret,
        halves,
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64url'),
        JSON.stringify(secret),
      ];
      for (const form of forms) {
        emit(
          state('error', { error: failure(`before ${form} after`) }),
          finished('TIMEOUT', { tool: form }),
          warning(`${'x'.repeat(1992)}${form}`),
          { type: 'config-changed', added: [form], removed: [], changed: [] },
        );
        // Where the part ends that is looked at, of a text of which nearly nothing is shown.
        if (form !== halves) emit(warning(`${'\x1b[0m'.repeat(4 * 1024 - 2)}${form}`));
      }
    }
    await log[Symbol.asyncDispose]();
    const bytes = bytesIn(home);
    expect((await linesIn(home)).length).toBe((4 * 5 + 4) * secrets.length);
    expect(bytes).toContain('[redacted]');
    for (const secret of [
      'Zq7',
      'cnry',
      '300000',
      'one-0123',
      'two-0123',
      Buffer.from('cnry-p').toString('base64url').slice(0, 6),
    ])
      expect(bytes).not.toContain(secret);
  });

  it('that are numbers do not make a line unreadable where its fields are that number', async () => {
    await using home = await tempHome();
    const { log, emit } = opened(home, { secrets });
    emit(finished('TIMEOUT', { durationMs: 300_000 }));
    await log[Symbol.asyncDispose]();
    expect(await linesIn(home)).toMatchObject([{ durationMs: 300_000, code: 'TIMEOUT' }]);
  });
});

/** Writes lines as one of several processes. */
const writer = `
  import { systemClock } from './core/clock.js';
  import { Redactor } from './core/redact.js';
  import { OwnLogSink } from './observe/own-log-sink.js';
  const [, , stateDir, lines, maxBytes] = process.argv as string[];
  const sink = new OwnLogSink({
    stateDir: stateDir!, redactor: new Redactor(), clock: systemClock, pid: process.pid, maxBytes: Number(maxBytes),
    onWriteFailure: (error) => { console.error(error); process.exitCode = 1; },
  });
  for (let n = 0; n < Number(lines); n++) {
    sink.write({ at: n, level: 'warn', news: { type: 'warning', server: null, message: n + ' ' + 'x'.repeat(n % 97) } });
    if (n % 7 === 0) await sink.flush();
  }
  await sink[Symbol.asyncDispose]();
`;

describe('two processes', () => {
  it('that write 1000 lines each: none is torn, none is lost, each in its order', { timeout: 60_000 }, async () => {
    await using home = await tempHome();
    const start = await childScript(home, writer);
    const ended = await Promise.all(Array.from({ length: 2 }, () => start(home.stateDir, '1000', '10000000').finished));
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(2).fill({ code: 0, stderr: '' }));
    const lines = await linesIn(home);
    expect(lines).toHaveLength(2000);
    for (const pid of new Set(lines.map((line) => line.pid))) {
      const own = lines.filter((line) => line.pid === pid).map(({ msg }) => Number(msg.split(' ')[0]));
      expect(own).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    }
  });

  it('that turn it over while both write: files stay bounded and every line in them is whole', { timeout: 60_000 }, async () => {
    await using home = await tempHome();
    const start = await childScript(home, writer);
    const ended = await Promise.all(Array.from({ length: 2 }, () => start(home.stateDir, '2000', '40000').finished));
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const bytes = bytesIn(home);
    expect(bytes.length).toBeGreaterThan(80_000);
    for (const line of bytes.trimEnd().split('\n')) expect(ownLines.parse(line), line).toBeDefined();
  });
});

describe('a disk that takes nothing', () => {
  it('is one warning for the logs of servers and the own one together; what came meanwhile is counted when it is back', async () => {
    await using home = await tempHome();
    const clock = new FakeClock();
    const events = new Emitter<ManagerEvent>();
    const warnings: string[] = [];
    const tell = tellOnce(home.stateDir, (message) => {
      warnings.push(message);
      events.emit({ type: 'warning', server: null, message });
    });
    const logs = new Logs({
      stateDir: home.stateDir,
      redactor: new Redactor(),
      clock,
      pid: 42,
      longLived: true,
      version: '1.0.0',
      level: () => 'info',
      onWriteFailure: tell,
    }).listen(events, () => '/a.json');
    const folder = dirname(ownLogPath(home.stateDir));
    mkdirSync(home.stateDir, { recursive: true });
    writeFileSync(folder, 'a file where the folder should be');
    logs.started('manager', [{ severity: 'warning', file: '/c.json', line: 1, column: 2, path: 'x', message: 'unknown key' }]);
    events.emit(state('connected'));
    events.emit({ type: 'server-stderr', server: 'a', line: 'said', isCut: false });
    await waitFor(() => warnings.length > 0);
    expect(warnings).toEqual([expect.stringMatching(/^cannot write to /)]);
    rmSync(folder);
    await clock.advance(6_000);
    events.emit(finished('ok'));
    await logs[Symbol.asyncDispose]();
    expect(warnings).toHaveLength(1);
    const lines = (await linesIn(home)).map(({ msg }) => msg);
    expect(lines[0]).toMatch(/^\d lines are missing here: they could not be written/);
    expect(lines.slice(-2)).toEqual(['call ended', 'mcpctl ended']);
  });
});
