/** A destructive call whose server is killed at 200 random moments of the exchange: it ran at most once, and what is told is true. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { McpctlError } from '../../src/core/errors.js';
import type { Tool } from '../../src/mcp/connection.js';
import { never, rig, textOf } from '../fixtures/http-rig.js';
import { fixture } from '../fixtures/stdio-rig.js';
import { type Chance, seededChance } from '../soak/seeded-random.js';
import { tempHome } from '../support/temp-home.js';

const moments = 200;
const seed = Number(process.env.MCPCTL_SOAK_SEED ?? Math.floor(Math.random() * 2 ** 32));
const tool: Tool = { name: 'record', inputSchema: { type: 'object' }, annotations: { idempotentHint: true } };

/** Resolves about `ms` after the start; turns of the event loop, because timers know whole milliseconds only. */
async function moment(ms: number): Promise<void> {
  const due = performance.now() + ms;
  while (performance.now() < due) await new Promise((resolve) => setImmediate(resolve));
}

/** What came of a call that was killed: the answer, or the error as somebody would read it. */
interface Outcome {
  readonly what: string;
  readonly delivered: McpctlError['delivered'];
  readonly executions: number;
}

/** Calls on a server that is connected, and kills it at a random moment of the exchange, or up to a moment before it. */
async function killedInTheMiddle(transport: 'stdio' | 'http', key: string, chance: Chance): Promise<Outcome> {
  await using home = await tempHome();
  await using web = transport === 'http' ? await startWeb(home.path) : undefined;
  const program = [fixture('soak.mjs'), 'probe', home.path, 'stdio', 'legacy'];
  const definition = web ? { url: web.url, type: 'http' } : { command: process.execPath, args: program };
  // The annotation of an untrusted server counts for nothing.
  await using it = await rig({ ...definition, protocol: 'legacy', retry: { preset: 'quick' } }, { home });
  await it.connect();
  const pid = web?.pid ?? it.status().pid!;
  // Half of the servers answer at once; the others die with the call written down and not answered, if the moment is right.
  const ms = chance.happens(0.5) ? 0 : 3;
  const delayMs = chance.next() * 6;
  const call = it.manager.call({ server: 'it', tool, args: { key, ms }, signal: never }).then(
    (result) => ({ what: textOf(result), delivered: undefined }),
    (error: unknown) => {
      if (!(error instanceof McpctlError)) throw error;
      return { what: error.code, delivered: error.delivered };
    },
  );
  await moment(delayMs);
  process.kill(pid, 'SIGKILL');
  const outcome = await call;
  const written = await readFile(join(home.path, 'executions'), 'utf8').catch(() => '');
  return { ...outcome, executions: written.split('\n').length - 1 };
}

async function startWeb(folder: string) {
  const child: ChildProcess = spawn(process.execPath, [fixture('soak.mjs'), 'probe', folder, 'http', 'legacy'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [port] = (await once(createInterface(child.stdout!), 'line')) as [string];
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

it.each(['stdio', 'http'] as const)(
  `killed at ${moments} random moments over %s, it ran at most once, and the caller has the answer or knows what is not known (seed ${seed})`,
  async (transport) => {
    const chance = seededChance(seed);
    const seen = { answered: 0, unknown: 0, undelivered: 0 };
    for (let i = 0; i < moments; i++) {
      const outcome = await killedInTheMiddle(transport, `k${i}`, chance);
      const told = { moment: i, seed, ...outcome };
      if (outcome.what === `probe:k${i}`) {
        seen.answered++;
        expect(told).toMatchObject({ executions: 1 });
      } else if (outcome.what === 'OUTCOME_UNKNOWN') {
        seen.unknown++;
        expect([told, outcome.executions <= 1]).toEqual([told, true]);
      } else {
        // It was gone before anything was sent, and could not be reached again: then this is known for sure.
        seen.undelivered++;
        expect(told).toMatchObject({
          what: expect.stringMatching(/^(UNAVAILABLE|SERVER_EXITED)$/),
          delivered: 'no',
          executions: 0,
        });
      }
    }
    // The moments were spread over the whole of the exchange.
    expect(seen.answered).toBeGreaterThan(0);
    expect(seen.unknown).toBeGreaterThan(0);
  },
  180_000,
);
