/** What stands around calls and is meant to pay: the cached list, several connections, the parallel start, a breaker that is open. */
import { compared } from './lib/measure.mjs';
import { runWorker } from './lib/worker.mjs';
import { bundleManager, fixture, instantServer } from './lib/workplace.mjs';

const servers = 10;
/** What one call costs the server that is asked over a pool; it does one thing after the other. */
const workMs = 20;

export async function* run(place) {
  const bundle = await bundleManager(place.path);
  const file = fixture('policy-worker.mjs');
  const ask = (what, config, more = {}) => runWorker(file, { what, bundle, config, env: place.env, ...more }, { env: place.env });

  const one = place.config('cached', { instant: instantServer });
  yield {
    what: 'list of tools, from the cache',
    against: 'the same list, asked for',
    unit: 'lists/s',
    goal: '>= 10',
    ...compared(await ask('cached-list', one)),
  };

  const slow = { ...instantServer, env: { WORK_MS: String(workMs) } };
  const pools = Object.fromEntries(
    [1, 4, 10].map((max) => [`p${max}`, { ...slow, stateless: true, pool: { max, maxIdle: max } }]),
  );
  const rates = await ask('pool', place.config('pool', pools));
  for (const max of [4, 10]) {
    yield {
      what: `pool of ${max}, ${workMs} ms of work a call`,
      against: 'one connection',
      unit: 'calls/s',
      ...compared(rates.map((row) => [row[`p${max}`], row.p1])),
    };
  }

  // What a start computes has to share the cores; what it waits for has not.
  for (const waitMs of [0, 200]) {
    const server = { ...instantServer, ...(waitMs > 0 && { env: { START_MS: String(waitMs) } }) };
    const fleet = place.fleet(`parallel-${waitMs}`, servers, server);
    yield {
      what: `start of ${servers} servers${waitMs > 0 ? ` that wait ${waitMs} ms` : ''}, in parallel`,
      against: 'one after the other',
      unit: 'starts/s',
      goal: '>= 2',
      ...compared(await ask('start', fleet)),
    };
  }

  const dead = place.config('dead', { dead: { url: 'http://127.0.0.1:9/mcp', type: 'http', retry: { strategy: 'none' } } });
  yield {
    what: 'call to a dead server, breaker open',
    against: 'breaker closed',
    unit: 'us p50',
    ...compared(await ask('breaker', dead)),
  };
}
