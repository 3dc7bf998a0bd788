/** The socket of a manager: those who prove to be its user run commands in it, hear its news, or stop it. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { ManagerAddress } from '../config/manager-address.js';
import type { Cancel, Clock } from '../core/clock.js';
import { cancelled, type EndSignal, McpctlError, rootMessage, toMcpctlError } from '../core/errors.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import {
  type Channel,
  type ClientFrame,
  type Hello,
  type ManagerFrame,
  openChannel,
  pieces,
  protocol,
  type RunRequest,
} from '../io/control-channel.js';
import { withFileLock } from '../io/file-lock.js';
import { ensureFolder } from '../io/folders.js';
import { type ManagerRecord, readManagerRecord } from '../io/manager-record.js';
import { processFacts } from '../io/procfs.js';
import { checkFolder, ManagerRunning, makeRoom } from './manager-place.js';
import { ScreenRelay } from './screen-relay.js';

/** The terminal of somebody who attached, as the commands see it. */
export interface AttachedTerminal extends Pick<RunRequest, 'columns' | 'stdoutIsTerminal' | 'stderrIsTerminal' | 'colorAllowed'> {
  write(text: string): Promise<void>;
  writeError(text: string): void;
  readInput(): Promise<string>;
  readonly ask?: (question: string, options?: { isHidden?: boolean; signal?: AbortSignal }) => Promise<string>;
  readonly openUrl: (url: string) => Promise<boolean>;
  readonly openScreen?: ScreenRelay['open'];
}

export interface ControlSocketOptions {
  readonly address: ManagerAddress;
  readonly clock: Clock;
  readonly pid: number;
  readonly uid: number | undefined;
  readonly version: string;
  readonly kind: ManagerRecord['kind'];
  /** Runs a command; `local` = the client has to run it itself. Never rejects. */
  readonly run: (request: RunRequest, terminal: AttachedTerminal, signal: AbortSignal) => Promise<number | 'local'>;
  /** Begins to tell news until disposed of. */
  readonly watch: (tell: (news: unknown) => void) => Disposable;
  /** What is wrong with the configuration on disk; null = the manager uses just that. */
  readonly problem: () => string | null;
  /** Somebody asked the manager to end. */
  readonly onStop: () => void;
  /** We cannot be found any more, and why; `toAnother` = another manager has taken the place for good. Not told twice. */
  readonly onLost: (message: string, toAnother: boolean) => void;
  /** How many are attached now. */
  readonly onClients?: (count: number) => void;
}

/** How long a client may take to say who it is. */
const helloMs = 5_000;
/** How often we look whether we can still be found: runtime folders are emptied at a logout, and temporary ones of old files. */
const lookMs = 2_000;

const maxBacklogBytes = 16 * 1024 * 1024;

export class ControlSocket implements AsyncDisposable {
  readonly #options: ControlSocketOptions;
  readonly #token = randomBytes(32).toString('hex');
  readonly #startedAt: Date;
  readonly #clients = new Set<Client>();
  readonly #ending = new AbortController();
  #server: Server | undefined;
  #cancelLook: Cancel = () => {};
  #looking: Promise<void> = Promise.resolve();
  /** Why the place could not be taken again, as it was told. */
  #told: string | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: ControlSocketOptions) {
    this.#options = options;
    this.#startedAt = options.clock.date();
  }

  /**
   * Takes the place at `address` and listens. What a dead manager left there is removed; that is decided under a lock, so that of
   * many starting at once exactly one listens.
   *
   * @throws ManagerRunning when a living manager has it; UNAVAILABLE when the folder is not this user's alone or cannot be written
   */
  static async open(options: ControlSocketOptions): Promise<ControlSocket> {
    const control = new ControlSocket(options);
    await control.#take();
    control.#lookLater();
    return control;
  }

  async #take(): Promise<void> {
    const { address, clock, pid, uid, version, kind } = this.#options;
    const folder = dirname(address.record);
    try {
      await ensureFolder(folder);
      checkFolder(folder, uid);
      await withFileLock(address.lock, { clock, pid, signal: this.#ending.signal }, async () => {
        this.#leave();
        await makeRoom(address, uid, clock);
        await this.#listen();
        const record: ManagerRecord = {
          pid,
          startTicks: processFacts('self')?.startTicks ?? null,
          version,
          token: this.#token,
          identity: address.identity,
          kind,
          startedAt: this.#startedAt.toISOString(),
        };
        // Last: who reads it finds somebody listening.
        await writeFileAtomic(address.record, `${JSON.stringify(record)}\n`, { mode: 0o600, durable: false });
      });
    } catch (error) {
      // Without its record nobody would dare to ask it, or to take its place.
      this.#server?.close();
      this.#server = undefined;
      if (error instanceof McpctlError) throw error;
      throw new McpctlError('UNAVAILABLE', `A manager cannot be met in ${folder}: ${rootMessage(error)}`, {
        cause: error,
        hint: 'make room there, or set MCPCTL_RUNTIME_DIR to a folder that you can write to',
      });
    }
  }

  #listen(): Promise<void> {
    const { socket } = this.#options.address;
    const server = createServer((client) => this.#accept(client));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(socket, () => {
        // One that could not be accepted, for want of a file descriptor, is not the end of the others.
        server.off('error', reject).on('error', () => {});
        chmodSync(socket, 0o600);
        resolve();
      });
    });
  }

  /** Takes no more; those who are attached stay. */
  #leave(): void {
    const { address, uid } = this.#options;
    const record = readManagerRecord(address.record, uid);
    const isAnothers = record !== undefined && record.token !== this.#token;
    if (!isAnothers && this.#server) rmSync(address.record, { force: true });
    // Closing removes whatever has the socket's name: after a takeover that belongs to another.
    if (isAnothers) this.#server?.unref();
    else this.#server?.close();
    this.#server = undefined;
  }

  #lookLater(): void {
    if (this.#closing) return;
    this.#cancelLook = this.#options.clock.after(lookMs, () => (this.#looking = this.#look()), { background: true });
  }

  /** A manager that cannot be found would run for ever, and a second one beside it: it takes its place again, or gives way. */
  async #look(): Promise<void> {
    const { address, uid, onLost } = this.#options;
    const isFound = readManagerRecord(address.record, uid)?.token === this.#token && existsSync(address.socket);
    try {
      if (!isFound) await this.#take();
      this.#told = undefined;
    } catch (error) {
      const { message } = toMcpctlError(error);
      const toAnother = error instanceof ManagerRunning;
      if (!this.#closing && message !== this.#told) onLost(message, toAnother);
      this.#told = message;
      if (toAnother) return;
    }
    this.#lookLater();
  }

  #accept(socket: Socket): void {
    const client = new Client(socket, this.#options, Buffer.from(this.#token), () => {
      this.#clients.delete(client);
      this.#options.onClients?.(this.#clients.size);
    });
    this.#clients.add(client);
    this.#options.onClients?.(this.#clients.size);
  }

  /** Takes no more, ends what runs for others, and leaves the place. Safe to call twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelLook();
    this.#ending.abort(cancelled('SIGTERM'));
    // At once, so that nobody else comes.
    this.#leave();
    await Promise.all([...this.#clients].map((client) => client.end()));
    await this.#looking;
    // A look that was on its way may have taken the place once more.
    this.#leave();
  }
}

/** One who attached. */
class Client {
  readonly #channel: Channel<ManagerFrame>;
  readonly #socket: Socket;
  readonly #options: ControlSocketOptions;
  readonly #token: Buffer;
  readonly #running = new AbortController();
  #isKnown = false;
  #isRunning = false;
  #work: Promise<void> = Promise.resolve();
  #watching: Disposable | undefined;
  #input: { chunks: string[]; resolve: (text: string) => void; reject: (error: unknown) => void } | undefined;
  #isInputRead = false;
  readonly #questions = new Map<number, { resolve: (text: string) => void; reject: (error: unknown) => void }>();
  readonly #opening = new Map<number, (started: boolean) => void>();
  readonly #screen = new ScreenRelay((frame) => this.#channel.send(frame));
  #asked = 0;

  constructor(socket: Socket, options: ControlSocketOptions, token: Buffer, onGone: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#token = token;
    const cancelHello = options.clock.after(helloMs, () => socket.destroy(), { background: true });
    this.#channel = openChannel<ClientFrame, ManagerFrame>(socket, {
      onFrame: (frame) => {
        if (this.#isKnown) return this.#heard(frame);
        cancelHello();
        if (frame.t !== 'hello') return void socket.destroy();
        this.#greet(frame);
      },
      onClose: () => {
        cancelHello();
        this.#watching?.[Symbol.dispose]();
        const gone = cancelled('SIGHUP');
        this.#running.abort(gone);
        this.#input?.reject(gone);
        for (const question of this.#questions.values()) question.reject(gone);
        for (const opened of this.#opening.values()) opened(false);
        onGone();
      },
    });
  }

  /** Lets what runs end (the signal is aborted first) and closes. */
  async end(): Promise<void> {
    this.#running.abort(cancelled('SIGTERM', { details: { by: 'manager' } }));
    await this.#work;
    this.#channel.end();
    this.#socket.destroySoon();
  }

  #greet(hello: Hello): void {
    const token = Buffer.from(String(hello.token));
    if (token.length !== this.#token.length || !timingSafeEqual(token, this.#token)) this.#refuse('wrong token');
    else if (hello.protocol !== protocol) this.#refuse(`the manager speaks protocol ${protocol}`);
    else {
      this.#isKnown = true;
      void this.#channel.send({ t: 'welcome', problem: this.#options.problem() });
    }
  }

  /** What is sent without waiting. One who does not read it is let go, so that it does not fill our memory. */
  #tell(frame: ManagerFrame): void {
    if (this.#socket.writableLength > maxBacklogBytes) this.#socket.destroy();
    else void this.#channel.send(frame);
  }

  #refuse(reason: string): void {
    void this.#channel.send({ t: 'refused', reason });
    this.#channel.end();
  }

  async #run(request: RunRequest): Promise<void> {
    const outcome = await this.#options.run(request, this.#terminal(request), this.#running.signal);
    await this.#channel.send(outcome === 'local' ? { t: 'local' } : { t: 'exit', code: outcome });
    this.#channel.end();
  }

  #terminal({ columns, stdoutIsTerminal, stderrIsTerminal, colorAllowed, canAsk, canScreen }: RunRequest): AttachedTerminal {
    return {
      columns,
      stdoutIsTerminal,
      stderrIsTerminal,
      colorAllowed,
      write: async (text) => {
        for (const d of pieces(text)) await this.#channel.send({ t: 'out', d });
      },
      writeError: (text) => {
        for (const d of pieces(text)) this.#tell({ t: 'err', d });
      },
      readInput: () => this.#readInput(),
      ...(canAsk && {
        ask: (question: string, { isHidden = false, signal }: { isHidden?: boolean; signal?: AbortSignal } = {}) =>
          this.#ask(question, isHidden, signal),
      }),
      openUrl: (url) => this.#openUrl(url),
      ...(canScreen && { openScreen: (onInput) => this.#screen.open(onInput) }),
    };
  }

  #readInput(): Promise<string> {
    if (this.#isInputRead) return Promise.reject(new McpctlError('USAGE', 'stdin can be read only once'));
    this.#isInputRead = true;
    return new Promise((resolve, reject) => {
      this.#input = { chunks: [], resolve, reject };
      void this.#channel.send({ t: 'stdin' });
    });
  }

  #ask(question: string, isHidden: boolean, signal?: AbortSignal): Promise<string> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#asked;
    let onAbort = () => {};
    return new Promise<string>((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
      void this.#channel.send({ t: 'ask', id, question, isHidden });
      onAbort = () => {
        if (!this.#questions.delete(id)) return;
        void this.#channel.send({ t: 'asked', id });
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    }).finally(() => signal?.removeEventListener('abort', onAbort));
  }

  #openUrl(url: string): Promise<boolean> {
    const id = ++this.#asked;
    return new Promise((resolve) => {
      this.#opening.set(id, resolve);
      void this.#channel.send({ t: 'open', id, url });
    });
  }

  #heard(frame: ClientFrame): void {
    switch (frame.t) {
      case 'run':
        // One conversation, one command.
        if (this.#isRunning) return void this.#socket.destroy();
        this.#isRunning = true;
        // Words that are no words are one client's trouble, not that of all.
        this.#work = this.#run(frame.run).catch(() => void this.#socket.destroy());
        break;
      case 'watch':
        this.#watching ??= this.#options.watch((news) => this.#tell({ t: 'news', news }));
        break;
      case 'stop':
        void this.#channel.send({ t: 'stopping' });
        this.#options.onStop();
        break;
      case 'in':
        this.#input?.chunks.push(String(frame.d));
        break;
      case 'in-end':
        this.#input?.resolve(this.#input.chunks.join(''));
        break;
      case 'in-error':
        this.#input?.reject(new McpctlError('USAGE', frame.message, frame.hint === null ? {} : { hint: frame.hint }));
        break;
      case 'answer': {
        const question = this.#questions.get(frame.id);
        this.#questions.delete(frame.id);
        if (frame.text === null) question?.reject(cancelled());
        else question?.resolve(String(frame.text));
        break;
      }
      case 'opened':
        this.#opening.get(frame.id)?.(frame.started === true);
        this.#opening.delete(frame.id);
        break;
      case 'screen-input':
        this.#screen.heard(frame.input);
        break;
      case 'signal':
        this.#running.abort(cancelled(isEndSignal(frame.name) ? frame.name : 'SIGTERM'));
        break;
      default:
        this.#socket.destroy();
    }
  }
}

const isEndSignal = (name: unknown): name is EndSignal => name === 'SIGINT' || name === 'SIGTERM' || name === 'SIGHUP';
