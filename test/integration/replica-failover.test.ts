/** Two replicas of one server under steady calls: one is killed and comes back, and no caller notices. */
import { expect, it } from 'vitest';
import { never, rig, startFixture, textOf } from '../fixtures/http-rig.js';
import { waitFor } from '../support/wait-for.js';

const annotations = { idempotentHint: true };
const tool = { name: 'sleep', inputSchema: { type: 'object' as const }, annotations };
const trusted = () => ({ annotations: { sleep: annotations } });

it('200 idempotent calls a second lose none when one of 2 replicas is killed, and the replica gets calls again when it is back', async () => {
  const first = await startFixture('http-fault');
  await using _first = first;
  await using second = await startFixture('http-fault');
  await Promise.all([first, second].map((server) => server.do(trusted())));
  const endpoints = [{ url: first.url }, { url: second.url }];
  const quick = { retry: { preset: 'quick' }, circuitBreaker: { timeout: '1s' }, timeouts: { connect: '2s' } };
  await using it = await rig(
    { endpoints, stateless: true, trust: { annotations: true }, pool: { max: 10 }, concurrency: { queue: 2_000 }, ...quick },
    { longLived: true },
  );
  await it.connect();
  await waitFor(() => it.status().endpoints.every(({ status }) => status === 'connected'));

  const outcomes: Promise<string>[] = [];
  const startedAt = performance.now();
  // As many as are due by now, so that the rate holds on a busy machine too.
  const timer = setInterval(() => {
    while (outcomes.length < ((performance.now() - startedAt) * 200) / 1000)
      outcomes.push(
        it.manager.call({ server: 'it', tool, args: { ms: 5 }, signal: never }).then(textOf, (error: Error) => String(error)),
      );
  }, 5);
  try {
    const called = (count: number) => waitFor(() => outcomes.length >= count, { timeoutMs: 30_000 });
    await called(400);
    const before = await second.executions('sleep');
    await first.stop();
    const killedAt = outcomes.length;
    await called(killedAt + 600);
    // They all go to the one that is left.
    await waitFor(async () => (await second.executions('sleep')) - before > 500, { timeoutMs: 30_000, intervalMs: 200 });
    await using back = await startFixture('http-fault', { PORT: new URL(first.url).port });
    await back.do(trusted());
    await waitFor(async () => (await back.executions('sleep')) >= 100, {
      timeoutMs: 30_000,
      intervalMs: 200,
      what: () => `100 calls on the replica that came back: ${JSON.stringify(it.status().endpoints)}`,
    });
    clearInterval(timer);
    const failed = (await Promise.all(outcomes)).filter((outcome) => outcome !== 'slept');
    expect(failed).toEqual([]);
  } finally {
    clearInterval(timer);
    await Promise.allSettled(outcomes);
  }
}, 120_000);
