/** Changes of configuration files, made in every way that editors and people make them, on the real file system. */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { appendFile, mkdir, readlink, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConfigWatch, type WatchOptions, watchConfig, watchPace } from '../../src/config/watch.js';
import { systemClock } from '../../src/core/clock.js';
import { FakeClock } from '../support/fake-clock.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

/** What a reader saw of a file each time it was told of a change. */
async function watching(path: string, options: Partial<WatchOptions> = {}) {
  const read = () => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  };
  const seen: (string | undefined)[] = [];
  const warnings: string[] = [];
  const watch: ConfigWatch = watchConfig({
    paths: [path],
    onChange: () => seen.push(read()),
    onWarning: (message) => warnings.push(message),
    clock: systemClock,
    ...options,
  });
  await watch.ready;
  return {
    seen,
    warnings,
    watch,
    /** Resolves when the reader knows that the file says this; `undefined` = that it is gone. */
    knows: (text: string | undefined) =>
      waitFor(() => seen.length > 0 && seen.at(-1) === text, { what: () => `${text}; seen: ${seen.join(', ')}` }),
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  };
}

/** As editors save: a new file takes the name. */
async function save(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

const fileIn = (home: TempHome, name = 'config.json') => join(home.configDir, name);

describe('watchConfig', () => {
  it('notices 5 saves by rename, 3 in place and 1 line appended, one after the other', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    await using reader = await watching(path);
    for (let i = 0; i < 5; i++) {
      await save(path, `renamed ${i}`);
      await reader.knows(`renamed ${i}`);
    }
    for (let i = 0; i < 3; i++) {
      await writeFile(path, `in place ${i}`);
      await reader.knows(`in place ${i}`);
    }
    await appendFile(path, '!');
    await reader.knows('in place 2!');
  });

  it('knows the last of 20 quick saves, from few readings, and the save after them', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await using reader = await watching(path);
    for (let i = 0; i < 20; i++) await save(path, `${i}`);
    await reader.knows('19');
    expect(reader.seen.length).toBeLessThan(10);
    await save(path, 'after');
    await reader.knows('after');
  });

  it('notices a file that appears in a folder that was not there either, two levels deep', async () => {
    await using home = await tempHome();
    const path = join(home.path, 'a', 'b', 'config.json');
    await using reader = await watching(path);
    await mkdir(dirname(path), { recursive: true });
    await save(path, 'created');
    await reader.knows('created');
    await save(path, 'again');
    await reader.knows('again');
  });

  it('notices that a file is deleted, created again and changed', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    await using reader = await watching(path);
    for (const round of ['one', 'two']) {
      await unlink(path);
      await reader.knows(undefined);
      await writeFile(path, `created ${round}`);
      await reader.knows(`created ${round}`);
    }
  });

  it('goes on when the folder is removed and made again, twice, and when another takes its name', async () => {
    await using home = await tempHome();
    const folder = join(home.path, 'folder');
    const path = join(folder, 'config.json');
    await mkdir(folder);
    await writeFile(path, 'first');
    await using reader = await watching(path);
    for (const round of ['one', 'two']) {
      await rm(folder, { recursive: true });
      await reader.knows(undefined);
      await mkdir(folder);
      await save(path, round);
      await reader.knows(round);
    }
    await rename(folder, `${folder}.old`);
    await mkdir(folder);
    await save(path, 'other folder');
    await reader.knows('other folder');
    await save(path, 'and again');
    await reader.knows('and again');
  });

  it('follows a link to a file elsewhere: saved, deleted and created there, and when the link leads elsewhere', async () => {
    await using home = await tempHome();
    const [path, dotfile, other] = [fileIn(home), join(home.home, 'mcp.json'), join(home.projectDir, 'other.json')];
    await writeFile(dotfile, 'first');
    await writeFile(other, 'other');
    await symlink(dotfile, path);
    await using reader = await watching(path);
    for (const text of ['second', 'third']) {
      await save(dotfile, text);
      await reader.knows(text);
    }
    await unlink(dotfile);
    await reader.knows(undefined);
    await save(dotfile, 'back');
    await reader.knows('back');
    await symlink(other, `${path}.new`);
    await rename(`${path}.new`, path);
    await reader.knows('other');
    await save(other, 'other again');
    await reader.knows('other again');
    expect(await readlink(path)).toBe(other);
  });

  it('follows two links in a row, the second relative', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(join(home.home, 'real.json'), 'first');
    await symlink('real.json', join(home.home, 'link.json'));
    await symlink(join(home.home, 'link.json'), path);
    await using reader = await watching(path);
    await save(join(home.home, 'real.json'), 'second');
    await reader.knows('second');
  });

  it('says nothing of other files in the folder', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    await using reader = await watching(path);
    for (let i = 0; i < 50; i++) await save(fileIn(home, `other-${i}.json`), 'x');
    await save(path, 'second');
    await reader.knows('second');
    expect(reader.seen).toEqual(['second']);
  });

  it('watches the paths of an update, and no longer the others', async () => {
    await using home = await tempHome();
    const [path, later] = [fileIn(home), fileIn(home, 'later.json')];
    await using reader = await watching(path);
    await reader.watch.update([later]);
    await save(path, 'not watched any more');
    await save(later, 'watched now');
    await waitFor(() => reader.seen.length > 0, { what: () => 'news of later.json' });
    await using witness = await watching(path);
    await save(path, 'still not watched');
    await witness.knows('still not watched');
    expect(reader.seen).toHaveLength(1);
  });

  it('tells nothing after it is disposed of, or its signal is aborted', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    const abort = new AbortController();
    const ended = await watching(path, { signal: abort.signal });
    abort.abort();
    const disposed = await watching(path);
    await disposed.watch[Symbol.asyncDispose]();
    await disposed.watch[Symbol.asyncDispose]();
    await using reader = await watching(path);
    await save(path, 'late');
    await reader.knows('late');
    expect([ended.seen, disposed.seen]).toEqual([[], []]);
  });
});

describe('where nothing can be watched', () => {
  const refuse = (code: string) => () => {
    throw Object.assign(new Error(`${code}: no watch for you`), { code });
  };

  it.each(['EMFILE', 'ENOSPC', 'EACCES'])('looks every 2 s after %s, and warns once', async (code) => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    const clock = new FakeClock();
    await using reader = await watching(path, { clock, watchFolder: refuse(code) });
    expect(reader.warnings).toEqual([expect.stringContaining('every 2 s')]);
    await save(path, 'second');
    // The file system answers in real time, the clock is the test's.
    await waitFor(
      async () => {
        await clock.advance(watchPace.pollMs);
        return reader.seen.at(-1) === 'second';
      },
      { what: () => 'the second version' },
    );
    expect(reader.warnings).toHaveLength(1);
  });

  it('looks every 15 s even where watching works, for folders that tell nothing', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    const clock = new FakeClock();
    const deaf = () => Object.assign(new EventEmitter(), { close: () => {} }) as never;
    await using reader = await watching(path, { clock, watchFolder: deaf });
    await save(path, 'second');
    await clock.advance(watchPace.lookMs - 1);
    expect(reader.seen).toEqual([]);
    await waitFor(
      async () => {
        await clock.advance(watchPace.lookMs);
        return reader.seen.at(-1) === 'second';
      },
      { what: () => 'the second version' },
    );
    expect(reader.warnings).toEqual([]);
  });

  it('warns and looks when a watch breaks later', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    const watchers: EventEmitter[] = [];
    const fragile = () => {
      const watcher = Object.assign(new EventEmitter(), { close: () => {} });
      watchers.push(watcher);
      return watcher as never;
    };
    await using reader = await watching(path, { watchFolder: fragile });
    watchers[0]!.emit('error', Object.assign(new Error('gone'), { code: 'EIO' }));
    await reader.knows('first');
    expect(reader.warnings).toEqual([expect.stringContaining('gone')]);
    expect(watchers).toHaveLength(2);
  });
});

describe('a burst', () => {
  /** A watch whose events are made by the test. */
  async function underHand(path: string) {
    const clock = new FakeClock();
    let tell: (event: string, name: string | null) => void = () => {};
    const reader = await watching(path, {
      clock,
      watchFolder: (_, onEvent) => {
        tell = onEvent;
        return Object.assign(new EventEmitter(), { close: () => {} }) as never;
      },
    });
    return { ...reader, clock, event: (name: string | null = 'config.json') => tell('change', name) };
  }

  it('is told 100 ms after its last event, and after 1 s at most', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    await using reader = await underHand(path);
    reader.event();
    await reader.clock.advance(99);
    expect(reader.seen).toEqual([]);
    await reader.clock.advance(1);
    await reader.knows('first');
    for (let ms = 0; ms < 990; ms += 90) {
      reader.event();
      await reader.clock.advance(90);
    }
    expect(reader.seen).toHaveLength(1);
    await reader.clock.advance(10);
    await waitFor(() => reader.seen.length === 2, { what: () => 'the news of the burst' });
  });

  it('waits 1 s for a file that is gone, and says nothing of its absence when it comes back', async () => {
    await using home = await tempHome();
    const path = fileIn(home);
    await writeFile(path, 'first');
    await using reader = await underHand(path);
    await unlink(path);
    reader.event();
    await reader.clock.advance(100);
    await waitFor(() => reader.clock.pending()[0] === 1000, { what: () => `waits ${reader.clock.pending()}` });
    await reader.clock.advance(999);
    expect(reader.seen).toEqual([]);
    await writeFile(path, 'back');
    reader.event();
    await reader.clock.advance(100);
    await reader.knows('back');
    expect(reader.seen).toEqual(['back']);
    expect(reader.clock.pending()[0]).toBeGreaterThan(1000);
  });
});
