/** The last lines of a server's log, and every new one, for as long as somebody looks at them. */

import type { Clock } from '../../core/clock.js';
import { rootMessage } from '../../core/errors.js';
import { type LogLine, serverLines } from '../../state/log-line.js';

/** What is kept to scroll through. */
const maxLines = 2000;

export class LogTail implements Disposable {
  readonly lines: LogLine[] = [];
  readonly #ending = new AbortController();

  /**
   * @param onLine told after `lines` has got one more
   * @param onProblem why it cannot be read
   */
  constructor(
    path: string,
    clock: Clock,
    { onLine, onProblem }: { onLine: (line: LogLine) => void; onProblem: (text: string) => void },
  ) {
    void this.#follow(path, clock, onLine).catch((error: unknown) => {
      if (!this.#ending.signal.aborted) onProblem(`Cannot read the log ${path}: ${rootMessage(error)}`);
    });
  }

  async #follow(path: string, clock: Clock, onLine: (line: LogLine) => void): Promise<void> {
    const { followLog } = await import('../../state/log-follower.js');
    const { signal } = this.#ending;
    for await (const line of followLog(path, { lines: maxLines, format: serverLines, clock, signal })) {
      if (signal.aborted) return;
      this.lines.push(line);
      if (this.lines.length > maxLines) this.lines.shift();
      onLine(line);
    }
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
  }
}
