/**
 * A real Prometheus scrapes a manager, with the rules of docs/observability/alerts.yml on a clock 60 times as fast: each alert fires for
 * the server that has the fault, and ends with it; every panel of the dashboard shows something.
 */
import { describe, expect, it } from 'vitest';
import { startFixture } from '../fixtures/http-rig.js';
import { needs } from '../support/needs.js';
import { filledIn, hastenedAlerts, panelQueries } from '../support/observability.js';
import { startPrometheus } from '../support/prometheus.js';
import { startCli } from '../support/run-cli.js';
import { httpServer, storeLogin } from '../support/stored-login.js';
import type { TempHome } from '../support/temp-home.js';
import { startTokenServer } from '../support/token-server.js';
import { waitFor } from '../support/wait-for.js';
import { documentOf, faultServer, fixture, homeWith } from './kit.js';
import { managerIn } from './managed.js';

const env = { MCPCTL_CREDENTIAL_STORE: 'file' };

/** Types lines into a script that runs in the manager, the next ones every `everyMs`, until it is disposed of. */
function typing(home: TempHome, everyMs: number, lines: (round: number) => readonly string[]): AsyncDisposable {
  const cli = startCli(['--keep-going', '--quiet'], { home, env });
  let round = 0;
  const timer = setInterval(() => cli.write(`${lines(round++).join('\n')}\n`), everyMs);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await cli[Symbol.asyncDispose]();
    },
  };
}

describe('a real Prometheus', needs('prometheus', 'prometheus-server'), () => {
  it('fires each documented alert for the server with the fault, and for no other, and ends it', {
    timeout: 120_000,
  }, async () => {
    await using web = await startFixture('http-fault');
    await using fragile = await startFixture('http-fault');
    await using ending = await startTokenServer();
    await using lasting = await startTokenServer();
    const once = { retry: { strategy: 'none' } };
    const home = await homeWith(
      {
        fine: faultServer(),
        bad: { ...faultServer(), ...once },
        gone: { url: fragile.url, type: 'http', health: { interval: '200ms', timeout: '2s' } },
        flaps: {
          url: web.url,
          type: 'http',
          circuitBreaker: { maxFailures: 1, successThreshold: 1, timeout: '50ms' },
          ...once,
        },
        full: { url: web.url, type: 'http', stateless: true, pool: { max: 2, maxIdle: 2 } },
        cached: {
          command: process.execPath,
          args: [fixture('stdio-hints.mjs'), 'legacy'],
          cache: { results: { tools: ['look'], ttl: '10m' } },
        },
        ends: { url: ending.url },
        lasts: { url: lasting.url },
        off: { command: '/nowhere/at-all', enabled: false },
      },
      { metrics: { port: 0 } },
    );
    // Both have 10 minutes; one of them is renewed without a person.
    await storeLogin(home, httpServer(ending.url, { name: 'ends' }), ending.login(600, { refreshToken: null }));
    await storeLogin(home, httpServer(lasting.url, { name: 'lasts' }), lasting.login(600));

    await using manager = await managerIn(home, [], { env });
    const statuses = async () =>
      (documentOf(await manager.run('status --json')) as { servers: { name: string; status: string }[] }).servers.map(
        ({ name, status }) => `${name} ${status}`,
      );
    const up = ['fine', 'bad', 'gone', 'flaps', 'full', 'cached', 'ends', 'lasts'].map((name) => `${name} connected`);
    await waitFor(async () => expect(await statuses()).toEqual(expect.arrayContaining(up)) ?? true, { timeoutMs: 20_000 });
    const { endpoint } = documentOf(await manager.run('health --json')) as { endpoint: string };

    await using prometheus = await startPrometheus({ home, target: new URL(endpoint).host, rules: hastenedAlerts() });
    const { query, firing } = prometheus;
    const fires = (alert: string) =>
      waitFor(async () => (await firing()).includes(alert), {
        timeoutMs: 45_000,
        intervalMs: 200,
        what: () => `${alert} to fire`,
      });

    await waitFor(async () => (await query('sum(mcp_server_up)'))[0]?.value === up.length, { timeoutMs: 20_000 });
    await waitFor(async () => (await firing()).every((alert) => alert === 'McpLoginExpiring ends'), { timeoutMs: 20_000 });

    {
      await using _fine = typing(home, 200, () => ['call fine/echo text=hi']);
      await using _bad = typing(home, 200, () => ['call bad/tool-error', 'call bad/echo text=hi']);
      await using _cached = typing(home, 200, (round) => [`call cached/look nr=${round}`]);
      // A second is more than the breaker stays open: the call after each failure closes it, however fast calls are.
      await using _flaps = typing(home, 1_000, (round) => [
        round % 2 === 0 ? 'call flaps/status code:=500' : 'call flaps/echo message=hi',
      ]);
      const waiting = () => typing(home, 300, () => ['call full/sleep ms:=300']);
      await using _first = waiting();
      await using _second = waiting();
      await using _third = waiting();
      await fragile.stop();

      await Promise.all(
        [
          'McpServerDown gone',
          'McpHighErrorRate bad',
          'McpLowCacheHitRate cached',
          'McpPoolExhausted full',
          'McpBreakerFlapping flaps',
          'McpLoginExpiring ends',
        ].map(fires),
      );

      const range = '10s';
      const empty: string[] = [];
      for (const { where, expr } of panelQueries()) if ((await query(filledIn(expr, range))).length === 0) empty.push(where);
      expect(empty).toEqual([]);
    }

    // Whatever fired, and when, was about a server that something was done to.
    const ever = (await query('count by (alertname, server) (count_over_time(ALERTS{alertstate="firing"}[10m]))')).map(
      ({ metric: { alertname, server } }) => ({ alertname, server }),
    );
    const about = (alert: string) => ever.filter(({ alertname }) => alertname === alert).map(({ server }) => server);
    expect(ever.filter(({ server = '' }) => ['fine', 'lasts', 'off'].includes(server))).toEqual([]);
    expect(about('McpLowCacheHitRate')).toEqual(['cached']);
    expect(about('McpPoolExhausted')).toEqual(['full']);
    expect(about('McpBreakerFlapping')).toEqual(['flaps']);
    expect(about('McpLoginExpiring')).toEqual(['ends']);

    await fires('McpServerDown gone');
    await using _back = await startFixture('http-fault', { PORT: new URL(fragile.url).port });
    await manager.run('reconnect gone');
    await waitFor(async () => !(await firing()).includes('McpServerDown gone'), { timeoutMs: 30_000, intervalMs: 200 });

    await manager.run('down');
    await fires('McpctlDown');
    await waitFor(async () => (await firing()).every((alert) => !alert.startsWith('McpServerDown')), { timeoutMs: 30_000 });
  });
});
