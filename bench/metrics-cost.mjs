/** What being counted costs a call: metrics on against off, in turns on one connection; and with `/metrics` read once a second besides. */
import { compared } from './lib/measure.mjs';
import { canPin, runWorker } from './lib/worker.mjs';
import { bundleManager, fixture, instantServer } from './lib/workplace.mjs';

export async function* run(place) {
  const bundle = await bundleManager(place.path);
  const file = fixture('metrics-worker.mjs');
  const config = place.config('metrics-cost', { instant: instantServer });
  const ask = (what) => runWorker(file, { what, bundle, config, env: place.env }, { env: place.env, pinned: true });
  const where = canPin ? ', one core' : '';
  yield {
    what: `call, metrics on${where}`,
    against: 'metrics off',
    unit: 'us p50',
    goal: '<= 1.01',
    ...compared(await ask('counted')),
  };
  yield {
    what: `call, and /metrics read every second${where}`,
    against: 'metrics off',
    unit: 'us p50',
    goal: '<= 1.01',
    ...compared(await ask('scraped')),
  };
}
