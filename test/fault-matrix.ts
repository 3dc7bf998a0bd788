/** The faults that mcpctl is built for, what it promises in each, and the tests that show it. Becomes docs/faults.md (`npm run docs`). */
import { loginFaults } from './fault-matrix/logins.js';
import { managerFaults } from './fault-matrix/manager.js';
import { networkFaults } from './fault-matrix/network.js';
import { processFaults } from './fault-matrix/processes.js';

export interface Fault {
  /** F01 to F54; the gap at F46 and F47 is the shared store, which has rows of its own. */
  readonly id: `F${number}`;
  /** What goes wrong. */
  readonly fault: string;
  /** What happens then. */
  readonly promise: string;
  /** How much of it, as a figure that was aimed at. */
  readonly figure: string;
  /** Titles as they are written, by file below `test/`, without `.test.ts`. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
  /** Where the tests show less than the figure says, or something else. */
  readonly note?: string;
}

export const faultMatrix: Readonly<Record<string, readonly Fault[]>> = {
  'Processes and their messages': processFaults,
  'HTTP and the network': networkFaults,
  'Logins and where they are kept': loginFaults,
  'The manager, its files and its end': managerFaults,
};
