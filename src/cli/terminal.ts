/** The two ways out and the one way in of a run: stdout for the result, stderr for the person, stdin when a command asks for it. */

import type { Screen, ScreenInput, ScreenLoan } from '../io/screen.js';

export interface AskOptions {
  /** What is typed is a secret: it is not shown. */
  readonly isHidden?: boolean;
  /** Ends the question when nobody needs the answer any more; the reason is what the asking fails with. */
  readonly signal?: AbortSignal;
}

export interface Terminal {
  /** Writes to stdout; resolves when the text was taken, so that a slow reader slows us down instead of filling memory. */
  write(text: string): Promise<void>;
  /** Writes one or more lines to stderr. */
  writeError(text: string): void;
  /** All of stdin as text. @throws McpctlError `USAGE` when stdin is a terminal or was read already. */
  readInput(): Promise<string>;
  /** Whether a person sees stdout, or stderr: decides on colours, and on spinners. */
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Whether colours are wanted at all (NO_COLOR, TERM=dumb, --no-color). */
  readonly colorAllowed: boolean;
  readonly columns: number;
  /** Asks the person in front; absent when nobody is there. */
  readonly ask?: (question: string, options?: AskOptions) => Promise<string>;
  /** Shows an address in the browser of the person in front. @returns whether one was started @throws McpctlError as `io/open-url` */
  readonly openUrl?: (url: string) => Promise<boolean>;
  /**
   * Takes the whole screen, for a live view; absent where there is none, or no keys. The size comes before it resolves. What is written
   * to stderr meanwhile is held back until the screen is given back, unless that goes elsewhere.
   */
  readonly openScreen?: (onInput: (input: ScreenInput) => void, loan?: ScreenLoan) => Promise<Screen>;
}
