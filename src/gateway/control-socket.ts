/** The socket of a manager: those who prove to be its user run commands in it, hear its news, or stop it. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, connect as openSocket, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { ManagerAddress } from '../config/manager-address.js';
import type { Clock } from '../core/clock.js';
import { cancelled, type EndSignal, McpctlError } from '../core/errors.js';
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
import { isRunning, processFacts } from '../io/procfs.js';

/** The terminal of somebody who attached, as the commands see it. */
export interface AttachedTerminal extends Pick<RunRequest, 'columns' | 'stdoutIsTerminal' | 'stderrIsTerminal' | 'colorAllowed'> {
  write(text: string): Promise<void>;
  writeError(text: string): void;
  readInput(): Promise<string>;
  readonly ask?: (question: string, options?: { isHidden?: boolean }) => Promise<string>;
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
  /** How many are attached now. */
  readonly onClients?: (count: number) => void;
}

/** How long a client may take to say who it is. */
const helloMs = 5_000;
/** How long another manager may take to accept a connection before it counts as hung. */
const connectMs = 2_000;

const maxBacklogBytes = 16 * 1024 * 1024;

/** Another manager has the place already. */
export class ManagerRunning extends McpctlError {
  constructor(readonly record: ManagerRecord) {
    super('UNAVAILABLE', `A manager is running already (process ${record.pid})`, {
      hint: 'mcpctl status asks it, mcpctl down ends it',
      details: { reason: 'manager-running', pid: record.pid },
    });
  }
}

export class ControlSocket implements AsyncDisposable {
  readonly #options: ControlSocketOptions;
  readonly #token: Buffer;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  #closing: Promise<void> | undefined;

  private constructor(options: ControlSocketOptions, token: string) {
    this.#options = options;
    this.#token = Buffer.from(token);
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /**
   * Takes the place at `address` and listens. What a dead manager left there is removed; that is decided under a lock, so that of
   * many starting at once exactly one listens.
   *
   * @throws ManagerRunning when a living manager has it; UNAVAILABLE when the folder is not this user's alone or cannot be written
   */
  static async open(options: ControlSocketOptions): Promise<ControlSocket> {
    const { address, clock, pid, uid } = options;
    await ensureFolder(dirname(address.record));
    checkFolder(dirname(address.record), uid);
    return withFileLock(address.lock, { clock, pid }, async () => {
      await makeRoom(address, uid, clock);
      const token = randomBytes(32).toString('hex');
      const control = new ControlSocket(options, token);
      await control.#listen();
      const record: ManagerRecord = {
        pid,
        startTicks: processFacts('self')?.startTicks ?? null,
        version: options.version,
        token,
        identity: address.identity,
        kind: options.kind,
        startedAt: clock.date().toISOString(),
      };
      // Last: who reads it finds somebody listening.
      await writeFileAtomic(address.record, `${JSON.stringify(record)}\n`, { mode: 0o600, durable: false });
      return control;
    });
  }

  #listen(): Promise<void> {
    const { socket } = this.#options.address;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socket, () => {
        this.#server.off('error', reject);
        chmodSync(socket, 0o600);
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const client = new Client(socket, this.#options, this.#token, () => {
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
    const { address, uid } = this.#options;
    // Only what is ours: after a forced takeover the place belongs to another.
    if (readManagerRecord(address.record, uid)?.token === this.#token.toString()) rmSync(address.record, { force: true });
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#clients].map((client) => client.end()));
    await closed;
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
        onGone();
      },
    });
  }

  /** Lets what runs end (the signal is aborted first) and closes. */
  async end(): Promise<void> {
    this.#running.abort(cancelled('SIGTERM'));
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

  #terminal({ columns, stdoutIsTerminal, stderrIsTerminal, colorAllowed, canAsk }: RunRequest): AttachedTerminal {
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
      ...(canAsk && { ask: (question: string, { isHidden = false } = {}) => this.#ask(question, isHidden) }),
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

  #ask(question: string, isHidden: boolean): Promise<string> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject });
      void this.#channel.send({ t: 'ask', id, question, isHidden });
    });
  }

  #heard(frame: ClientFrame): void {
    switch (frame.t) {
      case 'run':
        // One conversation, one command.
        if (this.#isRunning) return void this.#socket.destroy();
        this.#isRunning = true;
        this.#work = this.#run(frame.run);
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
      case 'signal':
        this.#running.abort(cancelled(isEndSignal(frame.name) ? frame.name : 'SIGTERM'));
        break;
      default:
        this.#socket.destroy();
    }
  }
}

const isEndSignal = (name: unknown): name is EndSignal => name === 'SIGINT' || name === 'SIGTERM' || name === 'SIGHUP';

/** Removes what a dead manager left. Needs the lock. @throws ManagerRunning when somebody answers there, or still runs */
async function makeRoom(address: ManagerAddress, uid: number | undefined, clock: Clock): Promise<void> {
  const record = readManagerRecord(address.record, uid);
  const answers = await isListening(address.socket, clock);
  if (record && (answers || isSameProcess(record))) throw new ManagerRunning(record);
  if (answers) {
    throw new McpctlError('UNAVAILABLE', `Somebody else listens on ${address.socket}`, {
      hint: 'set MCPCTL_RUNTIME_DIR to a folder of your own',
    });
  }
  rmSync(address.record, { force: true });
  rmSync(address.socket, { force: true });
}

/** Whether the process of a record lives; without procfs nobody knows, and the socket has the last word. */
export function isSameProcess({ pid, startTicks }: ManagerRecord): boolean {
  const facts = processFacts(pid);
  return facts !== null && isRunning(facts) && facts.startTicks === startTicks;
}

function isListening(path: string, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = openSocket(path);
    const cancel = clock.after(connectMs, () => done(true));
    const done = (answers: boolean) => {
      cancel();
      socket.destroy();
      resolve(answers);
    };
    socket.once('connect', () => done(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => done(code !== 'ENOENT' && code !== 'ECONNREFUSED'));
  });
}

/** In a folder that others can write to they could put a socket of theirs in the place of ours. */
function checkFolder(path: string, uid: number | undefined): void {
  if (uid === undefined) return;
  const facts = lstatSync(path);
  if (facts.isDirectory() && facts.uid === uid && (facts.mode & 0o022) === 0) return;
  throw new McpctlError('UNAVAILABLE', `${path} is not a folder that only you can write to`, {
    hint: `chmod go-w ${path}, or set MCPCTL_RUNTIME_DIR to a folder of your own`,
  });
}
