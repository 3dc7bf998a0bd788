/** Reloading when files change: one message a problem, good news after it, and never two reloads at a time. */
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Config, ConfigProblem } from '../../src/config/schema.js';
import { McpctlError } from '../../src/core/errors.js';
import { Emitter } from '../../src/core/events.js';
import { ConfigWatcher } from '../../src/manager/config-watcher.js';
import type { ConfigChange } from '../../src/manager/manager.js';
import type { ManagerEvent } from '../../src/manager/server-status.js';
import { FakeClock } from '../support/fake-clock.js';
import { waitFor } from '../support/wait-for.js';

/** Nowhere: nothing of these paths is there. */
const dir = '/nonexistent-mcpctl';
const nothing: ConfigChange = { added: [], removed: [], changed: [] };

function invalid(message: string, line: number): McpctlError {
  const file = join(dir, 'config.json');
  const problem: ConfigProblem = { severity: 'error', file, line, column: 3, path: '', message };
  return new McpctlError('CONFIG_INVALID', `${file}:${line}:3: ${message}`, { details: { problems: [problem] } });
}

async function watcher() {
  const clock = new FakeClock();
  const events = new Emitter<ManagerEvent>();
  const log: ManagerEvent[] = [];
  events.onAny((event) => log.push(event));
  const control = { reloads: 0, reload: async (): Promise<ConfigChange> => nothing };
  const config = {
    files: [],
    places: { configDir: dir, userFile: join(dir, 'config.json'), userToml: join(dir, 'config.toml') },
  } as unknown as Config;
  let touch = () => {};
  const watched = new ConfigWatcher({
    manager: {
      config,
      events,
      reload: () => {
        control.reloads++;
        return control.reload();
      },
    },
    cwd: dir,
    clock,
    watchFolder: (_, onEvent) => {
      touch = () => onEvent('rename', null);
      return Object.assign(new EventEmitter(), { close: () => {} }) as never;
    },
  });
  await watched.ready;
  await waitFor(() => control.reloads === 1, { what: 'the reload of the start' });
  return {
    watched,
    log,
    control,
    /** A save, and the reload that follows. */
    async save() {
      const before = control.reloads;
      touch();
      await clock.advance(100);
      await waitFor(() => control.reloads > before, { what: 'a reload' });
      await clock.settle();
    },
    touch: () => touch(),
    clock,
  };
}

describe('ConfigWatcher', () => {
  it('tells a problem once over 3 saves, another one anew, and the end of it', async () => {
    const { log, control, save, watched } = await watcher();
    control.reload = () => Promise.reject(invalid('a comma is missing', 7));
    for (let i = 0; i < 3; i++) await save();
    expect(log).toEqual([
      {
        type: 'config-problem',
        message: '/nonexistent-mcpctl/config.json:7:3: a comma is missing',
        file: '/nonexistent-mcpctl/config.json',
        line: 7,
        column: 3,
      },
    ]);
    control.reload = () => Promise.reject(invalid('a brace is missing', 8));
    await save();
    expect(log).toHaveLength(2);
    control.reload = async () => nothing;
    await save();
    await save();
    expect(log.slice(2)).toEqual([{ type: 'config-changed', ...nothing }]);
    control.reload = () => Promise.reject(invalid('a comma is missing', 7));
    await save();
    expect(log).toHaveLength(4);
    await watched[Symbol.asyncDispose]();
  });

  it('leaves the news of a change to the manager', async () => {
    const { log, control, save, watched } = await watcher();
    control.reload = async () => ({ ...nothing, added: ['files'] });
    await save();
    expect(log).toEqual([]);
    await watched[Symbol.asyncDispose]();
  });

  it('tells a failure that is no problem of a file without a place', async () => {
    const { log, control, save, watched } = await watcher();
    control.reload = () => Promise.reject(new Error('out of file descriptors'));
    await save();
    expect(log).toEqual([{ type: 'config-problem', message: 'out of file descriptors', file: null, line: 0, column: 0 }]);
    await watched[Symbol.asyncDispose]();
  });

  it('reloads once more, not twice at a time, for saves during a reload', async () => {
    const { control, save, touch, clock, watched } = await watcher();
    let finish = () => {};
    let atOnce = 0;
    control.reload = async () => {
      expect(++atOnce).toBe(1);
      await new Promise<void>((resolve) => (finish = resolve));
      atOnce--;
      return nothing;
    };
    await save();
    const during = control.reloads;
    for (let i = 0; i < 3; i++) {
      touch();
      await clock.advance(1000);
    }
    expect(control.reloads).toBe(during);
    finish();
    await waitFor(() => control.reloads === during + 1, { what: 'one more reload' });
    finish();
    await watched[Symbol.asyncDispose]();
  });

  it('does nothing after it is disposed of', async () => {
    const { control, touch, clock, watched } = await watcher();
    await watched[Symbol.asyncDispose]();
    touch();
    await clock.advance(60_000);
    expect(control.reloads).toBe(1);
    expect(clock.pending()).toEqual([]);
  });
});
