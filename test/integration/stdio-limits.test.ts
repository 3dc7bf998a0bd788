/** Sizes and floods: big answers arrive, too big ones fail alone, and memory stays bounded. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { failure, faultServer, fixture, request, rig, session, tempDir, timed } from '../fixtures/stdio-rig.js';

const mib = 1024 * 1024;

describe('big answers', () => {
  it('10 MB arrive whole', async () => {
    await using server = await session();
    expect(await server.call('big', { bytes: 10_000_000 })).toHaveLength(10_000_000);
  });

  it.each([false, true])('17 MiB over the limit of 16 MiB fail their call only (id last: %s)', async (idLast) => {
    await using server = await session();
    const beside = server.call('sleep', { ms: 300 });
    const error = await failure(server.call('big', { bytes: 17 * mib, idLast }));
    expect(error).toMatchObject({ code: 'TOO_LARGE', server: 'fault', delivered: 'maybe', details: { limitBytes: 16 * mib } });
    expect(error.hint).toContain('maxMessageBytes');
    expect(await beside).toBe('ok');
    expect(await server.call('echo', { text: 'next' })).toBe('next');
    expect(server.transport.counters.oversizeLines).toBe(1);
  });

  it('a line that does not end fails its call when the limit is passed, while the line still goes on', async () => {
    await using server = await session({ maxMessageBytes: 1 * mib });
    const { value } = await timed(failure(server.call('endless', { bytes: 2 * mib })));
    expect(value.code).toBe('TOO_LARGE');
    expect(value.details).not.toHaveProperty('bytes'); // the end, and so the size, is not known yet
    expect(server.transport.pid).not.toBeNull();
  });

  it('an answer of exactly the limit is accepted, one byte more is not', async () => {
    const head = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"'.length + '"}]}}'.length;
    await using server = await session({ maxMessageBytes: 100_000 });
    expect(await server.call('big', { bytes: 100_000 - head })).toHaveLength(100_000 - head);
    expect((await failure(server.call('big', { bytes: 100_001 - head }))).code).toBe('TOO_LARGE');
  });
});

describe('memory, measured in a process of its own', () => {
  it('a line of 300 MB costs less than 100 MB, and the next call is answered', async () => {
    const report = await measure('endless', { bytes: 300_000_000, newline: true });
    expect(report.outcome).toBe('TOO_LARGE');
    expect(report.grownMiB).toBeLessThan(100);
  });

  it('100 MB on stderr cost less than 50 MB, block nobody, and leave the last lines', async () => {
    const report = await measure('stderr-flood', { bytes: 100_000_000 });
    expect(report).toMatchObject({ outcome: 'ok', lastStderrLine: 'end of the flood' });
    expect(report.grownMiB).toBeLessThan(50);
  });

  it('50 MB on stderr without a newline cost less than 50 MB', async () => {
    const report = await measure('stderr-flood', { bytes: 50_000_000, lines: false });
    expect(report).toMatchObject({ outcome: 'ok', lastStderrLine: 'end of the flood' });
    expect(report.grownMiB).toBeLessThan(50);
  });

  /** Bundles a small client, lets it make one call, and reads what it reports. */
  async function measure(tool: string, args: object): Promise<{ outcome: string; grownMiB: number; lastStderrLine: string }> {
    await using dir = await tempDir();
    const outfile = join(dir.path, 'client.mjs');
    await build({
      entryPoints: [fixture('../stdio-memory.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'error',
    });
    const output = join(dir.path, 'report.json');
    await promisify(execFile)(process.execPath, [outfile, faultServer, tool, JSON.stringify(args), output], { cwd: dir.path });
    return JSON.parse(await readFile(output, 'utf8'));
  }
});

describe('a server that does not read', () => {
  it('8 MiB wait for it, then OVERLOADED; close() settles what waited as not delivered', async () => {
    await using server = await rig({ faults: 'deaf', stop: { stdinMs: 0, termMs: 500 } });
    await server.transport.start();
    const text = 'x'.repeat(512 * 1024);
    const outcomes: { code: string; delivered: string | undefined }[] = [];
    const sends: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      sends.push(
        server.transport.send(request(i, 'tools/call', { text })).then(
          () => outcomes.push({ code: 'sent', delivered: undefined }),
          ({ code, delivered }) => outcomes.push({ code, delivered }),
        ),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(outcomes.length).toBeGreaterThanOrEqual(4);
    for (const outcome of outcomes) expect(outcome).toEqual({ code: 'OVERLOADED', delivered: 'no' });
    const { ms } = await timed(server.transport.close());
    await Promise.all(sends);
    expect(ms).toBeLessThan(1_000);
    const closed = outcomes.filter(({ code }) => code === 'UNAVAILABLE').map(({ delivered }) => delivered);
    expect(closed.filter((delivered) => delivered === 'maybe')).toHaveLength(1); // the one that the pipe took a part of
    expect(closed.filter((delivered) => delivered === 'no').length).toBeGreaterThan(10);
  });

  it('one message of 12 MB goes through when nothing else waits', async () => {
    await using server = await session();
    expect(await server.call('echo', { text: 'y'.repeat(12_000_000) })).toHaveLength(12_000_000);
  });

  it('a call to it ends with the deadline of the caller', async () => {
    await using server = await session({ stop: { stdinMs: 0, termMs: 500 } });
    await server.call('stop-reading');
    const { ms } = await timed(server.call('echo', { text: 'z'.repeat(1_000_000) }, 300).catch(() => {}));
    expect(ms).toBeLessThan(600);
  });
});
