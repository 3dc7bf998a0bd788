/** One tool call with nothing running, against a script of raw JSON lines that kills its server. */
import { rmSync } from 'node:fs';
import { inPairs, timeRun } from './lib/measure.mjs';
import { cli, everythingServer, fixture, instantServer } from './lib/workplace.mjs';

const pairs = 12;

export async function* run(place) {
  const { env, path: cwd } = place;
  const config = place.config('cold-call', { instant: instantServer, everything: everythingServer });
  const expect = 'Echo: hi';
  const call = (server) =>
    timeRun(process.execPath, [cli, '-c', config, 'call', `${server}/echo`, 'message=hi'], { env, cwd, expect });
  const raw = ({ command, args }) => timeRun(process.execPath, [fixture('raw-call.mjs'), command, ...args], { env, cwd, expect });
  // The pair that does not count leaves what is remembered of the server: a call is rarely the first ever.
  const instant = await inPairs(
    pairs,
    () => call('instant'),
    () => raw(instantServer),
  );
  yield { what: 'cold call, instant server', against: 'raw JSON lines', unit: 'ms', goal: '<= 2.2', reach: '<= 1.8', ...instant };
  const everything = await inPairs(
    pairs,
    () => call('everything'),
    () => raw(everythingServer),
  );
  yield {
    what: 'cold call, server-everything',
    against: 'raw JSON lines',
    unit: 'ms',
    goal: '<= 1.5',
    reach: '<= 1.2',
    ...everything,
  };
  const first = await inPairs(
    pairs,
    () => {
      rmSync(place.state, { recursive: true, force: true });
      return call('instant');
    },
    () => raw(instantServer),
  );
  yield { what: 'first call ever, instant server', against: 'raw JSON lines', unit: 'ms', ...first };
}
