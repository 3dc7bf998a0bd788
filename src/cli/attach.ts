/** Runs a command in the manager that is there already. The one path that loads next to nothing: no parser, no configuration, no SDK. */
import { lstatSync } from 'node:fs';
import { connect } from 'node:net';
import type { ManagerAddress } from '../config/manager-address.js';
import type { Clock } from '../core/clock.js';
import { cancelled, type EndSignal, exitCodeFor, McpctlError } from '../core/errors.js';
import {
  type Channel,
  type ClientFrame,
  type ManagerFrame,
  openChannel,
  pieces,
  protocol,
  type RunRequest,
} from '../io/control-channel.js';
import { type ManagerRecord, managerLives, readManagerRecord } from '../io/manager-record.js';
import type { Screen } from '../io/screen.js';
import type { Terminal } from './terminal.js';

/** What is to be known about the words before they are parsed. */
export interface Glance {
  readonly command: string | undefined;
  readonly config: readonly string[];
  readonly preset: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly noAttach: boolean;
  /** Help, the version, and what concerns files or processes: nothing that a manager would be asked for. */
  readonly isHere: boolean;
}

/** Flags that take the next word, those of `add` included: behind its name come the words of a program, and those are not ours. */
const flagsWithValue = new Set(
  '-c --config --preset --timeout --env --header --transport --cwd --scope --client-id --client-secret-env --client-metadata-url'.split(
    ' ',
  ),
);

/** The commands of the registry that always run where they are typed. A manager sends back those that slip through. */
export const hereCommands: ReadonlySet<string> = new Set(['up', 'down', 'config', 'help']);

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
    isHere: ['-h', '--help', '-V', '--version'].some((flag) => flags.has(flag)) || hereCommands.has(command ?? ''),
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
  signal?: AbortSignal,
): Promise<Attachment | Unattached> {
  const record = readManagerRecord(address.record, uid);
  if (record?.identity !== address.identity) return Promise.resolve({ reason: 'none' });
  if (record.version !== version) return Promise.resolve({ reason: 'version', record });
  // It lives and cannot be reached. One that is about to end has taken its record away before.
  const unreached = (): Unattached =>
    managerLives(record) && readManagerRecord(address.record, uid) ? { reason: 'silent', record } : { reason: 'none' };
  if (!isOwnSocket(address.socket, uid)) return Promise.resolve(unreached());
  return new Promise((resolve) => {
    const socket = connect(address.socket);
    let isWelcome = false;
    const onAbort = () => give({ reason: 'none' });
    const give = (result: Attachment | Unattached) => {
      cancel();
      signal?.removeEventListener('abort', onAbort);
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
        else give(unreached());
      },
    });
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    void channel.send({ t: 'hello', protocol, token: record.token });
  });
}

/** In a folder for all, somebody else could put one of his where a dead manager's was, to be told the token and the command. */
function isOwnSocket(path: string, uid: number | undefined): boolean {
  try {
    const facts = lstatSync(path);
    return facts.isSocket() && (uid === undefined || facts.uid === uid);
  } catch {
    return false;
  }
}

/** What the manager has to know besides the look of the terminal. */
export type AttachedCommand = Omit<RunRequest, keyof ReturnType<typeof lookOf>>;

/**
 * Runs one command line in the manager, if there is one, on the terminal given. The reason of `signal` is passed on to the command.
 *
 * @returns the exit code; undefined when the command has to run here: no manager can be asked, or it is none for a manager
 */
export async function runAttached(
  options: AttachOptions,
  command: AttachedCommand,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number | undefined> {
  const isSilent = command.json || command.quiet;
  let tellProblem = () => {};
  let end: ManagerFrame | undefined;
  let written = Promise.resolve();
  let screen: Screen | undefined;
  let wasView = false;
  let send: Channel<ClientFrame>['send'] = () => Promise.resolve();
  let close = () => {};
  let channelEnd = () => {};
  const questions = new Map<number, AbortController>();
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
        questions.set(frame.id, new AbortController());
        void (
          terminal.ask?.(frame.question, { isHidden: frame.isHidden, signal: questions.get(frame.id)!.signal }) ??
          Promise.reject(new Error())
        ).then(
          (text) => send({ t: 'answer', id: frame.id, text }),
          () => send({ t: 'answer', id: frame.id, text: null }),
        );
        break;
      case 'asked':
        questions.get(frame.id)?.abort(cancelled());
        questions.delete(frame.id);
        break;
      case 'open':
        void (terminal.openUrl?.(frame.url) ?? Promise.resolve(false))
          .catch(() => false)
          .then((started) => send({ t: 'opened', id: frame.id, started }));
        break;
      case 'screen':
        wasView = true;
        written = written.then(() => drawLines(frame.lines)).catch(() => channelEnd());
        return written;
      case 'exit':
      case 'local':
        end = frame;
        break;
      default:
      // News are for those who watch.
    }
  };
  /** A manager may be slow, and its end sudden: the screen is ours to give back. */
  const drawLines = async (lines: readonly string[] | null): Promise<void> => {
    if (lines === null || signal.aborted) return giveScreenBack();
    screen ??= await terminal.openScreen?.((input) => void send({ t: 'screen-input', input }));
    // The end may have come while it was being taken.
    if (signal.aborted) giveScreenBack();
    else await screen?.draw(lines);
  };
  const giveScreenBack = () => {
    screen?.[Symbol.dispose]();
    screen = undefined;
  };
  const attachment = await attach(options, { onFrame: heard, onClose: close }, signal);
  if (signal.aborted) {
    // Before it was sent: nothing has run, and nothing shall.
    if ('channel' in attachment) attachment.channel.end();
    const error = cancelled(signalOf(signal.reason));
    terminal.writeError(errorText(error, command.json));
    return exitCodeFor(error);
  }
  if (!('channel' in attachment)) {
    if (!isSilent && attachment.reason !== 'none') terminal.writeError(noteOn(attachment, options.version));
    return undefined;
  }
  const { record, channel, problem } = attachment;
  send = channel.send;
  channelEnd = channel.end;
  tellProblem = () => {
    if (problem !== null && !isSilent)
      terminal.writeError(`warning: the manager works with its last good configuration: ${problem}\n`);
    tellProblem = () => {};
  };
  const onAbort = () => {
    // A manager that hangs does not hear of it.
    giveScreenBack();
    void send({ t: 'signal', name: signalOf(signal.reason) });
  };
  signal.addEventListener('abort', onAbort, { once: true });
  void send({ t: 'run', run: { ...command, ...lookOf(terminal) } });
  await closed;
  signal.removeEventListener('abort', onAbort);
  await written;
  giveScreenBack();
  if (end?.t === 'exit') return end.code;
  if (end?.t === 'local') return undefined;
  const error = lost(record, wasView);
  terminal.writeError(errorText(error, command.json));
  return exitCodeFor(error);
}

function lookOf({ columns, stdoutIsTerminal, stderrIsTerminal, colorAllowed, ask, openScreen }: Terminal) {
  const canScreen = openScreen !== undefined;
  return { columns, stdoutIsTerminal, stderrIsTerminal, colorAllowed, canAsk: ask !== undefined, canScreen };
}

/** The manager went away in the middle. */
function lost({ pid }: ManagerRecord, wasView: boolean): McpctlError {
  const gone = `The manager (process ${pid}) went away`;
  const message = wasView ? gone : `${gone} before the command was done; it may have been carried out`;
  return new McpctlError('UNAVAILABLE', message, {
    hint: 'mcpctl status starts anew',
    details: { reason: 'manager-lost', pid },
    delivered: 'maybe',
  });
}

/** As `run.ts` prints it, which this path does not load. */
function errorText({ code, message, hint, details }: McpctlError, json: boolean): string {
  if (json) return `${JSON.stringify({ error: { code, message, hint: hint ?? null, details } })}\n`;
  return `error: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`;
}

/** Why a manager that is there is left out. */
function noteOn({ reason, record }: Exclude<Unattached, { reason: 'none' }>, version: string): string {
  const { pid, version: other } = record;
  return reason === 'version'
    ? `note: the manager (process ${pid}) is mcpctl ${other}, this is ${version}; running without it. mcpctl up replaces it.\n`
    : `note: the manager (process ${pid}) does not answer; running without it. mcpctl down ends it.\n`;
}

function signalOf(reason: unknown): EndSignal {
  const details = (reason as { details?: { signal?: EndSignal } } | undefined)?.details;
  return details?.signal ?? 'SIGTERM';
}
