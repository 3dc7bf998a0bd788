/** Runs a command in the manager that is there already. The one path that loads next to nothing: no parser, no configuration, no SDK. */
import { connect } from 'node:net';
import type { ManagerAddress } from '../config/manager-address.js';
import type { Clock } from '../core/clock.js';
import type { EndSignal } from '../core/errors.js';
import {
  type Channel,
  type ClientFrame,
  type ManagerFrame,
  openChannel,
  pieces,
  protocol,
  type RunRequest,
} from '../io/control-channel.js';
import { type ManagerRecord, readManagerRecord } from '../io/manager-record.js';
import type { Terminal } from './terminal.js';

/** What is to be known about the words before they are parsed. */
export interface Glance {
  readonly command: string | undefined;
  readonly config: readonly string[];
  readonly preset: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly noAttach: boolean;
  /** `--help` or `--version`: answered without any manager. */
  readonly isAnswered: boolean;
}

/** Flags that take the next word, those of `add` included: behind its name come the words of a program, and those are not ours. */
const flagsWithValue = new Set(['-c', '--config', '--preset', '--timeout', '--env', '--header', '--transport', '--cwd']);

/** Reads the global flags that decide where a command runs. The parser proper reads the words again, and complains where it has to. */
export function glance(words: readonly string[]): Glance {
  const config: string[] = [];
  let command: string | undefined;
  let preset: string | undefined;
  const flags = new Set<string>();
  let names = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') break;
    if (!word.startsWith('-')) {
      command ??= word;
      // Behind a URL flags go on; anything else begins the command line of a program.
      if (command === 'add' && ++names === 3 && !/^https?:\/\//i.test(word)) break;
      continue;
    }
    const [flag = '', inline] = word.startsWith('--')
      ? split(word)
      : [word.slice(0, 2), word.length > 2 ? word.slice(2) : undefined];
    const value = flagsWithValue.has(flag) ? (inline ?? words[++i]) : undefined;
    if (value !== undefined && (flag === '-c' || flag === '--config')) config.push(value);
    else if (flag === '--preset') preset = value;
    else flags.add(flag);
  }
  return {
    command,
    config,
    preset,
    json: flags.has('--json'),
    quiet: flags.has('--quiet') || flags.has('-q'),
    noAttach: flags.has('--no-attach'),
    isAnswered: ['-h', '--help', '-V', '--version'].some((flag) => flags.has(flag)) || command === 'help',
  };
}

function split(word: string): [string, string | undefined] {
  const at = word.indexOf('=');
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

export interface AttachOptions {
  readonly address: ManagerAddress;
  readonly uid: number | undefined;
  readonly version: string;
  readonly clock: Pick<Clock, 'after'>;
}

/** Why a manager that is there is not asked. */
export type Unattached =
  | { readonly reason: 'none' }
  | { readonly reason: 'version'; readonly record: ManagerRecord }
  | { readonly reason: 'silent'; readonly record: ManagerRecord };

/** A conversation with a manager that has welcomed us. */
export interface Attachment {
  readonly record: ManagerRecord;
  readonly channel: Channel<ClientFrame>;
  /** What is wrong with the configuration on disk; the manager uses the last good one. */
  readonly problem: string | null;
}

/** How long a manager may take to welcome us before it counts as hung. Nothing but the greeting has been sent to it until then. */
const welcomeMs = 2_000;

/** Connects and introduces us. Every later frame goes to `onFrame`; `onClose` is told when the conversation has ended. */
export function attach(
  { address, uid, version, clock }: AttachOptions,
  handlers: { onFrame: (frame: ManagerFrame) => void | Promise<void>; onClose: () => void },
): Promise<Attachment | Unattached> {
  const record = readManagerRecord(address.record, uid);
  if (record?.identity !== address.identity) return Promise.resolve({ reason: 'none' });
  if (record.version !== version) return Promise.resolve({ reason: 'version', record });
  return new Promise((resolve) => {
    const socket = connect(address.socket);
    let isWelcome = false;
    const give = (result: Attachment | Unattached) => {
      cancel();
      resolve(result);
      if (!('channel' in result)) socket.destroy();
    };
    const cancel = clock.after(welcomeMs, () => give({ reason: 'silent', record }));
    const channel = openChannel<ManagerFrame, ClientFrame>(socket, {
      onFrame: (frame) => {
        if (isWelcome) return handlers.onFrame(frame);
        isWelcome = frame.t === 'welcome';
        if (frame.t === 'welcome') give({ record, channel, problem: frame.problem });
        else give({ reason: 'none' });
      },
      onClose: () => {
        if (isWelcome) handlers.onClose();
        else give({ reason: 'none' });
      },
    });
    void channel.send({ t: 'hello', protocol, token: record.token });
  });
}

/** The end of a command that ran in the manager, or why it has to run here. */
export type AttachedEnd =
  | { readonly kind: 'exit'; readonly code: number }
  /** The manager says that the command is not one for it. */
  | { readonly kind: 'local' }
  | { readonly kind: 'unattached'; readonly why: Unattached }
  /** The manager went away in the middle. */
  | { readonly kind: 'lost'; readonly record: ManagerRecord };

/**
 * Runs one command line in the manager, if there is one, on the terminal given. The reason of `signal` is passed on to the command.
 *
 * @param isSilent nothing is said on stderr beside what the command says
 */
export async function runAttached(
  options: AttachOptions,
  request: RunRequest,
  terminal: Terminal,
  signal: AbortSignal,
  isSilent: boolean,
): Promise<AttachedEnd> {
  let tellProblem = () => {};
  let end: AttachedEnd | undefined;
  let written = Promise.resolve();
  let send: Channel<ClientFrame>['send'] = () => Promise.resolve();
  let close = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });

  const heard = (frame: ManagerFrame): void | Promise<void> => {
    // Not about a command that runs here after all.
    if (frame.t !== 'local') tellProblem();
    switch (frame.t) {
      case 'out':
        written = written.then(() => terminal.write(frame.d));
        return written;
      case 'err':
        terminal.writeError(frame.d);
        break;
      case 'stdin':
        void terminal.readInput().then(
          async (text) => {
            for (const d of pieces(text)) await send({ t: 'in', d });
            await send({ t: 'in-end' });
          },
          (error: Error & { hint?: string }) => send({ t: 'in-error', message: error.message, hint: error.hint ?? null }),
        );
        break;
      case 'ask':
        void (terminal.ask?.(frame.question, { isHidden: frame.isHidden }) ?? Promise.reject(new Error())).then(
          (text) => send({ t: 'answer', id: frame.id, text }),
          () => send({ t: 'answer', id: frame.id, text: null }),
        );
        break;
      case 'exit':
        end = { kind: 'exit', code: frame.code };
        break;
      case 'local':
        end = { kind: 'local' };
        break;
      default:
      // News are for those who watch.
    }
  };
  const attachment = await attach(options, { onFrame: heard, onClose: close });
  if (!('channel' in attachment)) return { kind: 'unattached', why: attachment };
  const { record, channel, problem } = attachment;
  send = channel.send;
  tellProblem = () => {
    if (problem !== null && !isSilent)
      terminal.writeError(`warning: the manager works with its last good configuration: ${problem}\n`);
    tellProblem = () => {};
  };
  const onAbort = () => void send({ t: 'signal', name: signalOf(signal.reason) });
  signal.addEventListener('abort', onAbort, { once: true });
  void send({ t: 'run', run: request });
  if (signal.aborted) onAbort();
  await closed;
  signal.removeEventListener('abort', onAbort);
  await written;
  return end ?? { kind: 'lost', record };
}

function signalOf(reason: unknown): EndSignal {
  const details = (reason as { details?: { signal?: EndSignal } } | undefined)?.details;
  return details?.signal ?? 'SIGTERM';
}
