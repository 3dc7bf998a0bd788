/** What is written together, what is refused, and what was delivered when the pipe ends. */
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import { WriteQueue } from '../../../src/mcp/write-queue.js';

/** A pipe that takes writes only when told to. */
function slowPipe() {
  const writes: string[] = [];
  let take: ((error?: Error) => void) | null = null;
  const stdin = new Writable({
    decodeStrings: false,
    write(text: string, _, done) {
      writes.push(text);
      take = done;
    },
  });
  stdin.on('error', () => {});
  const broken: Error[] = [];
  const queue = new WriteQueue({ stdin, server: 'files', maxLength: 100_000, onBroken: (error) => broken.push(error) });
  return { queue, writes, broken, take: (error?: Error) => take?.(error) };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const outcome = (offered: Promise<void> | McpctlError) =>
  offered instanceof McpctlError ? Promise.resolve(offered) : offered.then(() => 'taken', (error) => error); // biome-ignore format: one idea
const ended = (delivered: 'no' | 'maybe') => new McpctlError('SERVER_EXITED', 'ended', { delivered });

describe('WriteQueue', () => {
  it('writes 100 messages of one turn in one write', async () => {
    const { queue, writes, take } = slowPipe();
    const offers = Array.from({ length: 100 }, (_, i) => queue.offer(`${i}\n`));
    expect(writes).toEqual([]);
    await turn();
    expect(writes).toEqual([Array.from({ length: 100 }, (_, i) => `${i}\n`).join('')]);
    take();
    expect(await Promise.all(offers.map(outcome))).toEqual(offers.map(() => 'taken'));
  });

  it('collects what comes while a write is under way, in order', async () => {
    const { queue, writes, take } = slowPipe();
    void queue.offer('1\n');
    await turn();
    void queue.offer('2\n');
    void queue.offer('3\n');
    await turn();
    expect(writes).toEqual(['1\n']);
    take();
    await turn();
    expect(writes).toEqual(['1\n', '2\n3\n']);
  });

  it('refuses at 100,000 waiting characters with OVERLOADED, not delivered, and accepts again afterwards', async () => {
    const { queue, take } = slowPipe();
    void queue.offer('x'.repeat(60_000));
    void queue.offer('x'.repeat(40_000));
    const refused = queue.offer('y');
    expect(refused).toMatchObject({
      code: 'OVERLOADED',
      delivered: 'no',
      server: 'files',
      details: { waiting: 100_000, limit: 100_000 },
    });
    await turn();
    take();
    await turn();
    expect(queue.offer('y')).toBeInstanceOf(Promise);
  });

  it('accepts one message of 1,000,000 characters when nothing waits', () => {
    expect(slowPipe().queue.offer('x'.repeat(1_000_000))).toBeInstanceOf(Promise);
  });

  it('closed in the middle: `maybe` for the write under way, `no` for what waited', async () => {
    const { queue } = slowPipe();
    const first = queue.offer('1\n');
    await turn();
    const second = queue.offer('2\n');
    queue.close(ended);
    expect([await outcome(first), await outcome(second)]).toMatchObject([{ delivered: 'maybe' }, { delivered: 'no' }]);
  });

  it('closed before anything was written: `no`', async () => {
    const { queue, writes } = slowPipe();
    const first = queue.offer('1\n');
    queue.close(ended);
    expect(await outcome(first)).toMatchObject({ delivered: 'no' });
    await turn();
    expect(writes).toEqual([]);
  });

  it('a broken pipe is reported once and fails nothing until the owner knows why', async () => {
    const { queue, broken, take } = slowPipe();
    const first = queue.offer('1\n');
    await turn();
    take(new Error('EPIPE'));
    await turn();
    const second = queue.offer('2\n');
    await turn();
    expect(broken).toHaveLength(1);
    queue.close(ended);
    expect([await outcome(first), await outcome(second)]).toMatchObject([{ delivered: 'maybe' }, { delivered: 'no' }]);
  });
});
