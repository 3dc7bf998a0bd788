/** F04: a program that starts and never answers `initialize`. It is given up at its limit, ended with all it started, and what it said can be read. */
import { expect, it } from 'vitest';
import { expectNoLeftovers } from '../support/no-leftovers.js';
import { runCli } from '../support/run-cli.js';
import { errorOf, homeWith } from './kit.js';

it('a server that ignores TERM and never answers is TIMEOUT, exit 6, after its 1 s; its process is gone, and its words are in its log', async () => {
  const silent = {
    command: 'sh',
    args: ['-c', "trap '' TERM; echo loading the model >&2; while :; do sleep 1; done"],
    timeouts: { initialize: '1s' },
  };
  await using home = await homeWith({ silent });
  const result = await runCli(['ping', 'silent', '--json'], { home });
  expect(result).toMatchObject({ code: 6, stdout: '' });
  const { code, server, hint, details } = errorOf(result);
  expect({ code, server }).toEqual({ code: 'TIMEOUT', server: 'silent' });
  expect(details?.elapsedMs).toBeGreaterThanOrEqual(1_000);
  await expectNoLeftovers(home.path, { withinMs: 100 });
  expect(hint).toContain('what it said: mcpctl logs silent');
  const logs = await runCli(['logs', 'silent'], { home });
  expect(logs.stdout).toMatch(/loading the model\n.*TIMEOUT/);
});
