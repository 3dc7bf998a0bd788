/** A call through the manager with every policy on, against the bare SDK client: throughput with 32 in flight, latency with one. */
import { compared } from './lib/measure.mjs';
import { canPin, runWorker } from './lib/worker.mjs';
import { bundleManager, fixture, instantServer } from './lib/workplace.mjs';

const kinds = {
  stdio: { calls: 4000, one: 2000, goal: '>= 0.9', reach: '>= 1.1' },
  http: { calls: 1500, one: 800, goal: '>= 1.0', reach: '>= 1.6' },
};

export async function* run(place) {
  const bundle = await bundleManager(place.path);
  const config = place.config('managed-call', { instant: instantServer });
  for (const [transport, { calls, one, goal, reach }] of Object.entries(kinds)) {
    const input = { transport, bundle, config, env: place.env, rounds: 7 };
    const file = fixture('call-worker.mjs');
    const many = await runWorker(file, { ...input, inFlight: 32, calls }, { env: place.env });
    yield {
      what: `managed call, ${transport}, 32 in flight`,
      against: 'bare SDK client',
      unit: 'calls/s',
      goal,
      reach,
      ...compared(many.rates),
    };
    const single = await runWorker(file, { ...input, inFlight: 1, calls: one }, { env: place.env, pinned: true });
    const [subject, baseline] = single.p50Us;
    yield {
      what: `managed call, ${transport}, 1 in flight${canPin ? ', one core' : ''}`,
      against: 'bare SDK client',
      unit: 'us p50',
      ...(transport === 'stdio' ? { goal: '<= 1.15', reach: '<= 1.0' } : {}),
      ...compared([[subject, baseline]]),
    };
  }
}
