/** One listener per signal, told once, and gone when nobody waits. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { unwatchAbort, watchAbort } from '../../../src/io/abort-hub.js';

const recorder = () => {
  const reasons: unknown[] = [];
  return { reasons, abort: (reason: unknown) => void reasons.push(reason) };
};

describe('abort hub', () => {
  it('puts 1 listener on a signal for 5,000 waiting targets, and tells each of them once', () => {
    const controller = new AbortController();
    const targets = Array.from({ length: 5_000 }, recorder);
    for (const target of targets) watchAbort(controller.signal, target);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    controller.abort('enough');
    expect(targets.every(({ reasons }) => reasons.length === 1 && reasons[0] === 'enough')).toBe(true);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('leaves no listener when the last target goes, and does not tell a target that went', () => {
    const controller = new AbortController();
    const [first, second] = [recorder(), recorder()];
    watchAbort(controller.signal, first);
    watchAbort(controller.signal, second);
    unwatchAbort(controller.signal, first);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    unwatchAbort(controller.signal, second);
    unwatchAbort(controller.signal, second);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    watchAbort(controller.signal, second);
    controller.abort('later');
    expect(first.reasons).toEqual([]);
    expect(second.reasons).toEqual(['later']);
  });

  it('tells the others when a target takes itself and another one off while it is told', () => {
    const controller = new AbortController();
    const [last, removed] = [recorder(), recorder()];
    const first = {
      abort() {
        unwatchAbort(controller.signal, first);
        unwatchAbort(controller.signal, removed);
      },
    };
    for (const target of [first, removed, last]) watchAbort(controller.signal, target);
    controller.abort('now');
    expect(last.reasons).toEqual(['now']);
  });
});
