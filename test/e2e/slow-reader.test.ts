/** F43: whoever reads the output is slower than whoever makes it. The source waits; mcpctl does not collect what cannot be printed. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startFixture } from '../fixtures/http-rig.js';
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
  it('holds a script of 30 calls with answers of 12 MB back, at most 2 calls ahead; 360 MB cost less than 250 MB', {
    timeout: 120_000,
  }, async () => {
    await using server = await startFixture('http-fault');
    await using home = await homeWith({ web: { url: server.url, type: 'http' } });
    const it = startUnread(['--quiet'], home);
    const closed = new Promise<number | null>((resolve) => it.child.once('close', resolve));
    it.child.stdin.end('call web/big bytes:=12000000\n'.repeat(30));
    const answerBytes = 12_000_000 + '\n'.length;
    let [bytes, answers, pauseAt, before, peak] = [0, 0, 0, 0, 0];
    for await (const chunk of it.child.stdout as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > pauseAt) {
        pauseAt = bytes + 1_000_000;
        // A slow reader is made of time: at most 200 MB a second, and less than mcpctl could print.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (bytes < (answers + 1) * answerBytes) continue;
      answers++;
      expect(await server.executions('big')).toBeLessThanOrEqual(answers + 2);
      if (answers < 30) peak = memoryOf(it.pid, 'VmHWM');
      if (answers === 1) before = peak;
    }
    expect({ code: await closed, bytes, stderr: it.stderr }).toEqual({ code: 0, bytes: 30 * answerBytes, stderr: '' });
    // Three or four answers in their forms on the way, and what the collector has not come to.
    expect(peak - before).toBeLessThan(250 * MB);
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
      expect(memoryOf(it.up.pid, 'VmHWM') - before).toBeLessThan(100 * MB);
      expect(memoryOf(reader.pid, 'VmHWM') - ownBefore).toBeLessThan(50 * MB);
    } finally {
      reader.child.kill('SIGINT');
    }
    expect(await closed).toBe(130);
    expect((await it.run('down')).code).toBe(0);
  });
});
