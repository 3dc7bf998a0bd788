/** `top` on a screen that a test holds: what is drawn when, what keys do, and that the screen is given back. */
import { describe, expect, it } from 'vitest';
import { cancelled, McpctlError } from '../../../../src/core/errors.js';
import { settle } from '../../../support/fake-connection.js';
import { start } from './live-rig.js';
import { serverStatus } from './rows.js';

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

  it('says so when the server whose log is wanted has been taken out of the configuration since the last look', async () => {
    const { press, text } = start();
    await settle();
    await press('enter');
    expect(text()).toMatch(/SERVER▲[\s\S]*\na is not configured any more\n/);
  });
});
