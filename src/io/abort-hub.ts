/** One abort listener per signal, however many requests wait on it: Node warns above 10 listeners, and each one costs at removal. */

const waiting = new WeakMap<AbortSignal, Set<AbortTarget>>();

/** What is told when its signal aborts. */
export interface AbortTarget {
  abort(reason: unknown): void;
}

/**
 * Tells `target` once when `signal` aborts, until {@link unwatchAbort}. The signal carries one listener of ours while
 * anything waits on it, and none otherwise. A signal that is already aborted tells nobody: check it first.
 */
export function watchAbort(signal: AbortSignal, target: AbortTarget): void {
  let targets = waiting.get(signal);
  if (targets === undefined) {
    targets = new Set();
    waiting.set(signal, targets);
  }
  if (targets.size === 0) signal.addEventListener('abort', tellAll);
  targets.add(target);
}

/** Takes `target` off; harmless when it is not on. */
export function unwatchAbort(signal: AbortSignal, target: AbortTarget): void {
  const targets = waiting.get(signal);
  if (targets?.delete(target) && targets.size === 0) signal.removeEventListener('abort', tellAll);
}

/** One function for every signal, so that removing it needs no memory of which one was added. */
function tellAll(event: Event): void {
  const signal = event.target as AbortSignal;
  const targets = [...(waiting.get(signal) ?? [])];
  waiting.delete(signal);
  signal.removeEventListener('abort', tellAll);
  for (const target of targets) target.abort(signal.reason);
}
