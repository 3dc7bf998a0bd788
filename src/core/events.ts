/** A typed emitter: events are plain facts, listeners cannot disturb the one who tells them. */

export interface Subscription extends Disposable {
  off(): void;
}

export class Emitter<E extends { type: string }> {
  readonly #listeners = new Set<(event: E) => void>();

  /** @param onListenerError told of what a listener throws; by default it becomes an uncaught exception, as a bug should. */
  constructor(readonly onListenerError: (error: unknown) => void = throwLater) {}

  /** Calls `listener` for every event until the returned subscription is disposed of. */
  onAny(listener: (event: E) => void): Subscription {
    const own = (event: E) => listener(event);
    this.#listeners.add(own);
    const off = () => void this.#listeners.delete(own);
    return { off, [Symbol.dispose]: off };
  }

  /** Calls `listener` for every event of one type. */
  on<T extends E['type']>(type: T, listener: (event: Extract<E, { type: T }>) => void): Subscription {
    return this.onAny((event) => {
      if (event.type === type) listener(event as Extract<E, { type: T }>);
    });
  }

  /** Tells every listener. A listener that throws is a bug of that listener; the others still hear. */
  emit(event: E): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.onListenerError(error);
      }
    }
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
