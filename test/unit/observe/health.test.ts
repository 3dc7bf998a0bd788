/** What servers' states come to: one word, whether it is ready, and the reasons. */
import { describe, expect, it } from 'vitest';
import type { ServerStatus } from '../../../src/manager/server-status.js';
import { healthOf } from '../../../src/observe/health.js';

const closed = { state: 'closed', openUntil: null } as ServerStatus['breaker'];
const server = (some: Partial<ServerStatus> = {}): ServerStatus =>
  ({
    name: 'a',
    status: 'connected',
    health: 'healthy',
    attempt: 0,
    lastError: null,
    breaker: closed,
    endpoints: [],
    ...some,
  }) as ServerStatus;
const error = { code: 'UNAVAILABLE', message: 'refused', hint: null, at: '' } as const;

function of(servers: readonly ServerStatus[], problem: string | null = null) {
  const { status, ready, components } = healthOf({ servers, problem, endpoint: null, at: new Date(0) });
  return [status, ready, components.slice(1).map((one) => [one.status, ...one.reasons])];
}

describe('the health of a manager', () => {
  it.each<[string, ServerStatus[], unknown[]]>([
    ['no server', [], ['healthy', true, []]],
    ['one that is disabled', [server({ status: 'disabled' })], ['healthy', true, []]],
    ['one that is connected', [server()], ['healthy', true, [['healthy']]]],
    [
      'one whose check failed',
      [server({ health: 'degraded' })],
      ['degraded', true, [['degraded', 'the last health check failed']]],
    ],
    [
      'one whose breaker is open',
      [server({ health: 'unhealthy', breaker: { ...closed, state: 'open', openUntil: '2026-01-01T00:00:30.000Z' } })],
      ['unhealthy', false, [['unhealthy', 'circuit open until 2026-01-01T00:00:30.000Z']]],
    ],
    ['one at its first attempt', [server({ status: 'connecting' })], ['degraded', false, [['degraded', 'connecting']]]],
    [
      'one at its second attempt beside a healthy one',
      [server(), server({ status: 'connecting', attempt: 1, lastError: error })],
      ['degraded', true, [['healthy'], ['degraded', 'connecting again after UNAVAILABLE: refused']]],
    ],
    [
      'one that is gone beside a healthy one',
      [server(), server({ status: 'error', health: 'unhealthy', lastError: error })],
      ['degraded', true, [['healthy'], ['unhealthy', 'UNAVAILABLE: refused']]],
    ],
    [
      'two that are gone',
      [server({ status: 'error', lastError: error }), server({ status: 'needs-auth' })],
      [
        'unhealthy',
        false,
        [
          ['unhealthy', 'UNAVAILABLE: refused'],
          ['unhealthy', 'waits for a login'],
        ],
      ],
    ],
    [
      'one that waits for an approval',
      [server({ status: 'untrusted' })],
      ['degraded', true, [['degraded', 'waits for an approval']]],
    ],
  ])('with %s', (_, servers, expected) => {
    expect(of(servers)).toEqual(expected);
  });

  it('is degraded by an endpoint that is down, and by a configuration that cannot be used', () => {
    const endpoint = { target: 'https://b.example/mcp', status: 'error', leftOut: null } as ServerStatus['endpoints'][number];
    expect(of([server({ health: 'degraded', endpoints: [endpoint] })])).toEqual([
      'degraded',
      true,
      [['degraded', 'endpoint https://b.example/mcp: error']],
    ]);
    expect(of([server()], 'config.json:3:1: unexpected }')[0]).toBe('degraded');
  });
});
