/** Calls and faults of chance for a while: MCPCTL_SOAK_SECONDS long, in the order of MCPCTL_SOAK_SEED. `npm run soak` takes its time. */
import { expect, it } from 'vitest';
import { runSoak } from '../soak/soak.js';

const { CI, MCPCTL_SOAK_SECONDS, MCPCTL_SOAK_SEED } = process.env;
const seconds = Number(MCPCTL_SOAK_SECONDS ?? (CI ? 120 : 20));
const seed = Number(MCPCTL_SOAK_SEED ?? Math.floor(Math.random() * 2 ** 32));

it(
  `for ${seconds} s of calls and faults of chance (seed ${seed}) each call ends once and in time, runs once at most, and nothing is left`,
  async () => {
    const onProgress = (text: string) => void process.stderr.write(`soak: ${text}\n`);
    const { violations, history, ...result } = await runSoak({ seed, seconds, onProgress });
    onProgress(`seed ${seed}: ${JSON.stringify(result)}`);
    if (violations.length > 0) {
      const again = `MCPCTL_SOAK_SEED=${seed} MCPCTL_SOAK_SECONDS=${seconds} npm test -- test/integration/soak`;
      throw new Error(`${violations.join('\n')}\n\nTo see it again: ${again}\n\nWhat happened before:\n${history}`);
    }
    // It was no idle run.
    expect(result.outcomes.ok).toBeGreaterThan(seconds);
    expect(result.faults).toBeGreaterThan(seconds);
    expect(result.executions).toBeGreaterThan(seconds);
  },
  (seconds + 240) * 1_000,
);
