/** Asks the person at a terminal one question. The terminal stays as it is, so that Ctrl-C ends the command as always. */

import type { Key } from 'node:readline';
import { cancelled } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { AskOptions } from './terminal.js';

/** Puts the question on `output`; the answer is the next line of `input`, empty at its end (Ctrl-D). */
export function askOn(
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
): (question: string, options?: AskOptions) => Promise<string> {
  return async (question, { isHidden = false, signal } = {}) => {
    const asked = `${sanitizeLine(question, 2_000)} `;
    if (isHidden) return askHidden(asked, input, output, signal);
    const { createInterface } = await import('node:readline');
    signal?.throwIfAborted();
    const reader = createInterface({ input, terminal: false });
    output.write(asked);
    let onAbort = () => {};
    try {
      return await new Promise((resolve, reject) => {
        reader.once('line', resolve);
        reader.once('close', () => resolve(''));
        onAbort = () => {
          output.write('\n');
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      reader.close();
    }
  };
}

/** The terminal gives us key by key, and shows none. It makes no signal of Ctrl-C meanwhile. */
async function askHidden(
  asked: string,
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  signal: AbortSignal | undefined,
): Promise<string> {
  const [{ emitKeypressEvents }, { HiddenAnswer }] = await Promise.all([import('node:readline'), import('./hidden-answer.js')]);
  signal?.throwIfAborted();
  const answer = new HiddenAnswer();
  emitKeypressEvents(input);
  // First: what is typed as soon as the question stands there must not be shown.
  input.setRawMode(true);
  output.write(asked);
  let onKey = (_text: string | undefined, _key: Key) => {};
  let onEnd = () => {};
  let onAbort = () => {};
  try {
    return await new Promise((resolve, reject) => {
      onKey = (text, key) => {
        const step = answer.press(text, key);
        if (step === 'interrupt') reject(cancelled('SIGINT'));
        else if (step !== 'more') resolve(step === 'end' ? '' : answer.text);
      };
      onEnd = () => reject(cancelled('SIGHUP'));
      onAbort = () => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      input.on('keypress', onKey);
      input.once('end', onEnd).once('error', onEnd);
      input.resume();
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    input.off('keypress', onKey).off('end', onEnd).off('error', onEnd);
    input.setRawMode(false);
    input.pause();
    output.write('\n');
  }
}
