/** MCP over the pipes of a child process: fails calls as soon as no answer can come, survives whatever the server prints. */
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import type { Clock } from '../core/clock.js';
import { type Delivered, McpctlError } from '../core/errors.js';
import type { ExitStatus, ProcessGroup, ProcessGroups, SpawnOptions, StopOptions, StoppedBy } from '../io/process-group.js';
import type { Traffic } from '../io/traffic.js';
import { serverExited } from './exit-diagnosis.js';
import { InboundMessages } from './inbound-messages.js';
import { StderrRing } from './stderr-ring.js';
import { WriteQueue } from './write-queue.js';

export interface StdioTransportOptions {
  readonly groups: ProcessGroups;
  /** The server's configured name, for errors. */
  readonly server: string;
  readonly spawn: Omit<SpawnOptions, 'spawnId'>;
  /** Longest message accepted from the server. */
  readonly maxMessageBytes: number;
  /** Budget of `close()`; read when that is called. */
  readonly stop: StopOptions;
  /** Told by `close()` what it took to end a server that still ran. */
  readonly onStopped?: ((by: StoppedBy) => void) | undefined;
  readonly clock: Clock;
  /** Counts what goes over stdin and stdout. */
  readonly traffic?: Traffic | undefined;
  /** Called for every line of stderr, raw; with `isCut` the next one is the rest of the same line. */
  readonly onStderr?: ((line: string, isCut: boolean) => void) | undefined;
  /** Told once per kind of nonsense the server prints. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** After the leader's exit: how long its last words may take through pipes that a grandchild still holds. */
const drainMs = 200;
/** After the end of stdout or stdin: how long the exit may take that usually comes with it. */
const exitMs = 100;
const stderrMs = 50;
/** The rest of a group whose leader is gone is not worth more patience. */
const leftoverTermMs = 500;
const maxQueuedLength = 8 * 1024 * 1024;
const stderrLines = 20;
const stderrBytes = 64 * 1024;

/** One server process, one connection. The SDK takes it for a stdio transport because it has `stderr` and `pid`. */
export class StdioTransport implements Transport, AsyncDisposable {
  readonly kind = 'stdio';
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: Transport['onmessage'];
  onWarning: ((warning: string) => void) | undefined;
  readonly #options: StdioTransportOptions;
  readonly #inbound: InboundMessages;
  readonly #stderr: StderrRing;
  #started: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #group: ProcessGroup | null = null;
  #writes: WriteQueue | null = null;
  #exit: ExitStatus | null = null;
  /** Set when the connection ended without us: the server left, or closed a pipe. */
  #lost: { readonly exit: ExitStatus | null; readonly cause: unknown; readonly stopped: Promise<unknown> } | null = null;
  /** No message goes either way any more. */
  #closed = false;

  constructor(options: StdioTransportOptions) {
    this.#options = options;
    this.onWarning = options.onWarning;
    this.#stderr = new StderrRing({ maxLines: stderrLines, maxBytes: stderrBytes, onLine: options.onStderr });
    this.#inbound = new InboundMessages({
      server: options.server,
      clock: options.clock,
      maxMessageBytes: options.maxMessageBytes,
      onMessage: (message) => this.onmessage?.(message),
      onError: (error) => this.onerror?.(error),
      onWarning: (warning) => this.onWarning?.(warning),
      reply: (message) => void this.send(message).catch(() => {}),
    });
  }

  /** The leader's process id; `null` before the start. */
  get pid(): number | null {
    return this.#group?.pid ?? null;
  }

  /** No stream: stderr is always read here, see `stderrTail`. */
  get stderr(): null {
    return null;
  }

  /** How the leader ended; `null` while it runs. */
  get exitStatus(): ExitStatus | null {
    return this.#exit;
  }

  /** How many messages of the server were understood; 0 means that it never spoke MCP. */
  get messagesReceived(): number {
    return this.#inbound.counters.messages;
  }

  /** What was skipped, by kind. */
  get counters(): InboundMessages['counters'] {
    return this.#inbound.counters;
  }

  /** The last lines of stderr, oldest first, as the server wrote them: sanitise before showing. */
  stderrTail(): readonly string[] {
    return this.#stderr.tail();
  }

  /**
   * Spawns the server, synchronously at the first call, so that other work can go on while it boots. Later calls wait for
   * the first one.
   *
   * @throws UNAVAILABLE (`delivered: 'no'`) when the command cannot be started.
   */
  start(): Promise<void> {
    if (!this.#started) {
      this.#started = this.#open();
      this.#started.catch(() => {}); // whoever starts early may look at the outcome late
    }
    return this.#started;
  }

  /**
   * Resolves when the pipe has taken the message.
   *
   * @throws (rejects) SERVER_EXITED, OVERLOADED when the server does not read, INVALID_INPUT when the message is not JSON;
   * `delivered` says whether the server can have seen it.
   */
  send(message: JSONRPCMessage): Promise<void> {
    const writes = this.#writes;
    if (!writes || this.#closed) return Promise.reject(this.closeError('no'));
    let line: string;
    try {
      line = `${JSON.stringify(message)}\n`;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const { server } = this.#options;
      return Promise.reject(
        new McpctlError('INVALID_INPUT', `Cannot be sent as JSON: ${text}`, { cause: error, server, delivered: 'no' }),
      );
    }
    const offered = writes.offer(line);
    if (offered instanceof McpctlError) return Promise.reject(offered);
    this.#inbound.sent(message);
    return offered;
  }

  /** Ends the server within the budget of `options.stop`. Calls in flight fail at once. Safe to call twice; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Why no answer can come any more. For errors of calls that were cut off. */
  closeError(delivered: Delivered = 'maybe'): McpctlError {
    const { server, spawn } = this.#options;
    if (this.#lost) {
      const { counters, firstJunk } = this.#inbound;
      return serverExited({
        server,
        command: spawn.command,
        exit: this.#lost.exit,
        stderr: this.#stderr.tail(),
        firstJunk,
        junkLines: counters.junkLines,
        messages: counters.messages,
        delivered,
        cause: this.#lost.cause,
      });
    }
    const message = this.#closed ? `The connection to server "${server}" was closed` : `Server "${server}" is not running`;
    return new McpctlError('UNAVAILABLE', message, { server, delivered, hint: `mcpctl reconnect ${server}` });
  }

  async #open(): Promise<void> {
    const { groups, server, spawn } = this.#options;
    if (this.#closed) throw this.closeError('no');
    let group: ProcessGroup;
    try {
      group = await groups.spawn({ ...spawn, spawnId: groups.nextSpawnId() });
    } catch (error) {
      if (!(error instanceof McpctlError)) throw error;
      const { code, message, hint, details, delivered, cause } = error;
      throw new McpctlError(code, message, { hint, details, delivered, cause, server });
    }
    this.#group = group;
    void group.exited.then((status) => {
      this.#exit = status;
    });
    let broken!: (error: Error) => void;
    const inputBroken = new Promise<Error>((resolve) => {
      broken = resolve;
    });
    for (const stream of [group.stdin, group.stdout]) this.#options.traffic?.add(stream);
    this.#writes = new WriteQueue({ stdin: group.stdin, server, maxLength: maxQueuedLength, onBroken: broken });
    const outputEnded = this.#inbound.read(group.stdout);
    group.stderr.on('data', (chunk: Buffer) => this.#stderr.push(chunk));
    const stderrEnded = new Promise<void>((resolve) => {
      group.stderr.once('close', () => {
        this.#stderr.end();
        resolve();
      });
    });
    void this.#supervise(group, outputEnded, stderrEnded, inputBroken);
  }

  /**
   * Waits for the end of the connection, whatever ends first. The `close` event of the child is no use: it waits for every
   * holder of the pipes, and a grandchild may hold them for ever.
   */
  async #supervise(
    group: ProcessGroup,
    outputEnded: Promise<void>,
    stderrEnded: Promise<void>,
    inputBroken: Promise<Error>,
  ): Promise<void> {
    const first = await Promise.race([group.exited, outputEnded, inputBroken]);
    if (this.#closed) return;
    // The exit, the end of the output and the last words on stderr come together, in any order: each gets a moment.
    const { clock } = this.#options;
    if (this.#exit === null) await within(exitMs, group.exited, clock);
    if (this.#exit !== null && (await within(drainMs, outputEnded, clock))) await within(stderrMs, stderrEnded, clock);
    if (this.#closed) return;
    this.#closed = true;
    this.#lost = {
      exit: this.#exit, // as it was then: we are about to end what still runs
      cause: first instanceof Error ? first : undefined,
      stopped: group.stop({ stdinMs: 0, termMs: Math.min(leftoverTermMs, this.#options.stop.termMs) }),
    };
    this.#end();
  }

  async #close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#end();
    }
    await this.#started?.catch(() => {});
    if (this.#lost) await this.#lost.stopped;
    else if (this.#group) {
      const isRunning = this.#exit === null;
      const by = await this.#group.stop(this.#options.stop);
      if (isRunning) this.#options.onStopped?.(by);
    }
  }

  #end(): void {
    this.#inbound.discard();
    this.#writes?.close((delivered) => this.closeError(delivered));
    // Later than the rejections of `send`: what was never delivered is reported as such, not as one more lost connection.
    setImmediate(() => this.onclose?.());
  }
}

/** Resolves true when `event` comes within `ms` milliseconds. */
function within(ms: number, event: Promise<unknown>, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve(false));
    void event.then(() => {
      cancel();
      resolve(true);
    });
  });
}
