/** The servers of a soak, each HTTP one behind a proxy that spoils its connections, and the configuration that names them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { findProcesses } from '../support/no-leftovers.js';
import type { TempHome } from '../support/temp-home.js';
import { startToxicProxy, type ToxicProxy } from '../support/toxic-proxy.js';

const program = fileURLToPath(new URL('../fixtures/servers/soak.mjs', import.meta.url));

/** What may be told to a running server at its own port, past the proxy. */
export interface Orders {
  readonly gate?: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly times: number };
  readonly forget?: true;
}

/** An HTTP or SSE server that is started again at the same port whenever it is wanted. */
export class WebServer implements AsyncDisposable {
  #child: ChildProcess | undefined;
  #isWanted = true;

  private constructor(
    readonly name: string,
    readonly address: string,
    readonly proxy: ToxicProxy,
    readonly port: number,
    readonly start: (port: number) => ChildProcess,
  ) {}

  static async start(name: string, words: readonly string[], folder: string, canary: string): Promise<WebServer> {
    const start = (port: number) =>
      spawn(process.execPath, [program, name, folder, ...words, String(port)], {
        env: { PATH: process.env.PATH ?? '', SOAK_TOKEN: canary },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
    const child = start(0);
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
    const port = Number(line);
    const proxy = await startToxicProxy(port);
    const server = new WebServer(name, `${proxy.url}/mcp`, proxy, port, start);
    server.#watch(child);
    return server;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Keeps it from being started again until `up`. */
  down(): void {
    this.#isWanted = false;
    this.kill('SIGKILL');
  }

  up(): void {
    this.#isWanted = true;
    if (!this.#child) this.#watch(this.start(this.port));
  }

  async order(orders: Orders): Promise<void> {
    const body = JSON.stringify(orders);
    const limit = AbortSignal.timeout(500);
    await fetch(`http://127.0.0.1:${this.port}/_do`, { method: 'POST', body, signal: limit }).catch(() => {});
  }

  #watch(child: ChildProcess): void {
    this.#child = child;
    child.stdin!.on('error', () => {});
    child.once('exit', () => {
      this.#child = undefined;
      // One that ended by itself: somebody called `die`.
      if (this.#isWanted) setTimeout(() => this.#isWanted && this.up(), 300);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isWanted = false;
    const child = this.#child;
    if (child) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await this.proxy[Symbol.asyncDispose]();
  }
}

export interface World extends AsyncDisposable {
  readonly webs: readonly WebServer[];
  readonly stdioNames: readonly string[];
  /** Servers whose word on a second run may be believed. */
  readonly trusted: ReadonlySet<string>;
  /** Signals the process of a stdio server, if it runs. */
  signal(name: string, signal: NodeJS.Signals): void;
  configure(options: Options): Promise<void>;
  /** The executions written down since the last look, each `<server> <key>`. */
  newExecutions(): string[];
}

/** What edits of the configuration change. */
export interface Options {
  readonly hasGuest: boolean;
  readonly hasSecondReplica: boolean;
  readonly callSeconds: number;
}

export const firstOptions: Options = { hasGuest: true, hasSecondReplica: true, callSeconds: 30 };

/** @param folder outside the home of the manager: what carries the path of the home was started by the manager */
export async function startWorld(home: TempHome, folder: string, canary: string): Promise<World> {
  const web = (name: string, ...words: string[]) => WebServer.start(name, words, folder, canary);
  const [old, modern, events, one, two] = await Promise.all([
    web('http-old', 'http', 'legacy'),
    web('http-new', 'http', 'modern'),
    web('events', 'sse', 'legacy'),
    web('replicas', 'http', 'legacy'),
    web('replicas', 'http', 'legacy'),
  ]);
  const stdio = (name: string, era: string) => ({
    command: process.execPath,
    args: [program, name, folder, 'stdio', era],
    env: { SOAK_TOKEN: '${SOAK_CANARY}' },
  });
  const headers = { 'x-api-key': '${SOAK_CANARY}' };
  const executions = join(folder, 'executions');
  let read = 0;
  const definition = ({ hasGuest, hasSecondReplica, callSeconds }: Options) => ({
    defaults: {
      timeouts: { connect: '2s', initialize: '4s', list: '3s', call: `${callSeconds}s` },
      health: { interval: '2s', timeout: '1s' },
      // Short, or most of the time the callers would be refused at once.
      circuitBreaker: { timeout: '1s' },
      retry: { preset: 'quick' },
    },
    mcpServers: {
      'stdio-old': stdio('stdio-old', 'legacy'),
      'stdio-new': { ...stdio('stdio-new', 'modern'), concurrency: { inFlight: 4, queue: 8 } },
      'http-old': { url: old!.address, type: 'http', headers },
      'http-new': { url: modern!.address, type: 'http', headers, stateless: true, pool: { max: 4 } },
      events: { url: events!.address, type: 'sse', headers },
      replicas: {
        endpoints: [{ url: one!.address }, ...(hasSecondReplica ? [{ url: two!.address }] : [])],
        headers,
        stateless: true,
        trust: { annotations: true },
        balance: 'least-connections',
      },
      ...(hasGuest ? { guest: stdio('guest', 'legacy') } : {}),
    },
  });
  const webs = [old!, modern!, events!, one!, two!];
  return {
    webs,
    stdioNames: ['stdio-old', 'stdio-new', 'guest'],
    trusted: new Set(['replicas']),
    signal(name, signal) {
      for (const { pid, command } of findProcesses(home.path))
        if (command.startsWith(`${process.execPath} ${program} ${name} `)) killQuietly(pid, signal);
    },
    async configure(options) {
      // As editors save: the new text takes the name of the old one.
      await rename(await home.write('config/new.json', definition(options)), join(home.configDir, 'config.json'));
    },
    newExecutions() {
      const text = readText(executions).subarray(read);
      const end = text.lastIndexOf(10) + 1;
      read += end;
      return text.subarray(0, end).toString().split('\n').filter(Boolean);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(webs.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended while we looked.
  }
}

function readText(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0);
  }
}
