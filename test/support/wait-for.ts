/** Waits in real time until something becomes true; the failure says what was last seen. */

export interface WaitOptions {
  /** Gives up after this long (default 5000). */
  readonly timeoutMs?: number;
  /** Pause between two looks (default 10). */
  readonly intervalMs?: number;
  /** What is waited for, for the error message. */
  readonly what?: string | (() => string);
}

/**
 * Calls `look` until it returns something other than `undefined`, `null` or `false`, and returns that.
 * An error thrown by `look` counts as "not yet" and becomes the `cause` of the final failure.
 */
export async function waitFor<T>(
  look: () => T | Promise<T>,
  { timeoutMs = 5_000, intervalMs = 10, what = 'the condition' }: WaitOptions = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const startMs = performance.now();
  for (;;) {
    let failure: unknown;
    try {
      const seen = await look();
      if (seen !== undefined && seen !== null && seen !== false) return seen as NonNullable<Exclude<T, false>>;
    } catch (error) {
      failure = error;
    }
    if (performance.now() - startMs >= timeoutMs) {
      const subject = typeof what === 'function' ? what() : what;
      throw new Error(`Waited ${timeoutMs} ms in vain for ${subject}`, failure === undefined ? undefined : { cause: failure });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
