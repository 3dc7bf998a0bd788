/** One holder at a time, between real processes that are killed at any moment. */
import { writeFileSync } from 'node:fs';
import { link, mkdir, readdir, readFile, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { withFileLock } from '../../src/io/file-lock.js';
import { pidScope, processFacts } from '../../src/io/procfs.js';
import { childScript } from '../support/child-script.js';
import { tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

const options = { clock: systemClock, pid: process.pid };
const owner = (overrides: object = {}) => {
  const scope = pidScope();
  return JSON.stringify({
    id: '11111111-dead',
    pid: process.pid,
    startTicks: processFacts(process.pid)?.startTicks,
    scope: scope && `${scope.bootId} ${scope.namespace}`,
    ...overrides,
  });
};
const onLinux = { skip: process.platform !== 'linux' };

/** Enters the lock again and again; every line of the log is written with the lock held. */
const contender = `
  import { appendFileSync } from 'node:fs';
  import { withFileLock } from './io/file-lock.js';
  const [, , lock, log, rounds] = process.argv as string[];
  const say = (what: string) => appendFileSync(log!, what + ' ' + process.pid + '\\n');
  for (let round = 0; round < Number(rounds); round++) {
    await withFileLock(lock!, { timeoutMs: 60_000 }, async () => {
      say('enter');
      for (let n = 0; n < 3; n++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        say('hold');
      }
      say('leave');
    });
    if (round === 0) console.log('working');
  }
`;

/** The pids whose lines stand inside the section of another: nobody may speak between another's enter and leave, unless that one is dead for good. */
function intruders(log: string): string[] {
  const found: string[] = [];
  const overtaken = new Set<string>();
  let holder: string | undefined;
  for (const line of log.trim().split('\n')) {
    const [what, pid] = line.split(' ') as [string, string];
    if (what === 'enter') {
      if (holder !== undefined) overtaken.add(holder);
      holder = pid;
    } else if (pid !== holder) found.push(line);
    if (overtaken.has(pid)) found.push(line);
    if (what === 'leave') holder = undefined;
  }
  return found;
}

describe('withFileLock', () => {
  it('gives back what the work returns, passes on its error, and removes the lock both times', async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'new/folder/x.lock');
    expect(await withFileLock(lock, options, async () => 7)).toBe(7);
    await expect(withFileLock(lock, options, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(await readdir(join(home.path, 'new/folder'))).toEqual([]);
  });

  it('lets 30 callers of one process in one after the other', async () => {
    await using home = await tempHome();
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 30 }, () =>
        withFileLock(join(home.path, 'x.lock'), options, async () => {
          most = Math.max(most, ++inside);
          await systemClock.sleep(1);
          inside--;
        }),
      ),
    );
    expect(most).toBe(1);
  });

  it('keeps 8 processes apart over 25 rounds each: 200 sections, none entered by another', async () => {
    await using home = await tempHome();
    const run = await childScript(home, contender);
    const log = join(home.path, 'log');
    const results = await Promise.all(Array.from({ length: 8 }, () => run(join(home.path, 'locks/x.lock'), log, '25').finished));
    expect(results.map((result) => [result.code, result.stderr])).toEqual(Array.from({ length: 8 }, () => [0, '']));
    const text = await readFile(log, 'utf8');
    expect(text.match(/^enter/gm)).toHaveLength(200);
    expect(intruders(text)).toEqual([]);
    expect(await readdir(join(home.path, 'locks'))).toEqual([]);
  });

  it('keeps processes apart while 40 of them are killed at any moment, and every dead holder is replaced', onLinux, async () => {
    await using home = await tempHome();
    const run = await childScript(home, contender);
    const log = join(home.path, 'log');
    const lock = join(home.path, 'locks/x.lock');
    const alive = Array.from({ length: 5 }, () => run(lock, log, '100000'));
    for (let kill = 0; kill < 40; kill++) {
      const victim = alive.shift()!;
      await victim.speaks;
      await systemClock.sleep((kill * 7) % 23);
      victim.child.kill('SIGKILL');
      await victim.finished;
      alive.push(run(lock, log, '100000'));
    }
    for (const { child } of alive) child.kill('SIGKILL');
    await Promise.all(alive.map(({ finished }) => finished));
    // Far below the 60 s after which any lock counts as abandoned: the last holder was recognised as dead.
    await withFileLock(lock, { ...options, timeoutMs: 5_000 }, async () => {});
    const text = await readFile(log, 'utf8');
    expect(text.match(/^enter/gm)!.length).toBeGreaterThan(40);
    expect(intruders(text)).toEqual([]);
  });

  it('notices an intruder: the check of these tests can fail', () => {
    expect(intruders('enter 1\nhold 1\nleave 1\nenter 2\nleave 2')).toEqual([]);
    expect(intruders('enter 1\nhold 1\nenter 2\nhold 2\nleave 2')).toEqual([]);
    expect(intruders('enter 1\nenter 2\nhold 1\nleave 2')).not.toEqual([]);
    expect(intruders('enter 1\nenter 2\nleave 2\nhold 1')).not.toEqual([]);
  });

  it('takes the lock of a dead process, and of a living one that only has the same pid', onLinux, async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    for (const dead of [owner({ pid: 2 ** 22 - 1 }), owner({ startTicks: 1 })]) {
      await writeFile(lock, dead);
      expect(await withFileLock(lock, { ...options, timeoutMs: 1_000 }, async () => 'in')).toBe('in');
      expect((await readdir(home.path)).filter((name) => name.startsWith('x.lock'))).toEqual([]);
    }
  });

  it('takes over when the process that was taking over died half-way, and clears away what it left', onLinux, async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    await writeFile(lock, owner({ id: 'aaaaaaaa', startTicks: 1 }));
    await writeFile(`${lock}.claim-bbbbbbbb`, owner({ id: 'bbbbbbbb', startTicks: 1 }));
    await link(`${lock}.claim-bbbbbbbb`, `${lock}.after-aaaaaaaa`);
    expect(await withFileLock(lock, { ...options, timeoutMs: 1_000 }, async () => 'in')).toBe('in');
    expect((await readdir(home.path)).filter((name) => name.startsWith('x.lock'))).toEqual([]);
  });

  it('waits while a living process is taking over from a dead one', onLinux, async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    await writeFile(lock, owner({ id: 'aaaaaaaa', startTicks: 1 }));
    await writeFile(`${lock}.after-aaaaaaaa`, owner({ id: 'bbbbbbbb' }));
    await expect(withFileLock(lock, { ...options, timeoutMs: 60 }, async () => 'in')).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('withdraws when another process has taken over while it was still looking at the dead one', onLinux, async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    await writeFile(lock, owner({ id: 'aaaaaaaa', startTicks: 1 }));
    // The age of the lock is asked right after it was read: at that moment the other one completes its takeover.
    let isFirst = true;
    const date = () => {
      if (isFirst) writeFileSync(lock, owner({ id: 'bbbbbbbb' }));
      isFirst = false;
      return new Date();
    };
    const late = withFileLock(lock, { ...options, clock: { ...systemClock, date }, timeoutMs: 60 }, async () => 'in');
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ id: 'bbbbbbbb' });
    expect((await readdir(home.path)).filter((name) => name.startsWith('x.lock'))).toEqual(['x.lock']);
  });

  it('fails after timeoutMs with the pid of the holder and what to do', async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    await withFileLock(lock, options, async () => {
      await expect(withFileLock(lock, { ...options, timeoutMs: 50 }, async () => 'in')).rejects.toMatchObject({
        code: 'TIMEOUT',
        message: `process ${process.pid} has held the lock ${lock} for more than 50 ms`,
        hint: 'try again; when no mcpctl runs any more, delete that file',
      });
    });
  });

  it('stops waiting at once when aborted, and leaves no claim', async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    await withFileLock(lock, options, async () => {
      const controller = new AbortController();
      const waiting = withFileLock(lock, { ...options, signal: controller.signal }, async () => 'in');
      await waitFor(async () => (await readdir(home.path)).some((name) => name.includes('.claim-')));
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
      expect((await readdir(home.path)).filter((name) => name.startsWith('x.lock'))).toEqual(['x.lock']);
    });
    await expect(
      withFileLock(lock, { ...options, signal: AbortSignal.abort(new Error('before')) }, async () => 1),
    ).rejects.toThrow('before');
  });

  it.each([
    ['an empty file', ''],
    ['a file of another program', '4711'],
    ['a lock of another machine', owner({ scope: 'elsewhere' })],
    ['an id that leads out of the folder', owner({ id: '../../evil' })],
  ])('waits for %s, and takes it once it is 60 s old', async (_name, content) => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    await writeFile(lock, content);
    await expect(withFileLock(lock, { ...options, timeoutMs: 60 }, async () => 'in')).rejects.toMatchObject({ code: 'TIMEOUT' });
    const past = new Date(Date.now() - 61_000);
    await utimes(lock, past, past);
    expect(await withFileLock(lock, { ...options, timeoutMs: 1_000 }, async () => 'in')).toBe('in');
  });

  it('ends with an error, not in a loop, when the name is taken by a folder or a link that leads nowhere', async () => {
    await using home = await tempHome();
    await mkdir(join(home.path, 'folder.lock'));
    await expect(withFileLock(join(home.path, 'folder.lock'), { ...options, timeoutMs: 60 }, async () => 1)).rejects.toThrow();
    await symlink('nowhere', join(home.path, 'link.lock'));
    await expect(withFileLock(join(home.path, 'link.lock'), { ...options, timeoutMs: 60 }, async () => 1)).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('does not remove a lock that is not its own any more', async () => {
    await using home = await tempHome();
    const lock = join(home.path, 'x.lock');
    await withFileLock(lock, options, async () => {
      await unlink(lock);
      await writeFile(lock, owner({ id: 'cccccccc' }));
    });
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ id: 'cccccccc' });
  });
});
