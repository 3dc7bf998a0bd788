/** Policies as functions: each wraps an operation, knows none of the others, and they compose into one visible pipeline. */

/** What an operation may know of its circumstances. */
export interface Attempt {
  /** Ends the attempt; its `reason` is what the operation rejects with. */
  readonly signal: AbortSignal;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Tells the policies around that the operation is alive (a progress notification came): idle deadlines start anew. */
  readonly touch: () => void;
}

export type Operation<T> = (attempt: Attempt) => Promise<T>;

export type Policy = <T>(operation: Operation<T>, attempt: Attempt) => Promise<T>;

/** Composes policies; the first is the outermost. */
export function compose(...policies: readonly Policy[]): Policy {
  return (operation, attempt) => {
    const run = policies.reduceRight<Operation<unknown>>(
      (inner, policy) => (current) => policy(inner, current),
      operation as Operation<unknown>,
    );
    return run(attempt) as ReturnType<typeof operation>;
  };
}
