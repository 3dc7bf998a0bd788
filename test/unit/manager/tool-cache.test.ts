/** How long a list of tools is believed: its server's word, else the configured time, and not at all with the cache off. */
import { describe, expect, it } from 'vitest';
import { ToolCache, type ToolList } from '../../../src/manager/tool-cache.js';
import type { ToolPage } from '../../../src/mcp/connection.js';
import { Cache } from '../../../src/policy/cache.js';
import { FakeClock } from '../../support/fake-clock.js';

const page = (ttlMs: number | null) => async () => ({ tools: [], ttlMs });

async function cacheWith(options: { enabled: boolean; ttlMs: number }, hint: number | null) {
  const clock = new FakeClock();
  const kept = new Cache<ToolList | string>({ maxSize: 100, policy: 'lru' }, clock);
  const cache = new ToolCache(
    kept,
    clock,
    options,
    () => undefined,
    () => {},
  );
  await cache.refresh(page(hint));
  return { clock, cache };
}

describe('a list of tools', () => {
  it('is fresh for the 30 s that are configured', async () => {
    const { clock, cache } = await cacheWith({ enabled: true, ttlMs: 30_000 }, null);
    await clock.advance(29_999);
    expect(cache.fresh).toBeDefined();
    await clock.advance(1);
    expect(cache.fresh).toBeUndefined();
    expect(cache.known).toBeDefined();
  });

  it('is fresh for the 60 s its server says, whatever is configured', async () => {
    const { clock, cache } = await cacheWith({ enabled: true, ttlMs: 1_000 }, 60_000);
    await clock.advance(59_999);
    expect(cache.fresh).toBeDefined();
  });

  it('is never fresh with the cache off, not even what an earlier run knew', async () => {
    const { clock, cache } = await cacheWith({ enabled: false, ttlMs: 30_000 }, 60_000);
    expect(cache.fresh).toBeUndefined();
    cache.restore({ tools: [], at: clock.date().getTime() + 1, ttlMs: 60_000 });
    expect(cache.fresh).toBeUndefined();
  });

  it('is fresh for a day at most, and not at all when its server says 0', async () => {
    const day = 24 * 3_600_000;
    const { clock, cache } = await cacheWith({ enabled: true, ttlMs: 1_000 }, 2 ** 53 - 1);
    await clock.advance(day - 1);
    expect(cache.fresh).toBeDefined();
    await clock.advance(1);
    expect(cache.fresh).toBeUndefined();
    expect((await cacheWith({ enabled: true, ttlMs: 1_000 }, 0)).cache.fresh).toBeUndefined();
  });

  it('announced to have changed while it was on its way is known, not fresh, and does not take the place of a later one', async () => {
    const { cache } = await cacheWith({ enabled: true, ttlMs: 1_000 }, null);
    const answers: ((tools: string[]) => void)[] = [];
    const slow = () =>
      new Promise<ToolPage>((resolve) =>
        answers.push((names) =>
          resolve({ tools: names.map((name) => ({ name, inputSchema: { type: 'object' as const } })), ttlMs: null }),
        ),
      );
    const names = () => cache.known?.tools.map(({ name }) => name);
    const first = cache.refresh(slow);
    cache.invalidate();
    const second = cache.refresh(slow);
    answers[0]!(['old']);
    await first;
    expect(names()).toEqual(['old']);
    expect(cache.fresh).toBeUndefined();
    answers[1]!(['new']);
    await second;
    expect(names()).toEqual(['new']);
    expect(cache.fresh).toBeDefined();

    const third = cache.refresh(slow);
    cache.invalidate();
    const fourth = cache.refresh(slow);
    answers[3]!(['newest']);
    await fourth;
    answers[2]!(['late']);
    await third;
    expect(names()).toEqual(['newest']);
    expect(cache.fresh?.tools).toHaveLength(1);
  });
});
