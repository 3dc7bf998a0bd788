/** Every error code: how a user meets it, its exit code, and what is said in both forms. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ErrorCode, exitCodes } from '../../src/core/errors.js';
import { startHttpServer, type TestServer } from '../support/http-server.js';
import { runCli } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { errorOf, exampleConfig, expectHumanError, faultServer, homeWith, neverOpen } from './kit.js';
import { callArrived, managed } from './managed.js';

/** The exit codes as scripts rely on them; written out, because the table in the source is what is tested. */
const promised: Record<ErrorCode, number> = {
  INTERNAL: 1,
  USAGE: 2,
  UNKNOWN_SERVER: 2,
  UNKNOWN_TOOL: 2,
  AMBIGUOUS_TOOL: 2,
  INVALID_INPUT: 2,
  AUTH_REQUIRED: 3,
  AUTH_FAILED: 3,
  AUTH_DENIED: 3,
  AUTH_UNAVAILABLE: 3,
  CREDENTIAL_STORE: 3,
  UNAVAILABLE: 4,
  SERVER_EXITED: 4,
  CRASH_LOOP: 4,
  SERVER_DISABLED: 4,
  PROTOCOL: 4,
  TOO_LARGE: 4,
  NO_MANAGER: 4,
  TOOL_ERROR: 5,
  REQUEST_REFUSED: 5,
  TIMEOUT: 6,
  CIRCUIT_OPEN: 7,
  OVERLOADED: 7,
  OUTCOME_UNKNOWN: 8,
  CONFIG_INVALID: 9,
  UNTRUSTED: 9,
  CANCELLED: 130,
};

/** Met elsewhere: `INTERNAL` is a bug and cannot be asked for; the others need more than one command. */
const elsewhere: readonly ErrorCode[] = [
  'INTERNAL',
  'AUTH_FAILED',
  'AUTH_DENIED',
  'AUTH_UNAVAILABLE',
  'CREDENTIAL_STORE',
  'CRASH_LOOP',
  'CIRCUIT_OPEN',
  'OVERLOADED',
  'UNTRUSTED',
  'CANCELLED',
];

const cases: readonly (readonly [code: ErrorCode, words: string, server?: string])[] = [
  ['USAGE', 'nonsense'],
  ['USAGE', 'reconnect'],
  ['UNKNOWN_SERVER', 'ping falut'],
  ['UNKNOWN_SERVER', 'call nowhere/tool'],
  ['UNKNOWN_TOOL', 'call fault/ehco text=x', 'fault'],
  ['AMBIGUOUS_TOOL', 'call echo text=x'],
  ['INVALID_INPUT', 'call fault/echo --args {'],
  ['AUTH_REQUIRED', 'ping guarded', 'guarded'],
  ['AUTH_REQUIRED', 'status guarded --check'],
  ['UNAVAILABLE', 'ping missing', 'missing'],
  ['UNAVAILABLE', 'ping refused', 'refused'],
  ['UNAVAILABLE', 'status fault missing --check'],
  ['SERVER_EXITED', 'ping exits', 'exits'],
  ['OUTCOME_UNKNOWN', 'call fault/crash', 'fault'],
  ['SERVER_DISABLED', 'ping off', 'off'],
  ['SERVER_DISABLED', 'reconnect off', 'off'],
  ['PROTOCOL', 'call fault/no-result', 'fault'],
  ['TOO_LARGE', 'call small/big bytes:=200000', 'small'],
  ['NO_MANAGER', 'disable fault --session'],
  ['TOOL_ERROR', 'call fault/tool-error', 'fault'],
  ['REQUEST_REFUSED', 'call fault/protocol-error', 'fault'],
  ['TIMEOUT', 'call fault/hang --timeout 200ms', 'fault'],
  ['TIMEOUT', 'ping silent --timeout 200ms'],
  ['CONFIG_INVALID', '-c missing.json status'],
  ['CONFIG_INVALID', 'ping unset', 'unset'],
];

describe('every error code', () => {
  let home: TempHome;
  let guarded: TestServer;
  beforeAll(async () => {
    guarded = await startHttpServer((_, response) => response.writeHead(401, { 'www-authenticate': 'Bearer' }).end());
    home = await homeWith(
      {
        fault: faultServer(),
        twin: faultServer(),
        small: { ...faultServer(), maxMessageBytes: 100_000, tools: { include: ['big'] } },
        exits: faultServer('exit-at-start=7'),
        silent: { ...faultServer('silent'), timeouts: { connect: '1s', initialize: '1s' } },
        missing: { command: 'no-such-program' },
        refused: { url: 'http://127.0.0.1:9/mcp' },
        guarded: { url: `${guarded.url}/mcp` },
        off: { ...faultServer(), enabled: false },
        unset: { command: 'node', env: { A: '${NOT_SET_ANYWHERE}' } },
      },
      neverOpen,
    );
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await guarded[Symbol.asyncDispose]();
  });

  it('has its promised exit code', () => expect(exitCodes).toEqual(promised));

  it('has a case here', () => {
    const met = [...cases.map(([code]) => code), ...elsewhere];
    expect([...new Set(met)].sort()).toEqual(Object.keys(exitCodes).sort());
  });

  it.each(cases.map(([code, line, server]) => [code, line, server] as const))('%s: mcpctl %s', async (code, line, server) => {
    const words = line.split(' ');
    const plain = await runCli(words, { home });
    expectHumanError(plain.stderr, /^hint: /m);
    expect(plain.code).toBe(promised[code]);
    const machine = await runCli([...words, '--json'], { home });
    const error = errorOf(machine);
    expect(error.code).toBe(code);
    expect(error.server).toBe(server);
    expect(error.hint).not.toBeNull();
    expect(machine.code).toBe(promised[code]);
    // The human form says the same.
    expect(plain.stderr).toContain(`error: ${error.message}`);
  });

  it('INVALID_INPUT names the JSON path, and nothing reaches the real server', async () => {
    const run = (...words: string[]) =>
      runCli(['-c', exampleConfig, 'call', 'everything/get-sum', ...words, '--json'], { home, env: { TMPDIR: home.path } });
    const typed = await run('a=1', 'b=two');
    expect(errorOf(typed)).toMatchObject({ code: 'INVALID_INPUT', details: { path: '/b' } });
    expect(typed.code).toBe(2);
    const missing = await run('a=1');
    expect(errorOf(missing)).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('b') });
    expect(missing.stdout).toBe('');
  });

  it('AMBIGUOUS_TOOL lists the candidates, UNKNOWN_TOOL and UNKNOWN_SERVER what was meant', async () => {
    expect(errorOf(await runCli(['call', 'echo', '--json'], { home })).details).toEqual({
      candidates: ['fault/echo', 'twin/echo'],
    });
    expect(errorOf(await runCli(['tool', 'fault/ehco', '--json'], { home })).hint).toBe('did you mean "echo"?');
    expect(errorOf(await runCli(['ping', 'falut', '--json'], { home })).hint).toBe('did you mean "fault"?');
    expect(errorOf(await runCli(['stauts', '--json'], { home })).hint).toBe('did you mean "status"?');
    // What a shell cannot run is no help in a shell.
    expect(errorOf(await runCli(['help', 'nope', '--json'], { home })).hint).toBe('run mcpctl --help for the commands');
  });

  it('TOOL_ERROR prints the payload on stdout and the error on stderr', async () => {
    const plain = await runCli(['call', 'fault/tool-error'], { home });
    expect(plain.stdout).toBe('it failed\n');
    const machine = await runCli(['call', 'fault/tool-error', '--json'], { home });
    expect(JSON.parse(machine.stdout)).toEqual({ isError: true, content: [{ type: 'text', text: 'it failed' }] });
  });

  it('SERVER_EXITED carries the exit code and the last lines of stderr', async () => {
    const { stderr } = await runCli(['ping', 'exits', '--json'], { home });
    expect(errorOf({ stderr }).details).toMatchObject({
      exitCode: 7,
      signal: null,
      stderr: ['fatal: bad argument --frobnicate'],
    });
  });

  it('CRASH_LOOP comes after 5 exits in one batch, and the program is started no more', async () => {
    await using own = await homeWith({});
    const pids = join(own.path, 'pids');
    await own.writeConfig({ mcpServers: { exits: faultServer(`pid-file=${pids}`, 'exit-at-start') } });
    await writeFile(pids, '');
    const { stderr, code } = await runCli(['--json', '--keep-going'], { home: own, input: 'ping exits\n'.repeat(7) });
    const codes = stderr
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { error: { code: string } }).error.code);
    expect(codes).toHaveLength(7);
    expect(codes[0]).toBe('SERVER_EXITED');
    expect(codes.slice(-2)).toEqual(['CRASH_LOOP', 'CRASH_LOOP']);
    expect(code).toBe(4);
    // An attempt on a server of unknown era is two starts, so the attempt that meets the limit may make a sixth.
    expect((await readFile(pids, 'utf8')).trimEnd().split('\n').length).toBeLessThanOrEqual(6);
  });

  it('OUTCOME_UNKNOWN: the tool ran once, and for somebody who insists until it answers: 2 runs more', async () => {
    await using own = await homeWith({ fault: { ...faultServer(), retry: { preset: 'quick' } } });
    const runs = join(own.path, 'runs');
    const call = ['call', 'fault/run-and-die', `file=${runs}`];
    const executions = async () => (await readFile(runs, 'utf8')).trimEnd().split('\n').length;
    const lost = await runCli([...call, '--json'], { home: own });
    expect(errorOf(lost)).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringContaining('fault/run-and-die may or may not have run'),
      hint: expect.stringContaining('--retry-unsafe'),
      details: { cause: 'SERVER_EXITED', sent: 1 },
    });
    expect([lost.code, await executions()]).toEqual([8, 1]);
    const insisted = await runCli([...call, 'times:=2', '--retry-unsafe', '--verbose'], { home: own });
    expect(insisted).toMatchObject({ code: 0, stdout: 'ran 3 times\n' });
    expect(insisted.stderr).toMatch(/^fault\/run-and-die: SERVER_EXITED, try 2 of 3 in \d+ ms \(call [a-z2-7]{12}\)$/m);
  });

  it('OVERLOADED: a server with 1 place and no queue, asked twice through one manager, exits with 7 and the time to wait', async () => {
    await using it = await managed({ fault: { ...faultServer(), concurrency: { inFlight: 1, queue: 0 } } });
    await it.run('call fault/pid');
    const hanging = it.run('call fault/hang said=here --timeout 20s --json');
    await callArrived(it.home, 'here');
    const second = await it.run('call fault/pid --json');
    expect(errorOf(second)).toMatchObject({ code: 'OVERLOADED', details: { inFlight: 1, retryAfterMs: expect.any(Number) } });
    expect(second.code).toBe(7);
    expect((await it.run('down')).code).toBe(0);
    expect((await hanging).code).not.toBe(0);
  });

  it('OVERLOADED: a call to a server that stopped reading, with 9 MB waiting for it, is refused with exit code 7', async () => {
    await using own = await homeWith({ fault: faultServer() });
    await own.write('project/big.json', { text: 'x'.repeat(9_000_000) });
    const input =
      'call fault/stop-reading\ncall fault/echo --args @big.json --timeout 300ms\ncall fault/echo text=x --timeout 2s\n';
    const { stderr, code } = await runCli(['--keep-going', '--json'], { home: own, input });
    const errors = stderr
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { error: { code: string } }).error.code);
    expect(errors).toEqual(['TIMEOUT', 'OVERLOADED']);
    expect(code).toBe(6); // of the first failure
  });
});
