/** `breaker`: the circuit breaker of a server and of its tools, shown or steered by hand. */

import * as z from 'zod/mini';
import { McpctlError } from '../../core/errors.js';
import type { BreakersOfServer } from '../../manager/manager.js';
import { timeOfDay } from '../breaker-news.js';
import type { Run, Text } from '../command.js';
import { paint } from '../render.js';

export const args = z.object({ server: z.string(), action: z.optional(z.enum(['open', 'close', 'reset'])) });

export const run: Run<typeof args, BreakersOfServer> = async ({ server, action }, { manager }) => {
  manager.snapshot([server]);
  if (action && !manager.longLived) {
    throw new McpctlError('NO_MANAGER', `breaker ${server} ${action} needs a manager that stays, and none is running`, {
      server,
      hint: `mcpctl up; or, to try the server at once: mcpctl reconnect ${server}`,
    });
  }
  await manager.remembered();
  if (action) manager.steerBreaker(server, action);
  return { data: manager.breakers(server) };
};

type Breaker = BreakersOfServer['breaker'];

export const text: Text<BreakersOfServer> = ({ server, breaker, tools, endpoints }, { color }) => {
  const own = endpoints.length === 0 ? [breaker] : endpoints;
  const of = (one: Breaker) => ('target' in one ? `${server} at ${String(one.target)}` : server);
  const all: [string, Breaker][] = [
    ...own.map((one): [string, Breaker] => [of(one), one]),
    ...tools.map((one): [string, Breaker] => [`${server}/${one.tool}`, one]),
  ];
  const { green, yellow, red, dim } = paint(color);
  const hue = { closed: green, 'half-open': yellow, open: red };
  return all
    .flatMap(([name, one]) => [
      `${name}: ${hue[one.state](one.state)}${untilWhen(one)}`,
      ...facts(one).map(([what, value]) => `  ${dim(what.padEnd(18))}${value}`),
    ])
    .join('\n');
};

function untilWhen({ state, openUntil, since }: Breaker): string {
  if (state !== 'open') return ` since ${since}`;
  return openUntil === null ? ` since ${since}, by hand` : ` until ${timeOfDay(openUntil)}, since ${since}`;
}

function facts(breaker: Breaker): [string, string | number][] {
  return [
    ['failures in a row', breaker.consecutiveFailures],
    ['failure rate', `${breaker.failureRate} % within the last minute`],
    ['refused', breaker.rejected],
    ['last failure', breaker.lastFailureAt ?? '-'],
    ['last success', breaker.lastSuccessAt ?? '-'],
  ];
}
