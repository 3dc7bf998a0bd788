/** What keys do to the view, and the order of its rows. */
import { describe, expect, it } from 'vitest';
import { firstView, press, sorted, type TopView } from '../../../../src/cli/top/view.js';
import { row } from './rows.js';

const rows = ['a', 'b', 'c', 'd', 'e'].map((name) => row(name));
/** Presses keys one after the other; the rows stay. */
function typed(...keys: string[]) {
  let view: TopView = firstView;
  const actions: unknown[] = [];
  for (const key of keys) {
    const pressed = press(view, key, rows, 2);
    view = pressed.view;
    if (pressed.action) actions.push(pressed.action);
  }
  return { view, actions };
}

describe('the order', () => {
  const figures = [
    row('slow', { callsPerSecond: 1, calls: 5, failed: 0, latencyMs: { p50: 10, p95: 900 } }),
    row('idle', { callsPerSecond: 0, calls: 90, failed: 0, latencyMs: null }),
    row('broken', { callsPerSecond: 0, calls: 100, failed: 40, errorRate: 40, latencyMs: { p50: 10, p95: 20 } }),
    row('shaky', { callsPerSecond: 7, calls: 40, failed: 40, errorRate: 100, latencyMs: { p50: 1, p95: 2 } }),
  ];
  it.each([
    ['name', false, ['broken', 'idle', 'shaky', 'slow']],
    ['name', true, ['slow', 'shaky', 'idle', 'broken']],
    ['calls', false, ['shaky', 'slow', 'broken', 'idle']],
    ['errors', false, ['shaky', 'broken', 'idle', 'slow']],
    ['latency', false, ['slow', 'broken', 'shaky', 'idle']],
    ['latency', true, ['idle', 'shaky', 'broken', 'slow']],
  ] as const)('by %s, reversed %s, is %j', (by, isReversed, names) => {
    expect(sorted(figures, { by, isReversed }).map(({ name }) => name)).toEqual(names);
  });

  it('by errors has those first that cannot be called, where no call has failed', () => {
    const still = [row('a'), row('b', { status: 'disabled' }), row('c', { status: 'error' }), row('d', { status: 'needs-auth' })];
    expect(sorted(still, { by: 'errors', isReversed: false }).map(({ name }) => name)).toEqual(['c', 'd', 'a', 'b']);
  });

  it('changes with n, c, e and l, and turns round when the key is pressed again', () => {
    expect(typed('c').view.sort).toEqual({ by: 'calls', isReversed: false });
    expect(typed('e', 'e').view.sort).toEqual({ by: 'errors', isReversed: true });
    expect(typed('l', 'l', 'l', 'n').view.sort).toEqual({ by: 'name', isReversed: false });
  });
});

describe('the selection', () => {
  it.each([
    [['down', 'down'], 'c'],
    [['down', 'up', 'up'], 'a'],
    [['end'], 'e'],
    [['end', 'down'], 'e'],
    [['pagedown', 'j'], 'd'],
    [['end', 'pageup', 'home'], 'a'],
  ])('after %j is %s', (keys, selected) => {
    expect(typed(...keys).view.selected).toBe(selected);
  });

  it('stays with its server when the order changes, and falls to the first when that has gone', () => {
    const { view } = typed('down', 'c');
    expect(view.selected).toBe('b');
    expect(press(view, 'r', [row('z'), row('b')], 2).action).toEqual({ type: 'reconnect', server: 'b' });
    expect(press(view, 'r', [row('z')], 2).action).toEqual({ type: 'reconnect', server: 'z' });
    expect(press(view, 'r', [], 2).action).toBeUndefined();
  });
});

describe('the other keys', () => {
  it('reconnect at once, disable only after a y, and enable what is disabled', () => {
    expect(typed('r').actions).toEqual([{ type: 'reconnect', server: 'a' }]);
    expect(typed('d')).toMatchObject({ actions: [], view: { asks: { disable: 'a' } } });
    expect(typed('d', 'y')).toMatchObject({ actions: [{ type: 'disable', server: 'a' }], view: { asks: undefined } });
    for (const key of ['n', 'd', 'enter', 'escape', 'q'])
      expect(typed('d', key)).toMatchObject({ actions: [], view: { asks: undefined, sort: firstView.sort, page: 'servers' } });
    expect(press(firstView, 'd', [row('x', { status: 'disabled' })], 2).action).toEqual({ type: 'enable', server: 'x' });
  });

  it('leave with q and Esc, from the servers only; the log and the help are left first', () => {
    expect(typed('q').actions).toEqual([{ type: 'quit' }]);
    expect(typed('escape').actions).toEqual([{ type: 'quit' }]);
    expect(typed('?', 'q')).toMatchObject({ actions: [], view: { page: 'servers' } });
    expect(typed('down', 'enter', 'q').actions).toEqual([{ type: 'open-log', server: 'b' }, { type: 'close-log' }]);
    expect(typed('down', 'enter', 'q').view).toMatchObject({ page: 'servers', selected: 'b' });
  });

  it('scroll the log up from its end and down again, not below it', () => {
    expect(typed('enter', 'up', 'pageup').view.scrolled).toBe(3);
    expect(typed('enter', 'up', 'pagedown').view.scrolled).toBe(0);
    expect(typed('enter', 'home').view.scrolled).toBe(Number.POSITIVE_INFINITY);
    expect(typed('enter', 'r', 'd').actions).toHaveLength(1);
  });

  it('take a message away', () => {
    expect(press({ ...firstView, message: 'done' }, 'x', rows, 2).view.message).toBeUndefined();
  });
});
