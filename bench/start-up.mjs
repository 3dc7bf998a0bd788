/** `--version` and `--help` against a Node that does nothing: what everyone pays at every start. */
import { inPairs, timeRun } from './lib/measure.mjs';
import { cli } from './lib/workplace.mjs';

const pairs = 15;

export async function* run({ env, path: cwd }) {
  const bare = () => timeRun(process.execPath, ['-e', '0'], { env, cwd });
  for (const [flag, expect] of [
    ['--version', '.'],
    ['--help', 'COMMANDS'],
  ]) {
    const figures = await inPairs(pairs, () => timeRun(process.execPath, [cli, flag], { env, cwd, expect }), bare);
    yield { what: `mcpctl ${flag}`, against: 'node -e 0', unit: 'ms', goal: '<= 1.6', reach: '<= 1.3', ...figures };
  }
}
