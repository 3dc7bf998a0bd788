/** Reading logs from their end, and following them from file to file. */
import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { Redactor } from '../../src/core/redact.js';
import { followLog } from '../../src/state/log-follower.js';
import { type LogLine, linePrefix, logFiles, serverLines } from '../../src/state/log-line.js';
import { openLogFiles, readTail, readTailOf } from '../../src/state/log-reader.js';
import { ServerLog } from '../../src/state/server-log.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

const start = Date.UTC(2026, 0, 1);
const timeOf = (n: number) => new Date(start + n * 1000).toISOString();
const lineOf = (n: number, text = `line ${n}`) => `${linePrefix(timeOf(n), 1, 'err')}${text}\n`;
const all = Number.POSITIVE_INFINITY;

/** A log in a folder of its own. */
async function emptyLog() {
  const home = await tempHome();
  const path = join(home.stateDir, 'logs', 'a.log');
  mkdirSync(dirname(path));
  return { path, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() };
}

describe('readTail', () => {
  it('is the same as reading everything, for 300 logs of random lines in one to four files', async () => {
    await using log = await emptyLog();
    const anyFile = fc.array(fc.string({ unit: 'grapheme', maxLength: 2000 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyFile, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 120 }),
        fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
        async (files, lines, since) => {
          for (const file of logFiles(log.path)) rmSync(file, { force: true });
          let n = 0;
          const expected: string[] = [];
          for (const [i, texts] of files.entries()) {
            const written = texts.map((text) => {
              const clean = text.replaceAll('\n', '_');
              if (since === undefined || n >= since) expected.push(clean);
              return lineOf(n++, clean);
            });
            // The first one is the oldest.
            writeFileSync(logFiles(log.path)[files.length - 1 - i]!, written.join(''));
          }
          const sinceMs = since === undefined ? undefined : start + since * 1000;
          const read = await readTail(log.path, { format: serverLines, lines, sinceMs });
          expect(read.map(({ text }) => text)).toEqual(expected.slice(Math.max(0, expected.length - lines)));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('reads 16 KiB of a log of 20 MB for its last 10 lines', async () => {
    await using log = await emptyLog();
    const block = Array.from({ length: 50_000 }, (_, n) => lineOf(n, 'x'.repeat(60))).join('');
    for (const file of logFiles(log.path)) writeFileSync(file, block);
    let bytes = 0;
    const files = (await openLogFiles(log.path)).map((file) => ({
      ...file,
      handle: new Proxy(file.handle, {
        get: (handle, key) => (key === 'read' ? countedRead(handle) : Reflect.get(handle, key, handle)),
      }),
    }));
    const countedRead =
      (handle: (typeof files)[0]['handle']) => (buffer: Buffer, at: number, length: number, position: number) => {
        bytes += length;
        return handle.read(buffer, at, length, position);
      };
    expect(await readTailOf(files, { format: serverLines, lines: 10 })).toHaveLength(10);
    expect(bytes).toBe(16 * 1024);
    for (const file of files) await file[Symbol.asyncDispose]();
  });

  it('is empty without a log, without a folder, and for 0 lines', async () => {
    await using log = await emptyLog();
    expect(await readTail(log.path, { format: serverLines, lines: 10 })).toEqual([]);
    expect(await readTail(join(log.path, 'x', 'y.log').replace('a.log', 'b'), { format: serverLines, lines: 10 })).toEqual([]);
    writeFileSync(log.path, lineOf(1));
    expect(await readTail(log.path, { format: serverLines, lines: 0 })).toEqual([]);
  });

  it('leaves out what is no line: torn pieces, empty lines, 1 MB without a newline, a line that is not finished', async () => {
    await using log = await emptyLog();
    const junk = `half of a li\n\n${'j'.repeat(1_000_000)}\n`;
    writeFileSync(log.path, `${lineOf(1)}${junk}${lineOf(2)}2026-01-01T00:0`);
    expect((await readTail(log.path, { format: serverLines, lines: 10 })).map(({ text }) => text)).toEqual(['line 1', 'line 2']);
  });

  it('of a folder or a pipe in its place fails and does not hang', async () => {
    await using log = await emptyLog();
    mkdirSync(log.path);
    await expect(readTail(log.path, { format: serverLines, lines: 10 })).rejects.toThrow(/EISDIR|not a regular file/);
  });
});

describe('followLog', () => {
  /** Follows a log; `seen` grows. */
  function following(path: string, lines = 0) {
    const end = new AbortController();
    const seen: LogLine[] = [];
    const done = (async () => {
      const options = { format: serverLines, lines, clock: systemClock, signal: end.signal };
      for await (const line of followLog(path, options)) seen.push(line);
    })();
    return {
      seen,
      texts: () => seen.map(({ text }) => text),
      [Symbol.asyncDispose]: async () => {
        end.abort();
        await done;
      },
    };
  }
  const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);

  it('gives the last 3 lines, then some 3000 new ones over 5 files, each once and in order', { timeout: 30_000 }, async () => {
    await using log = await emptyLog();
    const options = { path: log.path, redactor: new Redactor(), clock: systemClock, pid: 1, onFailure: () => {} };
    await using writer = new ServerLog({ ...options, maxBytes: 40_000 });
    const write = (n: number) => writer.append({ at: n, kind: 'err', text: `line ${n}` });
    for (let n = 0; n < 10; n++) write(n);
    await writer.flush();
    await using follower = following(log.path, 3);
    // It begins somewhere in the middle of what is being written.
    for (let n = 10; n < 3010; n++) {
      write(n);
      // So far behind that nothing it has not read is thrown away.
      if (n % 100 === 0) await waitFor(() => follower.texts().at(-1) === `line ${n}`);
    }
    await waitFor(() => follower.texts().at(-1) === 'line 3009');
    const texts = follower.texts();
    expect(texts).toEqual(numbered(3010 - texts.length, 3010));
    expect(texts.length).toBeGreaterThan(2900);
    expect(existsSync(logFiles(log.path)[3]!)).toBe(true);
  });

  it('waits for a log that is not there yet, nor its folder', async () => {
    await using log = await emptyLog();
    rmSync(dirname(log.path), { recursive: true });
    await using follower = following(log.path, 10);
    mkdirSync(dirname(log.path));
    writeFileSync(log.path, lineOf(1));
    await waitFor(() => follower.seen.length === 1);
    expect(follower.texts()).toEqual(['line 1']);
  });

  it('joins the two halves of a line, sees one that is late in the old file, and goes on in a file that was emptied', async () => {
    await using log = await emptyLog();
    writeFileSync(log.path, lineOf(0));
    await using follower = following(log.path, 1);
    await waitFor(() => follower.seen.length === 1);
    const line = lineOf(1, 'two halves');
    appendFileSync(log.path, line.slice(0, 30));
    appendFileSync(log.path, line.slice(30));
    await waitFor(() => follower.seen.length === 2);
    renameSync(log.path, `${log.path}.1`);
    appendFileSync(log.path, lineOf(2));
    await waitFor(() => follower.seen.length === 3);
    appendFileSync(`${log.path}.1`, lineOf(3, 'late'));
    await waitFor(() => follower.seen.length === 4);
    truncateSync(log.path, 0);
    await waitFor(() => {
      appendFileSync(log.path, lineOf(4, 'after'));
      return follower.seen.length > 4;
    });
    expect(follower.texts().slice(0, 5)).toEqual(['line 0', 'two halves', 'line 2', 'late', 'after']);
  });

  it('says that something is missing when its file was thrown away before its turn', async () => {
    await using log = await emptyLog();
    writeFileSync(log.path, lineOf(0));
    await using follower = following(log.path, 1);
    await waitFor(() => follower.seen.length === 1);
    rmSync(log.path);
    writeFileSync(`${log.path}.1`, lineOf(8));
    writeFileSync(log.path, lineOf(9));
    await waitFor(() => follower.seen.length === 4);
    expect(follower.texts()).toEqual(['line 0', expect.stringMatching(/^lines may be missing here/), 'line 8', 'line 9']);
  });

  it('holds back its reading when nobody takes the lines, and ends at once with the signal', async () => {
    await using log = await emptyLog();
    writeFileSync(log.path, Array.from({ length: 50_000 }, (_, n) => lineOf(n)).join(''));
    const end = new AbortController();
    const lines = followLog(log.path, { format: serverLines, lines: all, clock: systemClock, signal: end.signal });
    expect((await lines.next()).value?.text).toBe('line 0');
    end.abort();
    let count = 0;
    for await (const _ of lines) count++;
    expect(count).toBeLessThan(50_000);
  });
});
