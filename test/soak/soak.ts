/** The soak: a manager under calls and faults of chance for a while; afterwards every server is of use again, and nothing is left. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { findProcesses } from '../support/no-leftovers.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';
import { drawFaults, type Fault } from './faults.js';
import { Ledger } from './ledger.js';
import type { ManagerProcessOptions, Report } from './manager-process.js';
import { seededChance } from './seeded-random.js';
import { firstOptions, startWorld } from './world.js';

export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly callsPerSecond?: number;
  /** Told about every half a minute how it goes. */
  readonly onProgress?: (text: string) => void;
}

export interface SoakResult {
  readonly violations: readonly string[];
  /** What happened up to the first violation. */
  readonly history: string;
  /** `ok`, or the code of an error, to the number of calls that ended so. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly executions: number;
  readonly faults: number;
  readonly heapGrowthBytes: number;
}

const canary = 'CANARY-4711-no-output-may-show-this';
/** Invariant 5. Caches fill, code is compiled, and a run is short: what grows with the number of calls is far more than this. */
const maxHeapGrowthBytes = 8 * 1024 * 1024;
/** What keeps a process alive, and what it may not have after it has closed everything. */
const resourceKinds = /^(TCP|TLS|Process|FSEvent|Timeout|Pipe(Server|Connect)|HTTP)/;

export async function runSoak({ seed, seconds, callsPerSecond = 30, onProgress = () => {} }: SoakOptions): Promise<SoakResult> {
  await using home = await tempHome({ SOAK_CANARY: canary });
  await using place = await tempHome();
  await using world = await startWorld(home, place.path, canary);
  await world.configure(firstOptions);
  const ledger = new Ledger(world.trusted);
  const manager = await startManager(home, { seed: seed + 1, callsPerSecond, canary }, ledger);
  let faults = 0;
  try {
    await manager.says('ready', 20_000);
    const chance = seededChance(seed);
    const draw = drawFaults(world, chance);
    const running = new Set<{ readonly timer: NodeJS.Timeout; readonly end: NonNullable<Fault['end']> }>();
    const endsAt = performance.now() + seconds * 1_000;
    let toldAt = performance.now();
    while (performance.now() < endsAt && ledger.violations.length === 0 && !manager.isOver()) {
      await pause(chance.between(50, 900));
      const fault = draw();
      faults++;
      ledger.note(`*** ${fault.text}`);
      await fault.begin();
      const { end } = fault;
      if (end) {
        const timer = setTimeout(() => {
          running.delete(one);
          ledger.note(`*** over: ${fault.text}`);
          void end();
        }, fault.forMs);
        const one = { timer, end };
        running.add(one);
      }
      ledger.executed(world.newExecutions());
      if (performance.now() - toldAt < 30_000) continue;
      toldAt = performance.now();
      onProgress(`${Math.round((endsAt - toldAt) / 1_000)} s left, ${faults} faults, ${JSON.stringify(ledger.outcomes)}`);
    }
    for (const { timer, end } of running) {
      clearTimeout(timer);
      await end();
    }
    for (const server of world.webs) {
      server.kill('SIGCONT');
      server.up();
      server.proxy.clear();
      await server.proxy.up();
      await server.order({ gate: { status: 200, headers: {}, times: 0 } });
    }
    for (const name of world.stdioNames) world.signal(name, 'SIGCONT');
    ledger.note('*** no more faults');
    // After a violation its consequences are of no use to anybody.
    if (ledger.violations.length === 0) {
      manager.order('settle');
      await manager.says('settled', 120_000);
    }
    manager.order('close');
    const { resources, stalledMs } = await manager.says('closed', 30_000);
    ledger.note(`closed; the machine kept the process waiting for ${stalledMs} ms`);
    const left = resources.filter((kind) => resourceKinds.test(kind));
    if (left.length > 0) ledger.violate('I4', `open after everything was closed: ${left.join(', ')}`);
    await waitFor(() => manager.isOver(), { timeoutMs: 5_000, what: 'the process to end by itself' }).catch((error: Error) =>
      ledger.violate('I4', error.message),
    );
    ledger.executed(world.newExecutions());
    const survivors = findProcesses(home.path).filter(({ pid }) => pid !== manager.pid);
    if (survivors.length > 0) ledger.violate('I4', `processes left: ${survivors.map(({ command }) => command).join('; ')}`);
    const growth = ledger.heapGrowth();
    if (growth > maxHeapGrowthBytes) ledger.violate('I5', `the heap grew from ${ledger.heapBytes.join(', ')}`);
    await checkFiles(home, ledger);
  } catch (error) {
    ledger.violate('soak', `${(error as Error).stack}\n${manager.stderr()}`);
  } finally {
    manager.kill();
  }
  const { violations, outcomes, executions } = ledger;
  return { violations, history: ledger.history(), outcomes, executions, faults, heapGrowthBytes: ledger.heapGrowth() };
}

/** Invariant 6 for what was written down. */
async function checkFiles(home: TempHome, ledger: Ledger): Promise<void> {
  for (const name of await readdir(home.stateDir, { recursive: true })) {
    const text = await readFile(join(home.stateDir, name), 'utf8').catch(() => '');
    if (text.includes(canary)) ledger.violate('I6', `the secret stands in ${name}`);
    const [found] = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.exec(text) ?? [];
    if (found) ledger.violate('I6', `${JSON.stringify(found)} stands in ${name}`);
  }
}

async function startManager(home: TempHome, options: ManagerProcessOptions, ledger: Ledger) {
  const file = join(home.path, 'manager-process.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('manager-process.ts', import.meta.url))],
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    mainFields: ['module', 'main'],
    external: ['@napi-rs/keyring'],
    define: { __MCPCTL_VERSION__: '"0.0.0-soak"' },
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  await mkdir(home.projectDir, { recursive: true });
  const child = spawn(process.execPath, ['--expose-gc', file, JSON.stringify(options)], {
    cwd: home.projectDir,
    env: home.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  let isOver = false;
  const said = new Map<Report['type'], Report>();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-10_000);
  });
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = JSON.parse(line) as Report;
    said.set(report.type, report);
    ledger.hear(report);
  });
  const exited = once(child, 'close').then(([code, signal]) => {
    isOver = true;
    if (code !== 0) ledger.violate('bug', `the process ended with ${code ?? signal}\n${stderr}`);
  });
  return {
    pid: child.pid!,
    stderr: () => stderr,
    isOver: () => isOver,
    order: (word: string) => void child.stdin.write(`${word}\n`),
    async says<T extends Report['type']>(type: T, timeoutMs: number): Promise<Extract<Report, { type: T }>> {
      const what = () => `the process to say "${type}"; stderr: ${stderr}`;
      await waitFor(() => said.has(type) || isOver, { timeoutMs, what });
      const report = said.get(type);
      if (!report) throw new Error(`The process ended before it said "${type}": ${stderr}`);
      return report as Extract<Report, { type: T }>;
    },
    kill: () => void (isOver || child.kill('SIGKILL')),
    exited,
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
