/** Commands that a manager in the background carries out, against a Node that does nothing: what a script pays for each of them. */
import { inPairs, timeRun } from './lib/measure.mjs';
import { cli, instantServer } from './lib/workplace.mjs';

const pairs = 20;

export async function* run(place) {
  const { env, path: cwd } = place;
  const config = place.config('attached', { instant: instantServer });
  const mcpctl = (words, expect) => timeRun(process.execPath, [cli, '-c', config, ...words], { env, cwd, expect });
  const bare = () => timeRun(process.execPath, ['-e', '0'], { env, cwd });
  await mcpctl(['up'], 'The manager runs');
  try {
    for (const [what, words, expect] of [
      ['attached call', ['call', 'instant/echo', 'message=hi'], 'Echo: hi'],
      ['attached status', ['status'], '1 connected'],
      ['attached tools --json', ['tools', '--json'], '"echo"'],
    ]) {
      const figures = await inPairs(pairs, () => mcpctl(words, expect), bare);
      yield { what, against: 'node -e 0', unit: 'ms', goal: '<= 2.0', reach: '<= 1.5', ...figures };
    }
  } finally {
    await mcpctl(['down'], 'has ended');
  }
}
