/** Writing to the state directory that fails is told once, whoever failed: a disk is full for all of them. */

import { rootMessage } from '../core/errors.js';

/** Told of every failed write; a command goes on without what could not be kept. */
export type OnWriteFailure = (error: unknown) => void;

/** Says the first failure only. */
export function tellOnce(stateDir: string, onWarning: (message: string) => void): OnWriteFailure {
  let isTold = false;
  return (error) => {
    if (isTold) return;
    isTold = true;
    onWarning(`cannot write to ${stateDir}: ${rootMessage(error)}; going on without logs, figures or memory between runs`);
  };
}
