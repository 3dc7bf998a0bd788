/** `top`: a live view of servers and their figures, with keys where there is a terminal, block by block elsewhere. */

import * as z from 'zod/mini';
import { systemClock } from '../../core/clock.js';
import { McpctlError } from '../../core/errors.js';
import type { CommandContext, Run, Show, Text } from '../command.js';
import { TopFeed } from '../top/feed.js';
import type { TopData } from '../top/model.js';
import { plainText } from '../top/render.js';

export const args = z.object({
  servers: z._default(z.array(z.string()), []),
  interval: z._default(z.number(), 1000),
});

/** Blocks in a pipe follow each other. */
export const live = 'append';

/** Looking more often would show less: a rate of so short a time is chance. */
const minIntervalMs = 200;

export const run: Run<typeof args, TopData> = async function* ({ servers, interval }, context) {
  const { signal } = context;
  await ready(servers, interval, context);
  const feed = new TopFeed(context, servers, systemClock);
  for (;;) {
    yield await feed.next();
    await systemClock.sleep(interval, signal);
  }
};

export const show: Show<typeof args> = async ({ servers, interval }, context, stage) => {
  await ready(servers, interval, context);
  const { showTop } = await import('../top/live.js');
  await showTop({ servers, intervalMs: interval, context, stage, clock: systemClock });
};

export const text: Text<TopData> = plainText;

/** @throws McpctlError `USAGE`, `UNKNOWN_SERVER` */
async function ready(
  servers: readonly string[],
  interval: number,
  { manager, signal }: Pick<CommandContext, 'manager' | 'signal'>,
): Promise<void> {
  if (interval < minIntervalMs) {
    throw new McpctlError('USAGE', `--interval is at least ${minIntervalMs}ms`, {
      hint: `for example --interval ${minIntervalMs}ms`,
    });
  }
  manager.snapshot(servers);
  await manager.remembered();
  // One that runs has been started long ago; that of a script, opened by an earlier line, does nothing by itself.
  if (manager.longLived) manager.start();
  else void manager.connectAll(manager.names(), signal).catch(() => {});
}
