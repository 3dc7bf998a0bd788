/** How many bytes went over sockets and pipes: they count themselves, so that nothing is done for a single message. */

import type { EventEmitter } from 'node:events';

/** A socket, or one end of a pipe, as Node has them. */
interface Counting extends EventEmitter {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
}

export interface TrafficBytes {
  readonly sent: number;
  readonly received: number;
}

export class Traffic {
  readonly #live = new Set<Counting>();
  #sent = 0;
  #received = 0;

  /** Counts what goes over `stream` from its beginning to its end. */
  add(stream: Counting): void {
    this.#live.add(stream);
    stream.once('close', () => {
      if (!this.#live.delete(stream)) return;
      this.#sent += stream.bytesWritten ?? 0;
      this.#received += stream.bytesRead ?? 0;
    });
  }

  get bytes(): TrafficBytes {
    let sent = this.#sent;
    let received = this.#received;
    for (const { bytesWritten = 0, bytesRead = 0 } of this.#live) {
      sent += bytesWritten;
      received += bytesRead;
    }
    return { sent, received };
  }
}
