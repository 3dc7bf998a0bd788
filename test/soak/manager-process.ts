/** The process that a soak watches: a long-lived manager put together as the program does it, and callers of chance. Speaks JSON lines. */
import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';
import { noteEvents } from '../../src/cli/event-notes.js';
import { printError, runCommand, type Session } from '../../src/cli/run.js';
import type { Terminal } from '../../src/cli/terminal.js';
import { loadConfig } from '../../src/config/load.js';
import { findPlaces } from '../../src/config/paths.js';
import type { Config } from '../../src/config/schema.js';
import { systemClock as clock } from '../../src/core/clock.js';
import { cancelled, McpctlError } from '../../src/core/errors.js';
import { Redactor } from '../../src/core/redact.js';
import { sanitizeText, toSafeJson } from '../../src/core/sanitize.js';
import { ProcessGroups } from '../../src/io/process-group.js';
import { ConfigWatcher } from '../../src/manager/config-watcher.js';
import { Manager, type Tool } from '../../src/manager/manager.js';
import { Observation } from '../../src/observe/observation.js';
import { ServerLogs } from '../../src/observe/server-logs.js';
import { ServerMemories } from '../../src/state/server-memory.js';
import { tellOnce } from '../../src/state/write-failures.js';
import { type Chance, seededChance } from './seeded-random.js';
import { StallMeter } from './stall-meter.js';

export interface ManagerProcessOptions {
  readonly seed: number;
  readonly callsPerSecond: number;
  /** May appear in no output. */
  readonly canary: string;
}

/** What the process says, one JSON document a line; `at` is added: milliseconds of its monotonic clock. */
export type Report =
  | { type: 'ready' }
  | { type: 'call'; id: number; what: string; timeoutMs: number; isReady: boolean }
  | {
      type: 'end';
      id: number;
      key: string;
      server: string;
      tool: string;
      ms: number;
      outcome: string;
      delivered?: string;
      why?: string;
    }
  | { type: 'event'; text: string }
  | { type: 'violation'; invariant: string; text: string }
  | { type: 'memory'; heapBytes: number; rssBytes: number }
  | { type: 'settled' }
  | { type: 'closed'; resources: string[]; stalledMs: number };

/** Invariant 1: later than that after its deadline, a call has not ended in time. */
const graceMs = 250;
/** A call on a server that is not connected waits for it first: an old process to end, the era to be found out, another start. */
const connectLimitMs = 20_000;
const maxPending = 300;
const forbidden = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/;

EventEmitter.defaultMaxListeners = 0;
const { seed, callsPerSecond, canary } = JSON.parse(process.argv[2]!) as ManagerProcessOptions;
const { env, pid } = process;
const stalls = new StallMeter();
const chance = seededChance(seed);
const redactor = new Redactor();
const say = (report: Report) => process.stdout.write(`${JSON.stringify({ at: Math.round(performance.now()), ...report })}\n`);
const violation = (invariant: string, text: string) => say({ type: 'violation', invariant, text });

/** Invariant 6: what a person, a script or a log would see. */
function show(text: string): void {
  if (text.includes(canary)) violation('I6', `a secret was shown: ${JSON.stringify(text.slice(0, 400))}`);
  if (forbidden.test(text)) violation('I6', `a control character was shown: ${JSON.stringify(text.slice(0, 400))}`);
}

const terminal: Terminal = {
  write: async (text) => show(text),
  writeError: show,
  readInput: async () => '',
  stdoutIsTerminal: false,
  stderrIsTerminal: false,
  colorAllowed: false,
  columns: 120,
};
const cwd = process.cwd();
const places = findPlaces(env, env.HOME!, '/tmp', process.getuid?.());
const load = () => loadConfig({ files: [], preset: undefined, cwd, env, places, cores: 2, clock, pid });
const onConfig = ({ secrets }: Config) => {
  for (const secret of secrets) redactor.add(secret);
};
const config = await load();
onConfig(config);
const onWriteFailure = tellOnce(places.stateDir, show);
const groups = new ProcessGroups({ clock, runtimeDir: places.runtimeDir, onWarning: show });
const manager = new Manager(config, {
  clock,
  random: seededChance(seed + 1).next,
  groups,
  memories: new ServerMemories(places.stateDir, onWriteFailure),
  env,
  pid,
  stop: { stdinMs: 300, termMs: 500 },
  longLived: true,
  clientVersion: '0.0.0-soak',
  loadConfig: load,
  onConfig,
});
const logs = new ServerLogs({ stateDir: places.stateDir, redactor, clock, pid, longLived: true, onWriteFailure });
logs.listen(manager.events, (server) => manager.config.servers.get(server)?.file);
noteEvents(manager.events, {
  level: 'all',
  note: (line) => show(redactor.redact(sanitizeText(line))),
  redact: (text) => redactor.redact(text),
});
const counts = { started: 0, finished: 0 };
manager.events.onAny((event) => {
  if (event.type === 'call-started') counts.started++;
  if (event.type === 'call-finished') counts.finished++;
  if (event.type === 'server-state') {
    const { server, from, to, error } = event;
    say({ type: 'event', text: `${server}: ${from} -> ${to}${error ? ` (${error.code})` : ''}` });
  }
  if (event.type === 'breaker-changed') say({ type: 'event', text: `${event.server}: breaker ${event.from} -> ${event.to}` });
  if (event.type === 'config-changed') say({ type: 'event', text: `configuration: ${JSON.stringify(event)}` });
  if (event.type === 'config-problem') say({ type: 'event', text: `configuration: ${event.message}` });
});
const watcher = new ConfigWatcher({ manager, cwd, clock });
const observation = await new Observation({
  manager,
  stateDir: manager.config.places.stateDir,
  clock,
  pid: process.pid,
  fileOf: () => undefined,
  problem: () => null,
  redact: (text) => text,
  onWriteFailure,
}).start();
const session: Session = {
  front: 'shell',
  atPrompt: false,
  terminal,
  redactor,
  cwd,
  defaults: {},
  version: '0.0.0-soak',
  open: async () => ({ config: manager.config, manager, observation }),
  host: () => {
    throw new Error('no command of the soak needs a host');
  },
  expireAfter: (ms, onExpire) => clock.after(ms, onExpire),
};

interface Pending {
  readonly what: string;
  readonly startedAt: number;
  readonly stalledMs: number;
  /** Grows when somebody gives the call up: from then on there is only the grace. */
  limitMs: number;
}
const pending = new Map<number, Pending>();
let nextId = 1;

const calling = new AbortController();
const others = new Set<Promise<unknown>>();
const beside = (work: Promise<unknown>) => {
  const own: Promise<unknown> = work
    .catch((error: Error) => violation('bug', error.stack ?? ''))
    .finally(() => others.delete(own));
  others.add(own);
};

/** How much later than its limit it is, without the time in which the machine did not let this process run. */
const lateMs = ({ startedAt, stalledMs, limitMs }: Pending) =>
  performance.now() - startedAt - (stalls.totalMs() - stalledMs) - limitMs;

const idempotentHint = { annotations: { idempotentHint: true } };
const tools: readonly { readonly name: string; readonly weight: number; readonly more?: Partial<Tool> }[] = [
  { name: 'echo', weight: 40, more: idempotentHint },
  { name: 'record', weight: 32, more: idempotentHint },
  { name: 'big', weight: 6, more: idempotentHint },
  { name: 'leak', weight: 6 },
  { name: 'hang', weight: 4 },
  { name: 'burst', weight: 3 },
  { name: 'die', weight: 1 },
];
const tickets = tools.flatMap(({ weight }, index) => Array<number>(weight).fill(index));

/** One call of chance. Everything that chance decides is decided before the first wait: the same seed makes the same calls. */
async function call(server: string, chance: Chance, forced?: string): Promise<boolean> {
  const { name, more } = forced ? tools.find((tool) => tool.name === forced)! : tools[chance.pick(tickets)]!;
  const id = nextId++;
  const key = `c${id}`;
  const timeoutMs = forced ? 3_000 : chance.pick([300, 1_000, 3_000]);
  const ms = chance.happens(0.3) ? chance.between(1, 400) : 0;
  const bytes = chance.pick([1_000, 100_000, 1_000_000]);
  const fails = chance.happens(0.5);
  const giveUpMs = !forced && chance.happens(0.05) ? chance.between(0, 500) : undefined;
  const args = { tag: key, key, ms, bytes, fails, count: chance.pick([1, 50, 1_000]) };
  const tool: Tool = { name, inputSchema: { type: 'object' }, ...more };
  const isReady = manager.snapshot([server])[0]!.status === 'connected';
  const what = `${server}/${name} ${key}`;
  const stop = new AbortController();
  const one: Pending = {
    what,
    startedAt: performance.now(),
    stalledMs: stalls.totalMs(),
    limitMs: timeoutMs + graceMs + (isReady ? 0 : connectLimitMs),
  };
  pending.set(id, one);
  say({ type: 'call', id, what, timeoutMs, isReady });
  const cancel =
    giveUpMs !== undefined &&
    clock.after(giveUpMs, () => {
      one.limitMs = Math.min(one.limitMs, performance.now() - one.startedAt + graceMs);
      stop.abort(cancelled());
    });
  let outcome = 'ok';
  let delivered: string | undefined;
  let why: string | undefined;
  try {
    const result = await manager.call({ server, tool, args, timeoutMs, signal: stop.signal });
    const said = (result.content as { text?: string }[]).map(({ text = '' }) => text).join('');
    // An error of a tool is thrown by the servers of the older era, and a result of the newer one.
    if (result.isError === true) outcome = 'TOOL_ERROR';
    else if (!isAnswerTo(said, server, name, key, bytes)) violation('I2', `${what} got ${JSON.stringify(said.slice(0, 200))}`);
    show(toSafeJson(name === 'big' ? {} : { ...result, content: redactor.redactData(result.content) }));
  } catch (error) {
    if (!(error instanceof McpctlError) || error.code === 'INTERNAL')
      violation('bug', `${what} ended with ${(error as Error)?.stack ?? String(error)}`);
    outcome = error instanceof McpctlError ? error.code : 'INTERNAL';
    delivered = error instanceof McpctlError ? error.delivered : undefined;
    why = sanitizeText(redactor.redact((error as Error).message)).slice(0, 200);
    printError(error, { json: id % 2 === 0, verbose: true }, session);
  }
  if (cancel) cancel();
  if (!pending.delete(id)) violation('I1', `${what} ended twice`);
  const late = lateMs(one);
  if (late > 0)
    violation('I1', `${what} (${timeoutMs} ms, ${outcome}) ended ${Math.round(late + graceMs)} ms after its deadline`);
  const ended = { id, key, server, tool: name, ms: Math.round(performance.now() - one.startedAt), outcome };
  say({ type: 'end', ...ended, ...(delivered && { delivered }), ...(why && { why }) });
  // Nobody but a person starts a server that was killed too often.
  if (outcome === 'CRASH_LOOP' && id % 10 === 0 && !calling.signal.aborted)
    beside(manager.reconnect(server, calling.signal).catch(() => {}));
  return outcome === 'ok';
}

/** The name of the server in the answer may be that of any replica: they share it. */
function isAnswerTo(said: string, server: string, tool: string, key: string, bytes: number): boolean {
  const expected = `${server}:${key}`;
  if (tool === 'big') return said.length === expected.length + 1 + bytes && said.startsWith(`${expected}:x`);
  return tool === 'leak' ? said.startsWith(`${expected} `) : said === expected;
}

/** A command as somebody would type it: its output must be clean, whatever happens to the servers. */
async function command(name: string): Promise<void> {
  const key = `c${nextId++}`;
  const words = chance.pick([
    ['status', '--no-connect', '--json'],
    ['status', '--no-connect'],
    ['servers'],
    ['cache'],
    ['breaker', name],
    ['logs', name, '-n', '100'],
    ['logs', name, '-n', '100', '--json'],
    ['tools', name, '--timeout', '2s'],
    ['call', `${name}/leak`, `key=${key}`, 'fails:=true', '--timeout', '2s'],
    ['call', `${name}/leak`, `key=${key}`, '--timeout', '2s', '--json'],
  ]);
  say({ type: 'event', text: `mcpctl ${words.join(' ')}` });
  const code = await runCommand(words, session, new AbortController().signal);
  if (code === 1) violation('bug', `mcpctl ${words.join(' ')} ended with exit code 1`);
}

/** What else people do to a manager. */
async function interfere(name: string): Promise<void> {
  const what = chance.pick(['reconnect', 'reconnect', 'clear', 'refresh', 'ping', 'reset', 'disable']);
  const ms = chance.between(50, 1_000);
  say({ type: 'event', text: `${what} ${name}` });
  const signal = AbortSignal.timeout(5_000);
  try {
    if (what === 'reconnect') await manager.reconnect(name, signal);
    if (what === 'clear') await manager.clearCaches([name]);
    if (what === 'refresh') await manager.listTools(name, signal, { refresh: true });
    if (what === 'ping') await manager.ping(name, signal);
    if (what === 'reset') manager.steerBreaker(name, 'reset');
    if (what !== 'disable') return;
    await manager.setEnabled(name, false, { persist: false, signal });
    await clock.sleep(ms);
    await manager.setEnabled(name, true, { persist: false, signal });
  } catch (error) {
    if (error instanceof McpctlError && error.code === 'INTERNAL') violation('bug', `${what} ${name}: ${error.stack}`);
    if (error instanceof McpctlError) printError(error, { json: false, verbose: true }, session);
    else if (!signal.aborted) violation('bug', `${what} ${name}: ${(error as Error).stack}`);
  }
}

async function keepCalling(): Promise<void> {
  while (!calling.signal.aborted) {
    const names = manager.names();
    const burst = chance.happens(0.03) ? 20 : 1;
    const name = chance.pick(names);
    for (let i = 0; i < burst && pending.size < maxPending; i++) beside(call(name, chance));
    if (chance.happens(0.03)) beside(command(name));
    if (chance.happens(0.01)) beside(interfere(name));
    await clock.sleep((-Math.log(1 - chance.next()) * 1_600) / callsPerSecond, calling.signal).catch(() => {});
  }
}

/** The faults are over: every server has to be of use again, at the latest when somebody asks for it. */
async function settle(): Promise<void> {
  calling.abort();
  while (pending.size > 0 || others.size > 0) await clock.sleep(20);
  if (counts.started !== counts.finished) violation('I1', `${counts.started} calls began, ${counts.finished} ended`);
  const limit = performance.now() + 45_000;
  for (const name of manager.names()) {
    await manager.setEnabled(name, true, { persist: false, signal: new AbortController().signal });
    for (let good = 0; good < 3; ) {
      if (await call(name, chance, 'echo')) {
        good++;
        continue;
      }
      good = 0;
      if (performance.now() > limit) {
        violation('usable again', `${name}: ${JSON.stringify(manager.snapshot([name])[0])}`);
        break;
      }
      await clock.sleep(500);
      await manager.reconnect(name, new AbortController().signal).catch(() => {});
    }
  }
}

const overdue = setInterval(() => {
  for (const [id, one] of pending) {
    if (lateMs(one) < 1_000) continue;
    violation('I1', `${one.what} has not ended ${Math.round(lateMs(one) + graceMs)} ms after its deadline`);
    pending.delete(id);
  }
}, 500);
const memory = setInterval(() => {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed: heapBytes, rss: rssBytes } = process.memoryUsage();
  say({ type: 'memory', heapBytes, rssBytes });
}, 2_000);

async function close(): Promise<void> {
  calling.abort();
  // There are calls under way when somebody leaves.
  for (let i = 0; i < 20; i++) beside(call(chance.pick(manager.names()), chance));
  await watcher[Symbol.asyncDispose]();
  await observation[Symbol.asyncDispose]();
  await manager[Symbol.asyncDispose]();
  await logs[Symbol.asyncDispose]();
  await groups[Symbol.asyncDispose]();
  if (pending.size > 0) await clock.sleep(graceMs);
  for (const { what } of pending.values()) violation('I1', `${what} goes on though everything was closed`);
  for (const timer of [overdue, memory]) clearInterval(timer);
  const stalledMs = Math.round(stalls.totalMs());
  stalls[Symbol.dispose]();
  // What closes in this turn of the event loop is still in the list.
  await new Promise((resolve) => setImmediate(resolve));
  say({ type: 'closed', resources: process.getActiveResourcesInfo(), stalledMs });
  // From here on nothing may keep this process alive: it has to end by itself.
  process.stdin.destroy();
}

await watcher.ready;
manager.start();
say({ type: 'ready' });
void keepCalling();
for await (const order of createInterface({ input: process.stdin })) {
  if (order === 'settle') {
    await settle();
    say({ type: 'settled' });
  }
  if (order === 'close') {
    await close();
    break;
  }
}
