/** A server at several addresses, as people and scripts see it: single commands, a manager, and one address that is gone. */
import { describe, expect, it } from 'vitest';
import { startFixture } from '../fixtures/http-rig.js';
import { runCli } from '../support/run-cli.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, expectHumanError, homeWith } from './kit.js';
import { managerIn } from './managed.js';

interface Status {
  readonly servers: readonly [
    { status: string; health: string; tools: number | null; pool: object; endpoints: { status: string }[] },
  ];
}

describe('a stateless server at 2 addresses', () => {
  it('is one server with two lines below it; without one of them it is degraded, and calls go on', async () => {
    await using a = await startFixture('http-fault');
    await using b = await startFixture('http-fault');
    const endpoints = [{ url: a.url, weight: 3 }, { url: b.url }];
    await using home = await homeWith({ search: { endpoints, stateless: true, balance: 'weighted' } });
    await using manager = await managerIn(home);
    const statusOf = async () => (documentOf(await manager.run('status --json')) as Status).servers[0];
    await waitFor(async () => {
      const { tools, endpoints } = await statusOf();
      return tools !== null && endpoints.every(({ status }) => status === 'connected');
    });
    // A list under way together with a call would take a connection of its own, and one comes 300 ms after each new address.
    let [lists, before] = [0, -1];
    const count = async () =>
      (await Promise.all([a.requests(), b.requests()])).flat().filter((name) => name === 'tools/list').length;
    await waitFor(
      async () => {
        [before, lists] = [lists, await count()];
        return before === lists;
      },
      { intervalMs: 1000, timeoutMs: 10_000 },
    );
    const table = (await manager.run('status')).stdout;
    expect(table).toContain(`● search  connected     21`);
    for (const { url } of endpoints) expect(table).toMatch(new RegExp(`^ {2}● +connected +${url}$`, 'm'));
    for (let i = 0; i < 8; i++) expect((await manager.run('call search/echo message=hi')).stdout).toBe('hi\n');
    expect([await a.executions('echo'), await b.executions('echo')]).toEqual([6, 2]);
    expect((await statusOf()).pool).toMatchObject({ open: 2, inUse: 0 });

    await a.stop();
    const codes: (number | null)[] = [];
    for (let i = 0; i < 8; i++) codes.push((await manager.run('call search/echo message=hi')).code);
    // One may have been on a socket that has just died: nobody knows of it, and nobody repeats it.
    expect(codes.filter((code) => code !== 0 && code !== 8)).toEqual([]);
    expect(codes.filter((code) => code === 8).length).toBeLessThanOrEqual(2);
    expect(await statusOf()).toMatchObject({ status: 'connected', health: 'degraded' });
    expect((await manager.run('status')).stdout).toMatch(/● search {2}connected \(degraded\)/);
    expect((await manager.run('breaker search')).stdout).toMatch(
      new RegExp(`^search at ${a.url}: \\w+[\\s\\S]*^search at ${b.url}: closed`, 'm'),
    );
  });

  it('without any of them is an error of single commands, and of --check', async () => {
    await using home = await homeWith({
      search: { endpoints: [{ url: 'http://127.0.0.1:9/a' }, { url: 'http://127.0.0.1:9/b' }], stateless: true },
    });
    const call = await runCli(['call', 'search/echo'], { home });
    expect(call.code).toBe(4);
    expectHumanError(call.stderr, /^hint: /m);
    expect((await runCli(['status', '--check'], { home })).code).toBe(4);
  });
});

it.each([
  [[{ url: 'http://127.0.0.1:9/a' }, { url: 'http://127.0.0.1:9/a' }], /endpoints\[1\].url: the same address as endpoints\[0\]/],
  [[{ url: 'nonsense' }, { url: 'http://127.0.0.1:9/a' }], /endpoints\[0\].url: is not a URL/],
  [[{ url: 'http://127.0.0.1:9/a' }, { url: 'http://me:secret@127.0.0.1:9/b' }], /endpoints\[1\].url: has a password of its own/],
  [[], /endpoints: /],
])('endpoints %j are refused with the place', async (endpoints, expected) => {
  await using home = await homeWith({ search: { endpoints } });
  const { code, stderr } = await runCli(['ping', 'search'], { home });
  expect(code).toBe(9);
  expect(stderr).toMatch(expected);
  expect(stderr).not.toContain('secret@');
});
