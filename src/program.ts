/** The program itself: decides between REPL, batch, one-shot and manager, builds what they need, and ends cleanly. */

import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoginFlows } from './auth/login.js';
import { Logins } from './auth/logins.js';
import { glance, runAttached } from './cli/attach.js';
import type { Host } from './cli/command.js';
import { noteEvents } from './cli/event-notes.js';
import { type GlobalOptions, namesCommand, parse } from './cli/parse.js';
import { createProgress } from './cli/progress.js';
import { registry } from './cli/registry.js';
import type { ReplTarget } from './cli/repl-target.js';
import { runCommand, type Session } from './cli/run.js';
import { loadConfig } from './config/load.js';
import { managerAddress } from './config/manager-address.js';
import { findPlaces } from './config/paths.js';
import { formatProblem } from './config/position.js';
import type { Config } from './config/schema.js';
import { systemClock, systemRandom } from './core/clock.js';
import { cancelled } from './core/errors.js';
import { Redactor } from './core/redact.js';
import { sanitizeText } from './core/sanitize.js';
import { contextOf } from './core/tracing.js';
import type { ControlSocket } from './gateway/control-socket.js';
import type { HttpEndpoint } from './gateway/http.js';
import { keepNewSpaceSmall } from './io/lean-heap.js';
import { ProcessGroups } from './io/process-group.js';
import { proxySecrets } from './io/proxy.js';
import type { ConfigWatcher } from './manager/config-watcher.js';
import { Manager } from './manager/manager.js';
import { Logs } from './observe/logs.js';
import { Observation } from './observe/observation.js';
import { openTelemetry, type Telemetry } from './observe/telemetry.js';
import { handleBugs, handleSignals, silenceLibraries } from './process-end.js';
import { processTerminal } from './process-terminal.js';
import { ServerMemories } from './state/server-memory.js';
import { tellOnce } from './state/write-failures.js';

declare const __MCPCTL_VERSION__: string;

// A hundred servers may listen to one signal; Node would print a warning about it into our stderr.
EventEmitter.defaultMaxListeners = 0;

const { argv, env, pid, stdin, stdout } = process;
const words = argv.slice(2);
const clock = systemClock;
const version = __MCPCTL_VERSION__;
const redactor = new Redactor();
const interruption = new AbortController();
const terminal = processTerminal(() => interruption.abort(cancelled('SIGTERM')));
const places = findPlaces(env, homedir(), tmpdir(), process.getuid?.());
let manager: Manager | undefined;
let watcher: ConfigWatcher | undefined;
let groups: ProcessGroups | undefined;
let logs: Logs | undefined;
let logins: Logins | undefined;
let loginFlows: Promise<LoginFlows> | undefined;
let control: ControlSocket | undefined;
let observation: Observation | undefined;
let http: HttpEndpoint | undefined;
let telemetry: Telemetry | undefined;

/** Does not resolve: the process ends with the command. Rejects for what went wrong while it ended. */
export const done = run();

async function run(): Promise<void> {
  handleSignals({ interruption, clock, onExit });
  handleBugs((text) => redactor.redact(sanitizeText(text)));
  silenceLibraries();
  let code: number;
  try {
    code = await runFront();
  } finally {
    await close();
  }
  await terminal.drained();
  // Explicit, so that a forgotten handle of a library cannot keep a finished command alive.
  process.exit(terminal.brokenCode ?? code);
}

/** Whatever way the process ends: no server outlives it, and what was said is kept. */
function onExit(): void {
  groups?.killAllNow();
  logs?.flushNow();
}

async function runFront(): Promise<number> {
  const { signal } = interruption;
  const json = env.MCPCTL_JSON === '1';
  if (namesCommand(words) || glance(words).isHere) return runCommand(words, newSession({ json }, false), signal);

  const globals = await parse(words, registry, 'shell').then(
    (parsed) => parsed.globals,
    () => undefined,
  );
  // Wrong flags are told the same way everywhere: by running into the same error.
  if (!globals) return runCommand(words, newSession({ json }, false), signal);
  const { quiet, verbose, noColor, keepGoing } = globals;
  const isTerminal = stdin.isTTY && stdout.isTTY;
  const base = newSession({ json: json || globals.json, quiet, verbose, noColor }, isTerminal);
  const mayAttach = !globals.noAttach && env.MCPCTL_NO_ATTACH !== '1';
  // The configuration is that of the command line; the lines cannot name another.
  const session: Session = {
    ...base,
    open: (_, stays) => base.open(globals, stays),
    host: () => base.host(globals),
    ...(mayAttach && { remote: remoteRun(globals) }),
  };
  if (!isTerminal) {
    const { runBatch } = await import('./cli/batch.js');
    return runBatch({ input: stdin, session, keepGoing, signal });
  }
  const isDumb = env.TERM === 'dumb';
  if (!isDumb && !json && !globals.json && !quiet && globals.config.length === 0) {
    const { offerFirstServer } = await import('./cli/first-run.js');
    await offerFirstServer({ session, places, env, stdin, stdout, signal });
  }
  const { runRepl } = await import('./cli/repl.js');
  return runRepl({
    session,
    stdin,
    stdout,
    target: () => replTarget(session, globals, mayAttach),
    historyFile: join(places.stateDir, 'history'),
    redactor,
    clock,
    signal,
    isDumb,
    version,
  });
}

function newSession(defaults: Session['defaults'], isRepl: boolean): Session {
  let opened: ReturnType<Session['open']> | undefined;
  return {
    front: isRepl ? 'repl' : 'shell',
    atPrompt: false,
    terminal,
    redactor,
    cwd: process.cwd(),
    defaults,
    version,
    open: (globals, stays = false) => (opened ??= openManager(globals, isRepl ? 'repl' : stays ? 'view' : 'command')),
    host: (globals) => hostFor(globals),
    expireAfter: (ms, onExpire) => clock.after(ms, onExpire),
    progress: createProgress({ clock, redactor, terminal }),
  };
}

/** Builds the manager; nothing connects yet. */
async function openManager(globals: GlobalOptions, kind: 'command' | 'view' | 'repl' | 'manager') {
  const longLived = kind !== 'command';
  if (longLived) keepNewSpaceSmall();
  const cwd = process.cwd();
  const { config: files, preset } = globals;
  const load = () => loadConfig({ files, preset, cwd, env, places, cores: availableParallelism(), clock, pid });
  for (const secret of proxySecrets(env)) redactor.add(secret);
  const onConfig = ({ secrets }: Config) => {
    for (const secret of secrets) redactor.add(secret);
  };
  const config = await load();
  onConfig(config);
  const note = (line: string) => {
    if (globals.quiet || (globals.json && !globals.verbose)) return;
    // What stands in a log is read later.
    const at = kind === 'manager' && !terminal.stderrIsTerminal ? `${clock.date().toISOString()}  ` : '';
    terminal.writeError(`${at}${redactor.redact(sanitizeText(line))}\n`);
  };
  // What is wrong with one server is told when that server is wanted; the REPL tells the rest in its own way.
  const warnings = kind === 'repl' ? [] : config.problems.filter(({ severity }) => severity === 'warning');
  for (const problem of warnings) note(`warning: ${formatProblem(problem)}`);
  const onWarning = (message: string) => manager?.events.emit({ type: 'warning', server: null, message });
  const onWriteFailure = tellOnce(places.stateDir, onWarning);
  logins = new Logins({
    ...places,
    env,
    clock,
    pid,
    keychainHelper: fileURLToPath(new URL('./keychain-helper.cjs', import.meta.url)),
    isAttended: kind !== 'manager' && terminal.ask !== undefined,
    configured: () => (manager?.config ?? config).credentialStore,
    onSecret: (secret) => redactor.add(secret),
    onWarning,
  });
  groups = new ProcessGroups({ clock, runtimeDir: places.runtimeDir, onWarning });
  telemetry = await openTelemetry({ env, clock, redactor, version, longLived, onWarning });
  manager = new Manager(config, {
    clock,
    random: systemRandom,
    groups,
    memories: new ServerMemories(places.stateDir, onWriteFailure),
    env,
    pid,
    // A one-shot has nothing in flight when it ends: servers that linger would only cost time.
    stop: { stdinMs: longLived ? 1000 : 50, termMs: 1000 },
    longLived,
    clientVersion: version,
    tracer: telemetry?.tracer,
    logins,
    loginFlows: () => (loginFlows ??= openLoginFlows()),
    loadConfig: load,
    onConfig,
  });
  const own = manager;
  const level = () => own.config.log.level;
  logs = new Logs({ stateDir: places.stateDir, redactor, clock, pid, longLived, version, level, onWriteFailure });
  logs.listen(own.events, (server) => own.config.servers.get(server)?.file);
  if (kind !== 'command') logs.started(kind, config.problems);
  observation = await new Observation({
    manager: own,
    stateDir: places.stateDir,
    clock,
    pid,
    fileOf: (server) => own.config.servers.get(server)?.file,
    problem: configurationProblem,
    redact: (text) => redactor.redact(text),
    onWriteFailure,
  }).start();
  if (longLived) void watchConfiguration(own, cwd);
  if (kind !== 'repl')
    noteEvents(manager.events, {
      level: kind === 'manager' ? 'states' : globals.verbose ? 'all' : 'warnings',
      note,
      redact: (text) => redactor.redact(text),
    });
  return { config, manager, observation, note };
}

/** Null: what is on the disk is in force. */
function configurationProblem(): string | null {
  return watcher?.problem === undefined ? null : redactor.redact(sanitizeText(watcher.problem));
}

/** Offers figures and health over HTTP. @throws as `HttpEndpoint.open` */
async function offer({ manager, observation }: { manager: Manager; observation: Observation }): Promise<HttpEndpoint> {
  const { HttpEndpoint } = await import('./gateway/http.js');
  http = await HttpEndpoint.open({ options: manager.config.metrics, observation, redactor });
  return http;
}

async function openLoginFlows(): Promise<LoginFlows> {
  const { LoginFlows } = await import('./auth/login.js');
  return new LoginFlows({ clock, env, stateDir: places.stateDir, onSecret: (secret) => redactor.add(secret) });
}

async function watchConfiguration(own: Manager, cwd: string): Promise<void> {
  const { ConfigWatcher } = await import('./manager/config-watcher.js');
  watcher = new ConfigWatcher({ manager: own, cwd, clock });
}

function addressOf({ config, preset }: GlobalOptions) {
  return managerAddress({ places, cwd: process.cwd(), files: config, preset, tmp: tmpdir() });
}

/** Runs single lines of a REPL or a batch in the manager that is there. */
function remoteRun(globals: GlobalOptions): NonNullable<Session['remote']> {
  const options = { address: addressOf(globals), uid: process.getuid?.(), version, clock };
  return async (line, session, signal, where) => {
    if (control || manager) return undefined;
    const { terminal, atPrompt, cwd } = session;
    const { json = false, quiet = false, verbose = false, noColor = false } = session.defaults;
    const command = { words: line, front: 'repl', atPrompt, cwd, json, quiet, verbose, noColor, where } as const;
    return runAttached(options, { ...command, trace: contextOf(env) }, terminal, signal);
  };
}

/** The manager that runs already, else one of our own that others can attach to. */
async function replTarget(session: Session, globals: GlobalOptions, mayAttach: boolean): Promise<ReplTarget> {
  const { attachedTarget, ownTarget } = await import('./cli/repl-target.js');
  if (mayAttach && !manager) {
    const attached = await attachedTarget({ address: addressOf(globals), uid: process.getuid?.(), version, clock }, redactor);
    if (attached) return attached;
  }
  const opened = await session.open(globals);
  const target = ownTarget(opened);
  if (mayAttach) {
    // The session works without it: others then start servers of their own.
    const listening = listen(opened, globals, { kind: 'repl' }).catch((error: Error) => warn(opened.manager, error));
    const start = () => {
      void listening.then(() => opened.manager.start());
      if (opened.config.metrics.enabled) offer(opened).catch((error: Error) => warn(opened.manager, error));
    };
    return { ...target, start };
  }
  return target;
}

/** Lets others attach to the manager of this process. @throws ManagerRunning when there is another one */
async function listen(
  { manager: own, observation }: { manager: Manager; observation: Observation },
  globals: GlobalOptions,
  { kind, onStop = () => {}, onClients }: { kind: 'up' | 'repl'; onStop?: () => void; onClients?: (count: number) => void },
): Promise<void> {
  const [{ ControlSocket }, { tellNews }, { runForAttached }] = await Promise.all([
    import('./gateway/control-socket.js'),
    import('./cli/manager-news.js'),
    import('./cli/attached-session.js'),
  ]);
  const host = hostFor(globals);
  control = await ControlSocket.open({
    address: host.address,
    clock,
    pid,
    uid: host.uid,
    version,
    kind,
    run: runForAttached({ manager: own, observation, redactor, clock, version, host }),
    watch: (tell) => tellNews(own, tell),
    problem: configurationProblem,
    onStop,
    onLost: (message, toAnother) => {
      const what = toAnother ? `${message}, and commands ask that one now` : `commands cannot find this manager: ${message}`;
      own.events.emit({ type: 'warning', server: null, message: what });
      if (toAnother) onStop();
    },
    ...(onClients && { onClients }),
  });
}

/** Is a manager until the signal is aborted, somebody stops it, or nobody has asked it for `idleMs`. */
async function serve(
  globals: GlobalOptions,
  { idleMs, signal }: { idleMs: number | undefined; signal: AbortSignal },
): Promise<void> {
  const opened = await openManager(globals, 'manager');
  const { manager, note } = opened;
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  let cancelIdle = () => {};
  const onClients = (count: number) => {
    cancelIdle();
    if (idleMs !== undefined && count === 0) cancelIdle = clock.after(idleMs, stop);
  };
  const place = () => listen(opened, globals, { kind: 'up', onStop: stop, onClients });
  const { offerAndListen } = await import('./gateway/offer.js');
  const offered = await offerAndListen({
    options: manager.config.metrics,
    offer: () => offer(opened),
    listen: place,
    isAnotherThere: () => existsSync(addressOf(globals).record),
  });
  if (offered instanceof Error) warn(manager, offered);
  else if (offered) note(`figures and health: ${offered.url}/metrics and ${offered.url}/health`);
  onClients(0);
  manager.start();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await stopped;
  cancelIdle();
  signal.throwIfAborted();
}

function warn(own: Manager, { message }: Error): void {
  own.events.emit({ type: 'warning', server: null, message });
}

function hostFor(globals: GlobalOptions): Host {
  const address = addressOf(globals);
  const ownFlags = [...globals.config.flatMap((file) => ['-c', file]), ...(globals.preset ? ['--preset', globals.preset] : [])];
  return {
    address,
    version,
    uid: process.getuid?.(),
    clock,
    get isManager() {
      return control !== undefined;
    },
    startManager: async ({ idleMs }) => {
      const { startSelf } = await import('./io/self.js');
      const idle = idleMs === undefined ? [] : ['--idle', `${idleMs}ms`];
      return startSelf(['up', '--foreground', ...idle, ...ownFlags], { log: address.log, cwd: process.cwd() });
    },
    serve: (options) => serve(globals, options),
    kill: (target, name) => void process.kill(target, name),
  };
}

/** Servers first, then what is left of processes; what an earlier mcpctl could not clean up is looked for on the way out. */
async function close(): Promise<void> {
  // Those who attached see their commands end before their servers go.
  await control?.[Symbol.asyncDispose]().catch(() => {});
  await http?.[Symbol.asyncDispose]();
  if (!groups) return;
  await watcher?.[Symbol.asyncDispose]();
  // What was counted is written, and sent, while the servers are closed.
  void telemetry?.flush();
  await Promise.allSettled([observation?.[Symbol.asyncDispose](), manager?.[Symbol.asyncDispose](), groups.sweepOrphans()]);
  await telemetry?.[Symbol.asyncDispose]();
  await logins?.[Symbol.asyncDispose]();
  await groups[Symbol.asyncDispose]();
  // The last words of the servers are said by now.
  await logs?.[Symbol.asyncDispose]();
}
