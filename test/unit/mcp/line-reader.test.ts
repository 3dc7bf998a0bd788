/** Lines are taken in turns, in order, with backpressure. */
import { executionAsyncId } from 'node:async_hooks';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.js';
import { LineReader } from '../../../src/mcp/line-reader.js';
import { FakeClock } from '../../support/fake-clock.js';

const lines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}`);
const asBytes = (texts: readonly string[]) => Buffer.from(texts.map((text) => `${text}\n`).join(''));
const limits = { maxLineBytes: 1_000_000, onOversize: () => {} };

/** Reads `texts` from one chunk and says in which turn of the event loop each line was taken. */
async function turnsOf(texts: readonly string[], msPerLine: number, kind?: 'notification') {
  const clock = new FakeClock();
  const stdout = new PassThrough();
  const turns: number[] = [];
  const seen: string[] = [];
  let pausedBetweenTurns = true;
  let running = true;
  const look = () => {
    if (running && seen.length > 0 && seen.length < texts.length) pausedBetweenTurns &&= stdout.isPaused();
    if (running) setImmediate(look);
  };
  const reader = new LineReader({
    ...limits,
    clock: { ...systemClock, now: () => clock.now() + seen.length * msPerLine },
    onLine: (line) => {
      seen.push(line);
      turns.push(executionAsyncId()); // one per callback of the event loop
      return kind;
    },
  });
  const ended = reader.read(stdout);
  stdout.write(asBytes(texts));
  setImmediate(look);
  while (seen.length < texts.length) await new Promise((resolve) => setImmediate(resolve));
  stdout.end();
  await ended;
  running = false;
  const perTurn = new Map<number, number>();
  for (const each of turns) perTurn.set(each, (perTurn.get(each) ?? 0) + 1);
  return { seen, perTurn: [...perTurn.values()], pausedBetweenTurns };
}

describe('LineReader', () => {
  it('takes 1,000 lines of one chunk in 10 turns of 100, in order, and stops the server meanwhile', async () => {
    const { seen, perTurn, pausedBetweenTurns } = await turnsOf(lines(1_000), 0);
    expect(seen).toEqual(lines(1_000));
    expect(perTurn).toEqual(Array(10).fill(100));
    expect(pausedBetweenTurns).toBe(true);
  });

  it('stops the server as well while 1,000 notifications wait for their turns, and then reads on', async () => {
    const { seen, pausedBetweenTurns } = await turnsOf(lines(1_000), 0, 'notification');
    expect(seen).toEqual(lines(1_000));
    expect(pausedBetweenTurns).toBe(true);
  });

  it('ends a turn after 5 ms: two lines of 3 ms each', async () => {
    expect((await turnsOf(lines(20), 3)).perTurn).toEqual(Array(10).fill(2));
  });

  it('takes one line per turn when a line alone takes 50 ms', async () => {
    expect((await turnsOf(lines(5), 50)).perTurn).toEqual(Array(5).fill(1));
  });

  it('lets microtasks run after a notification, before the next line, and resolves only after the last line', async () => {
    const order: string[] = [];
    const stdout = new PassThrough();
    const reader = new LineReader({
      ...limits,
      clock: new FakeClock(),
      onLine: (line) => {
        order.push(`taken ${line}`);
        if (line === 'answer') return undefined;
        void Promise.resolve().then(() => order.push(`handled ${line}`));
        return 'notification';
      },
    });
    const ended = reader.read(stdout);
    stdout.end(asBytes(['note 1', 'note 2', 'answer', 'note 3']));
    await ended;
    expect(order).toEqual([
      'taken note 1',
      'handled note 1',
      'taken note 2',
      'handled note 2',
      'taken answer',
      'taken note 3',
      'handled note 3',
    ]);
  });

  it('after discard() reads on and takes nothing', async () => {
    const seen: string[] = [];
    const stdout = new PassThrough();
    const reader = new LineReader({ ...limits, clock: new FakeClock(), onLine: (line) => void seen.push(line) as undefined });
    const ended = reader.read(stdout);
    reader.discard();
    for (let i = 0; i < 100; i++)
      if (!stdout.write(Buffer.alloc(64 * 1024, 'x\n'))) await new Promise((resolve) => stdout.once('drain', resolve));
    stdout.end();
    await ended;
    expect(seen).toEqual([]);
  });
});
