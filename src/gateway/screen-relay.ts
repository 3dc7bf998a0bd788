/** The screen of somebody who attached: lines go to it, its keys and sizes come back. */
import type { ManagerFrame } from '../io/control-channel.js';
import type { Screen, ScreenInput } from '../io/screen.js';

export class ScreenRelay {
  readonly #send: (frame: ManagerFrame) => Promise<void>;
  #onInput: ((input: ScreenInput) => void) | undefined;
  #opened: ((screen: Screen) => void) | undefined;

  constructor(send: (frame: ManagerFrame) => Promise<void>) {
    this.#send = send;
  }

  /** Resolves when the other end has said how large it is; never when it goes away before, which ends the command. */
  open(onInput: (input: ScreenInput) => void): Promise<Screen> {
    this.#onInput = onInput;
    void this.#send({ t: 'screen', lines: [] });
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  heard(input: ScreenInput): void {
    const safe = checked(input);
    if (safe) this.#onInput?.(safe);
    this.#opened?.(this.#screen());
    this.#opened = undefined;
  }

  #screen(): Screen {
    return {
      // Lines that come after it was given back would take it again.
      draw: async (lines) => {
        if (this.#onInput) await this.#send({ t: 'screen', lines });
      },
      [Symbol.dispose]: () => {
        if (!this.#onInput) return;
        this.#onInput = undefined;
        void this.#send({ t: 'screen', lines: null });
      },
    };
  }
}

/** Larger than any screen there is: what is drawn is made for this size. */
const maxSize = 1000;

function checked(input: ScreenInput): ScreenInput | undefined {
  if (input?.type === 'key') return { type: 'key', key: String(input.key) };
  if (input?.type !== 'size') return undefined;
  const bounded = (size: unknown) => Math.max(1, Math.min(maxSize, Math.floor(Number(size)) || 1));
  return { type: 'size', columns: bounded(input.columns), rows: bounded(input.rows) };
}
