/** Asks the person at a terminal one question. The terminal stays as it is, so that Ctrl-C ends the command as always. */

import { sanitizeLine } from '../core/sanitize.js';

/** Puts the question on `output`; the answer is the next line of `input`, empty at its end (Ctrl-D). */
export function askOn(input: NodeJS.ReadStream, output: NodeJS.WriteStream): (question: string) => Promise<string> {
  return async (question) => {
    const { createInterface } = await import('node:readline');
    const reader = createInterface({ input, terminal: false });
    output.write(`${sanitizeLine(question, 2_000)} `);
    try {
      return await new Promise((resolve) => {
        reader.once('line', resolve);
        reader.once('close', () => resolve(''));
      });
    } finally {
      reader.close();
    }
  };
}
