/** The stdio transport against a real server that behaves, crashes, or leaves things behind. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failure, faultServer, request, rig, runs, session, tempDir, timed, until } from '../fixtures/stdio-rig.js';

describe('a server that behaves', () => {
  it('answers 200 calls, 32 in flight, each with its own text', async () => {
    await using server = await session();
    const texts = Array.from({ length: 200 }, (_, i) => `text ${i} ä€😀`);
    const answers: string[] = [];
    let next = 0;
    const worker = async () => {
      for (let i = next++; i < texts.length; i = next++) answers[i] = await server.call('echo', { text: texts[i] });
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    expect(answers).toEqual(texts);
    expect(server.transport.counters).toMatchObject({ junkLines: 0, brokenLines: 0, unknownIds: 0 });
    expect(server.warnings).toEqual([]);
  });

  it('gets exactly the given environment plus its spawn id', async () => {
    await using server = await session();
    const env = JSON.parse(await server.call('env'));
    delete env.FAULT;
    expect(Object.keys(env).sort()).toEqual(['HOME', 'MCPCTL_SPAWN_ID', 'PATH']);
    expect(env.MCPCTL_SPAWN_ID).toMatch(new RegExp(`^${process.pid}\\.\\d+\\.\\d+$`));
  });

  it('is spawned by the first start() in the same tick, and a second start() waits for the first', async () => {
    await using server = await rig();
    const first = server.transport.start();
    expect(server.transport.start()).toBe(first);
    await first;
    const { pid } = server.transport;
    await server.transport.start();
    expect(server.transport.pid).toBe(pid);
    expect(runs(pid as number)).toBe(true);
  });

  it('leaves on close() by itself within 300 ms, and later sends say that nothing was delivered', async () => {
    await using server = await session({ stop: { stdinMs: 2_000, termMs: 2_000 } });
    const { ms } = await timed(server.transport.close());
    expect(ms).toBeLessThan(300);
    expect(server.transport.exitStatus).toEqual({ code: 0, signal: null });
    const error = await failure(server.transport.send(request(1, 'ping')));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', server: 'fault' });
  });

  it('fails a call in flight at once on close(), and two close() calls are one', async () => {
    await using server = await session();
    const call = failure(server.call('hang'));
    await server.call('echo', { text: 'the hanging call is with the server now' });
    const closing = server.transport.close();
    expect(server.transport.close()).toBe(closing);
    const { value, ms } = await timed(call);
    expect(value).toMatchObject({ code: 'UNAVAILABLE', delivered: 'maybe' });
    expect(ms).toBeLessThan(100);
    await closing;
  });

  it.each(['progress', 'progress-burst'])('passes all 300 progress notifications on before the answer (%s)', async (name) => {
    await using server = await session();
    const seen: number[] = [];
    await server.client.callTool(
      { name, arguments: { steps: 300, ms: 0 } },
      { onprogress: ({ progress }) => void seen.push(progress) },
    );
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });
});

describe('a server that ends', () => {
  it('fails a call at once at kill -9, with the signal and the last stderr lines', async () => {
    await using server = await session();
    const pid = Number(await server.call('pid'));
    const call = failure(server.call('hang'));
    await server.call('echo', { text: 'x' });
    process.kill(pid, 'SIGKILL');
    const error = await call;
    expect(server.waits).toEqual([]);
    expect(error).toMatchObject({
      code: 'SERVER_EXITED',
      server: 'fault',
      delivered: 'maybe',
      details: { exitCode: null, signal: 'SIGKILL', stderr: [] },
    });
    expect(error.hint).toContain('it wrote nothing to stderr');
    expect(error.hint).toContain('mcpctl reconnect fault');
  });

  it('reports the last 20 of 30 stderr lines of a crash', async () => {
    await using server = await session();
    const error = await failure(server.call('crash', { lines: 30 }));
    expect(error.message).toBe('Server "fault" was ended by SIGKILL');
    expect(error.details?.stderr).toEqual(Array.from({ length: 20 }, (_, i) => `crash line ${i + 11}`));
    expect(server.transport.stderrTail()).toHaveLength(20);
  });

  it.each([
    [1, `Error: Cannot find module 'left-pad'`, 'left-pad: install it'],
    [1, 'npm error code E404', 'npm does not know this package'],
    [1, 'npm error code ENOTFOUND', 'could not reach its registry'],
    [1, 'ModuleNotFoundError: No module named mcp_server', 'Python misses the module mcp_server'],
    [127, '', 'a command it starts was not found'],
    [126, '', 'not executable'],
  ])('exit %i with stderr "%s" gives advice: %s', async (code, stderr, advice) => {
    await using server = await session();
    const error = await failure(server.call('exit', { code, stderr }));
    expect(error.message).toBe(`Server "fault" exited with code ${code}`);
    expect(error.hint).toContain(advice);
  });

  it('that exits at start is told with its exit code and stderr, within 2 s', async () => {
    const start = performance.now();
    const error = await failure(session({ faults: 'exit-at-start=7' }));
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(error).toMatchObject({
      code: 'SERVER_EXITED',
      details: { exitCode: 7, stderr: ['fatal: bad argument --frobnicate'] },
    });
    expect(error.message).toBe('Server "fault" exited with code 7 before it answered anything');
  });

  it('that is no MCP server at all is recognised by what it printed', async () => {
    const error = await failure(session({ command: 'sh', args: ['-c', 'echo "usage: thing [options]"; exit 2'] }));
    expect(error).toMatchObject({ code: 'SERVER_EXITED', details: { exitCode: 2, stdout: 'usage: thing [options]' } });
    expect(error.hint).toContain('printed text instead of MCP messages');
  });

  it('fails a call after 200 ms of waiting although a grandchild holds the pipes, and ends the grandchild', async () => {
    await using server = await session();
    const pid = Number(await server.call('grandchild'));
    const error = await failure(server.call('exit', { code: 1 }));
    expect(error).toMatchObject({ code: 'SERVER_EXITED', details: { exitCode: 1 } });
    expect(server.waits).toEqual([200]);
    await until('the grandchild, which ignores SIGTERM, is gone', () => !runs(pid), 2_000);
  });

  it('fails a call after 50 ms of waiting although a grandchild holds stderr', async () => {
    await using server = await session();
    const error = await failure(server.call('leave-grandchild-on-stderr-and-exit'));
    expect(error.details).toMatchObject({ exitCode: 1 });
    expect(server.waits).toEqual([50]);
  });

  it('delivers the answer that was written just before the exit', async () => {
    await using server = await session();
    expect(await server.call('answer-and-exit')).toBe('last words');
    await until('the exit is known', () => server.transport.exitStatus !== null);
  });

  it('delivers a last answer without a newline', async () => {
    await using server = await session();
    expect(await server.call('answer-without-newline-and-exit')).toBe('no newline');
  });

  it('fails a call after 100 ms of waiting when only stdout is closed, and ends the process', async () => {
    await using server = await session();
    const { pid } = server.transport;
    const error = await failure(server.call('close-stdout'));
    expect(error).toMatchObject({
      code: 'SERVER_EXITED',
      message: 'Server "fault" closed its connection',
      details: { exitCode: null, signal: null },
    });
    expect(server.waits).toEqual([100]);
    await until('the process is gone', () => !runs(pid as number), 2_000);
  });

  it('fails later calls after 100 ms of waiting when it closed its stdin but lives', async () => {
    await using server = await session();
    await server.call('close-stdin');
    const error = await failure(server.call('echo', { text: 'x' }));
    expect(error.code).toBe('SERVER_EXITED');
    expect(server.waits).toEqual([100]);
  });

  it('calls onclose once, also when close() follows', async () => {
    await using server = await rig();
    let closes = 0;
    server.transport.onclose = () => closes++;
    await server.transport.start();
    process.kill(server.transport.pid as number, 'SIGKILL');
    await until('onclose', () => closes > 0);
    await server.transport.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(closes).toBe(1);
  });

  it('settles every one of 10,000 sends into a server that is being killed, and crashes nothing', async () => {
    for (let round = 0; round < 20; round++) {
      await using server = await rig({ faults: 'deaf' });
      await server.transport.start();
      const sends: Promise<string>[] = [];
      for (let i = 0; i < 500; i++) {
        if (i === 250) process.kill(server.transport.pid as number, 'SIGKILL');
        if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
        sends.push(
          server.transport.send(request(i, 'ping')).then(
            () => 'sent',
            (error) => error.code,
          ),
        );
      }
      const outcomes = new Set(await Promise.all(sends));
      for (const outcome of outcomes) expect(['sent', 'SERVER_EXITED']).toContain(outcome);
      await until('the exit is known', () => server.transport.exitStatus !== null);
      await until('sends are refused', () =>
        server.transport.send(request(1000, 'ping')).then(
          () => false,
          (error) => error.delivered === 'no',
        ),
      );
    }
  });
});

describe('a server that cannot be started', () => {
  it('names the command, and in the details the PATH it was looked for in', async () => {
    await using server = await rig({ command: 'no-such-program-9' });
    const error = await failure(server.transport.start());
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      server: 'fault',
      delivered: 'no',
      details: { reason: 'command-not-found', command: 'no-such-program-9', code: 'ENOENT' },
    });
    expect(error.message).toBe('Command no-such-program-9 was not found in PATH');
    expect(error.details?.path).toEqual(process.env.PATH?.split(':'));
    expect(error.hint).toContain('install no-such-program-9');
    await server.transport.close();
  });

  it('names a missing working directory, which the kernel reports like a missing command', async () => {
    await using server = await rig({ cwd: '/no/such/folder' });
    const error = await failure(server.transport.start());
    expect(error).toMatchObject({
      message: 'Working directory /no/such/folder does not exist',
      details: { reason: 'cwd-not-found' },
    });
  });

  it('names a file that is not executable, with the chmod to type', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'server');
    await writeFile(file, '#!/bin/sh\n', { mode: 0o644 });
    await using server = await rig({ command: file });
    expect(await failure(server.transport.start())).toMatchObject({
      details: { reason: 'not-executable', code: 'EACCES' },
      hint: `chmod +x ${file}`,
    });
  });

  it('names the missing interpreter of a script', async () => {
    await using dir = await tempDir();
    const file = join(dir.path, 'server');
    await writeFile(file, '#!/no/such/python\n');
    await chmod(file, 0o755);
    await using server = await rig({ command: file });
    expect(await failure(server.transport.start())).toMatchObject({
      message: `Command ${file} needs /no/such/python, which was not found`,
      details: { reason: 'interpreter-not-found' },
    });
  });

  it('refuses arguments larger than the system allows', async () => {
    await using server = await rig({ args: [faultServer, 'x'.repeat(3_000_000)] });
    expect(await failure(server.transport.start())).toMatchObject({
      code: 'UNAVAILABLE',
      details: { reason: 'too-large', code: 'E2BIG' },
    });
  });

  it('is not an unhandled rejection when nobody waits for an early start()', async () => {
    const seen: unknown[] = [];
    const listener = (reason: unknown) => seen.push(reason);
    process.on('unhandledRejection', listener);
    await using server = await rig({ command: 'no-such-program-9' });
    void server.transport.start();
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off('unhandledRejection', listener);
    expect(seen).toEqual([]);
    expect(await failure(server.transport.send(request(1, 'ping')))).toMatchObject({ code: 'UNAVAILABLE', delivered: 'no' });
  });
});
