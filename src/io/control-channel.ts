/** What a manager and those who attach to it say to each other: one JSON frame a line, bounded, the same code at both ends. */
import type { Socket } from 'node:net';
import type { EndSignal } from '../core/errors.js';
import type { TraceContext } from '../core/tracing.js';
import type { ScreenInput } from './screen.js';

/** A change of the frames below that an older end cannot read. */
export const protocol = 1;

/**
 * The first frame of whoever attaches. The token proves that they can read the manager's record, which only its user can. What they want
 * follows when the manager has answered: a command sent to one that hangs would run when it wakes up, and a second time elsewhere.
 */
export interface Hello {
  readonly t: 'hello';
  readonly protocol: number;
  readonly token: string;
}

/** A command line and the terminal it was typed on. */
export interface RunRequest {
  readonly words: readonly string[];
  readonly front: 'shell' | 'repl';
  /** Typed at the prompt of a session. */
  readonly atPrompt: boolean;
  readonly cwd: string;
  /** `MCPCTL_JSON`, or the flag of the session. */
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly noColor: boolean;
  readonly columns: number;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly colorAllowed: boolean;
  /** Somebody is there to answer questions. */
  readonly canAsk: boolean;
  /** There is a whole screen to draw on. */
  readonly canScreen: boolean;
  /** Put before the message of an error, e.g. the line of a script. */
  readonly where: string;
  /** The trace that whoever asks belongs to. */
  readonly trace?: TraceContext | undefined;
}

export type ClientFrame =
  | Hello
  | { readonly t: 'run'; readonly run: RunRequest }
  /** Tell me the news, as a REPL shows them. */
  | { readonly t: 'watch' }
  | { readonly t: 'stop' }
  /** A part of stdin, asked for by `stdin`. */
  | { readonly t: 'in'; readonly d: string }
  | { readonly t: 'in-end' }
  /** There is no stdin to read: the error that the command shall see. */
  | { readonly t: 'in-error'; readonly message: string; readonly hint: string | null }
  | { readonly t: 'answer'; readonly id: number; readonly text: string | null }
  | { readonly t: 'opened'; readonly id: number; readonly started: boolean }
  | { readonly t: 'screen-input'; readonly input: ScreenInput }
  | { readonly t: 'signal'; readonly name: EndSignal };

export type ManagerFrame =
  /** `problem`: what is wrong with the configuration on disk, of which the manager therefore uses the last good one. */
  | { readonly t: 'welcome'; readonly problem: string | null }
  | { readonly t: 'out'; readonly d: string }
  | { readonly t: 'err'; readonly d: string }
  | { readonly t: 'stdin' }
  | { readonly t: 'ask'; readonly id: number; readonly question: string; readonly isHidden: boolean }
  /** Nobody needs the answer to this question any more. */
  | { readonly t: 'asked'; readonly id: number }
  /** Show this address in the browser; answered by `opened`. The browser is the caller's, who sits in front of the screen. */
  | { readonly t: 'open'; readonly id: number; readonly url: string }
  /** Show these lines on the whole screen, which the first such frame takes; null gives it back. */
  | { readonly t: 'screen'; readonly lines: readonly string[] | null }
  | { readonly t: 'exit'; readonly code: number }
  /** Not a command for a manager: run it yourself. */
  | { readonly t: 'local' }
  | { readonly t: 'news'; readonly news: unknown }
  | { readonly t: 'stopping' }
  | { readonly t: 'refused'; readonly reason: string };

/** No frame is longer: text is sent in pieces. In UTF-16 units. */
export const maxFrameLength = 4 * 1024 * 1024;
const pieceLength = 64 * 1024;

export interface Channel<Out> {
  /** Sends a frame; resolves when the other end keeps up, so that a slow reader slows the sender down. */
  send(frame: Out): Promise<void>;
  /** Ends the conversation after what was sent. */
  end(): void;
}

/**
 * Frames over a connected socket. `onFrame` gets every frame that is an object with a `t`; a line that is too long or no JSON ends
 * the conversation. While a promise that `onFrame` returned is pending, nothing more is read. `onClose` is told once.
 */
export function openChannel<In extends { t: string }, Out>(
  socket: Socket,
  { onFrame, onClose }: { onFrame: (frame: In) => void | Promise<void>; onClose: () => void },
): Channel<Out> {
  let partial = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (partial + text).split('\n');
    partial = lines.pop()!;
    if (partial.length > maxFrameLength) return void socket.destroy();
    const waits: Promise<void>[] = [];
    for (const line of lines) {
      const frame = parseFrame(line);
      if (!frame) return void socket.destroy();
      const wait = onFrame(frame as In);
      if (wait) waits.push(wait);
    }
    if (waits.length === 0) return;
    socket.pause();
    void Promise.allSettled(waits).then(() => socket.resume());
  });
  // The reason does not matter: whoever is gone is gone.
  socket.on('error', () => {});
  socket.once('close', onClose);
  return {
    send: (frame) =>
      new Promise((resolve) => {
        if (socket.destroyed || socket.writableEnded) return resolve();
        if (socket.write(`${JSON.stringify(frame)}\n`)) return resolve();
        const go = () => {
          socket.off('drain', go).off('close', go);
          resolve();
        };
        socket.on('drain', go).on('close', go);
      }),
    end: () => socket.end(),
  };
}

/** Text as pieces that fit into frames; no surrogate pair is torn. */
export function* pieces(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + pieceLength, text.length);
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last <= 0xdbff) to--;
    yield text.slice(from, to);
    from = to;
  }
}

function parseFrame(line: string): { t: string } | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 't' in value && typeof value.t === 'string'
      ? (value as { t: string })
      : undefined;
  } catch {
    return undefined;
  }
}
