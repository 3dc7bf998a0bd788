/** F43: whoever reads the output is slower than whoever makes it. The source waits; mcpctl does not collect what cannot be printed. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cliPath } from '../support/run-cli.js';
import type { TempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';
import { faultServer, homeWith } from './kit.js';
import { managerIn } from './managed.js';

const MB = 1024 ** 2;

function memoryOf(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** mcpctl with a stdout that is read only as far as the test says. */
function startUnread(words: readonly string[], home: TempHome) {
  const child = spawn(process.execPath, [cliPath, ...words], { cwd: home.projectDir, env: { ...home.env }, stdio: 'pipe' });
  child.stdout.pause();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return {
    child,
    pid: child.pid!,
    get stderr() {
      return stderr;
    },
  };
}

describe('a reader that is slow', { skip: process.platform !== 'linux' }, () => {
  it('holds a script of 24 calls back whose answers are 12 MB each: memory grows by less than 100 MB', { timeout: 120_000 }, async () => {
    await using home = await homeWith({ fault: faultServer() });
    const it = startUnread([], home);
    const closed = new Promise<number | null>((resolve) => it.child.once('close', resolve));
    it.child.stdin.write('call fault/big bytes:=12000000\n');
    let bytes = 0;
    const chunks = it.child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const read = async (upTo: number) => {
      for (; bytes < upTo; ) {
        const next = await chunks.next();
        if (next.done) return;
        bytes += next.value.length;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await read(12_000_001);
    const before = memoryOf(it.pid, 'VmHWM');
    it.child.stdin.end('call fault/big bytes:=12000000\n'.repeat(24));
    let peak = 0;
    for (let n = 2; n <= 25; n++) {
      await read(12_000_001 * n - 1);
      peak = memoryOf(it.pid, 'VmHWM');
    }
    await read(Number.POSITIVE_INFINITY);
    expect(await closed).toBe(0);
    expect(bytes).toBe(25 * 12_000_001);
    console.error('script', before / MB, peak / MB);
    expect(peak - before).toBeLessThan(100 * MB);
  });

  it('of logs --follow, which a server fills with 100 MB, costs the manager less than 100 MB and holds nobody else up', {
    timeout: 120_000,
  }, async () => {
    await using home = await homeWith({ fault: faultServer() });
    await using it = await managerIn(home);
    await it.run('call fault/echo text=warm');
    const reader = startUnread(['logs', 'fault', '--follow', '-n', '0'], home);
    const closed = new Promise<number | null>((resolve) => reader.child.once('exit', resolve));
    try {
      // Its beginning is not to be seen: more is said until some of it is.
      let said = 0;
      await waitFor(async () => {
        await it.run(`call fault/stderr-flood-beside bytes:=1 word=said-${++said}`);
        return reader.child.stdout.readableLength > 0 || reader.child.stdout.read() !== null;
      });
      reader.child.stdout.pause();
      const before = memoryOf(it.up.pid, 'VmHWM');
      const ownBefore = memoryOf(reader.pid, 'VmHWM');
      await it.run('call fault/stderr-flood-beside bytes:=100000000');
      await waitFor(async () => (await it.run('logs fault -n 1')).stdout.includes('end of the flood'), { timeoutMs: 60_000 });
      expect((await it.run('call fault/echo text=beside')).stdout).toBe('beside\n');
      console.error('follow', before / MB, memoryOf(it.up.pid, 'VmHWM') / MB, ownBefore / MB, memoryOf(reader.pid, 'VmHWM') / MB);
      expect(memoryOf(it.up.pid, 'VmHWM') - before).toBeLessThan(100 * MB);
      expect(memoryOf(reader.pid, 'VmHWM') - ownBefore).toBeLessThan(50 * MB);
    } finally {
      reader.child.kill('SIGINT');
    }
    expect(await closed).toBe(130);
    expect((await it.run('down')).code).toBe(0);
  });
});
