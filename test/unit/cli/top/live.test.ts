/** `top` on a screen that a test holds: what is drawn when, what keys do, and that the screen is given back. */
import { describe, expect, it } from 'vitest';
import type { CommandContext, Stage } from '../../../../src/cli/command.js';
import { showTop } from '../../../../src/cli/top/live.js';
import { cancelled, McpctlError } from '../../../../src/core/errors.js';
import { Emitter } from '../../../../src/core/events.js';
import type { ScreenInput } from '../../../../src/io/screen.js';
import type { ManagerEvent, ServerStatus } from '../../../../src/manager/server-status.js';
import { Metrics } from '../../../../src/observe/metrics.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { settle } from '../../../support/fake-connection.js';
// Loaded here, because a look loads it: that takes longer than a promise.
import '../../../../src/observe/report.js';
import { serverStatus } from './rows.js';

function start(more: { draw?: () => Promise<void>; reconnect?: () => Promise<void> } = {}) {
  const clock = new FakeClock({ date: '2026-03-01T12:00:00Z' });
  const events = new Emitter<ManagerEvent>();
  const metrics = new Metrics(clock).listen(events);
  const ending = new AbortController();
  const control = { servers: [serverStatus('a'), serverStatus('b')] as ServerStatus[], looks: 0, isBroken: false };
  const switched: unknown[] = [];
  const frames: (readonly string[])[] = [];
  let disposals = 0;
  let input: (given: ScreenInput) => void = () => {};
  const manager = {
    events,
    names: () => control.servers.map(({ name }) => name),
    snapshot: (names: readonly string[]) => {
      control.looks++;
      if (control.isBroken) throw new Error('a bug');
      return control.servers.filter(({ name }) => names.includes(name));
    },
    setEnabled: async (name: string, enabled: boolean, { persist }: { persist: boolean }) => {
      switched.push([name, enabled, persist]);
    },
    reconnect: more.reconnect ?? (async () => {}),
    config: { servers: new Map(), places: { stateDir: '/nowhere' } },
  };
  const observation = {
    pid: 7,
    source: async () => metrics,
    health: async () => ({ status: 'healthy', ready: true }),
  };
  const stage: Stage = {
    color: false,
    redact: (text) => text,
    open: async (onInput) => {
      input = onInput;
      onInput({ type: 'size', columns: 80, rows: 24 });
      return {
        draw: async (lines) => {
          frames.push(lines);
          await more.draw?.();
        },
        [Symbol.dispose]: () => disposals++,
      };
    },
  };
  const context = { manager, observation, signal: ending.signal } as unknown as CommandContext;
  const done = showTop({ servers: [], intervalMs: 1000, context, stage, clock });
  done.catch(() => {});
  const press = async (key: string) => {
    input({ type: 'key', key });
    await settle();
  };
  return {
    clock,
    events,
    ending,
    control,
    switched,
    frames,
    done,
    press,
    size: (columns: number, rows: number) => input({ type: 'size', columns, rows }),
    text: () => frames.at(-1)!.join('\n'),
    disposals: () => disposals,
  };
}

describe('top on a screen', () => {
  it('draws at once, every second, at a key and at a new size, and not in between', async () => {
    const { clock, frames, press, size, control } = start();
    await settle();
    expect([frames.length, control.looks]).toEqual([1, 1]);
    await clock.advance(999);
    expect(frames).toHaveLength(1);
    await clock.advance(1);
    await settle();
    expect([frames.length, control.looks]).toEqual([2, 2]);
    await press('c');
    size(40, 10);
    await settle();
    expect([frames.length, control.looks]).toEqual([4, 2]);
    expect(frames.at(-1)).toHaveLength(10);
  });

  it('shows a rate of 2 calls/s after 2 calls, and a change of state after 100 ms without a new rate', async () => {
    const { clock, events, control, text } = start();
    await settle();
    for (let i = 0; i < 2; i++)
      events.emit({
        type: 'call-finished',
        server: 'a',
        tool: 't',
        callId: 'c',
        attempts: 1,
        durationMs: 5,
        isSent: true,
        outcome: 'ok',
      });
    await clock.advance(1000);
    await settle();
    expect(text()).toMatch(/● a +connected +2 /);
    control.servers[1] = serverStatus('b', { status: 'connecting' });
    for (let i = 0; i < 50; i++)
      events.emit({
        type: 'server-state',
        server: 'b',
        from: 'error',
        to: 'connecting',
        error: null,
        retryAt: null,
        durationMs: null,
      });
    const before = control.looks;
    await clock.advance(100);
    await settle();
    expect(control.looks).toBe(before + 1);
    expect(text()).toMatch(/◌ b +connecting/);
    expect(text()).toMatch(/● a +connected +2 /);
  });

  it('switches for this manager only, and says why a server could not be connected', async () => {
    const failure = new McpctlError('UNAVAILABLE', 'refused', { hint: 'look at it' });
    const { press, switched, text } = start({ reconnect: () => Promise.reject(failure) });
    await settle();
    await press('down');
    await press('d');
    expect(switched).toEqual([]);
    await press('y');
    expect(switched).toEqual([['b', false, false]]);
    expect(text()).toContain('b: disabled until this manager ends');
    await press('r');
    expect(text()).toContain('b: UNAVAILABLE: refused (look at it)');
  });

  it('ends with q, and with the reason of its signal, also while a frame is not taken; nothing is left behind', async () => {
    const quit = start();
    await settle();
    await quit.press('q');
    await quit.done;
    expect([quit.disposals(), quit.clock.pending({ background: true })]).toEqual([1, []]);

    for (const draw of [undefined, () => new Promise<void>(() => {})]) {
      const stopped = start(draw && { draw });
      await settle();
      stopped.ending.abort(cancelled('SIGTERM'));
      await expect(stopped.done).rejects.toMatchObject({ code: 'CANCELLED', details: { signal: 'SIGTERM' } });
      expect([stopped.disposals(), stopped.clock.pending()]).toEqual([1, []]);
    }
  });

  it('gives the screen back before it fails, at an error of a look and of a draw', async () => {
    const look = start();
    await settle();
    look.control.isBroken = true;
    await look.clock.advance(1000);
    await settle();
    await expect(look.done).rejects.toThrow('a bug');
    expect([look.disposals(), look.clock.pending()]).toEqual([1, []]);
    const draw = start({ draw: () => Promise.reject(new Error('no terminal')) });
    await expect(draw.done).rejects.toThrow('no terminal');
    expect(draw.disposals()).toBe(1);
  });

  it('goes on when the selected server, and then every server, is taken out of the configuration', async () => {
    const { clock, control, press, text } = start();
    await settle();
    await press('down');
    control.servers = [serverStatus('a')];
    await clock.advance(1000);
    await settle();
    expect(text()).toContain('a: node a.js');
    control.servers = [];
    await clock.advance(1000);
    await settle();
    await press('r');
    await press('enter');
    expect(text()).toContain('No servers are configured.');
  });
});
