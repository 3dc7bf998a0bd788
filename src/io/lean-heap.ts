/** How much memory a process that stays may take for garbage. */
import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the part of the heap for new objects at the size it has now, instead of letting it double with what survives: the start of a
 * manager, when a library and the tools of all servers come in, would leave it at 8 MB for good. Measured with 20 idle servers: 64.6
 * instead of 69.2 MB in all, and no fewer calls per second. Takes effect at once; a Node without the flag ignores it.
 */
export function keepNewSpaceSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
