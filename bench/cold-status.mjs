/** `status` of many servers with nothing running, against a script on the bare SDK that connects as many at a time. */
import { availableParallelism } from 'node:os';
import { inPairs, timeRun } from './lib/measure.mjs';
import { cli, fixture, instantServer } from './lib/workplace.mjs';

const pairs = { 20: 8, 50: 6 };
/** mcpctl's own default for `startConcurrency`. */
const limit = Math.max(4, 2 * availableParallelism());

export async function* run(place) {
  const { env, path: cwd } = place;
  for (const count of [20, 50]) {
    const config = place.fleet(`fleet-${count}`, count, instantServer);
    const figures = await inPairs(
      pairs[count],
      () => timeRun(process.execPath, [cli, '-c', config, 'status', '--json'], { env, cwd, expect: `"connected": ${count}` }),
      () =>
        timeRun(process.execPath, [fixture('sdk-status.mjs'), config, String(limit)], { env, cwd, expect: `${count} connected` }),
    );
    yield {
      what: `cold status, ${count} servers`,
      against: `bare SDK, ${limit} at a time`,
      unit: 'ms',
      goal: '<= 1.1',
      reach: '<= 0.95',
      ...figures,
    };
  }
}
