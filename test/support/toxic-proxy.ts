/** A TCP proxy on 127.0.0.1 that spoils connections on demand: latency, bandwidth, slicer, limit, slow close, timeout, reset, down. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What happens to the bytes of one direction; read anew for every piece, so a test may change it while connections are open. */
export interface Toxics {
  /** Each piece arrives this much later. */
  latencyMs: number;
  /** At most so many bytes in a second. */
  bytesPerSecond: number;
  /** Pieces are cut into slices of at most this size, each written on its own, `sliceDelayMs` apart. */
  sliceBytes: number;
  sliceDelayMs: number;
  /** The connection closes when so many bytes of it have passed. */
  limitBytes: number;
  /** The end of the stream arrives this much later. */
  slowCloseMs: number;
  /** Nothing gets through any more, and nobody is told. */
  isSilent: boolean;
}

const healthy: Toxics = {
  latencyMs: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  sliceBytes: Number.POSITIVE_INFINITY,
  sliceDelayMs: 0,
  limitBytes: Number.POSITIVE_INFINITY,
  slowCloseMs: 0,
  isSilent: false,
};

export interface ToxicProxy extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** From the client to the server. */
  readonly upstream: Toxics;
  /** From the server to the client. */
  readonly downstream: Toxics;
  /** Connections that are open now. */
  readonly open: number;
  /** Connections that were ever made. */
  readonly connections: number;
  /** Healthy again, for all connections but those that vanished. */
  clear(): void;
  /** Ends every open connection with RST, on both sides. */
  reset(): void;
  /** Every open connection goes silent for good, as if a cable had been cut; later ones are not concerned. */
  vanish(): void;
  /** Refuses connections and resets the open ones, until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
}

/** Most bytes that wait for their time in one direction before the sender has to wait too. */
const maxWaitingBytes = 1024 * 1024;
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  hasVanished: boolean;
}

/** @param target where the healthy traffic goes: a port of this machine. */
export async function startToxicProxy(target: number): Promise<ToxicProxy> {
  const pairs = new Set<Pair>();
  const upstream = { ...healthy };
  const downstream = { ...healthy };
  let connections = 0;

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    connections++;
    const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const pair: Pair = { client, server, hasVanished: false };
    pairs.add(pair);
    carry(pair, client, server, upstream);
    carry(pair, server, client, downstream);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => {});
      socket.on('close', (hadError) => {
        if (client.destroyed && server.destroyed) pairs.delete(pair);
        // An end is carried like bytes are; an error is told at once.
        if (hadError && !pair.hasVanished) other.resetAndDestroy();
      });
    }
  });
  const listen = async (port: number) => {
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
    return (listener.address() as AddressInfo).port;
  };
  const reset = () => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  };
  const down = async () => {
    if (!listener.listening) return;
    const closed = once(listener, 'close');
    listener.close();
    reset();
    await closed;
  };
  const port = await listen(0);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    upstream,
    downstream,
    get open() {
      return pairs.size;
    },
    get connections() {
      return connections;
    },
    clear() {
      Object.assign(upstream, healthy);
      Object.assign(downstream, healthy);
    },
    reset,
    vanish() {
      for (const pair of pairs) pair.hasVanished = true;
    },
    down,
    async up() {
      if (!listener.listening) await listen(port);
    },
    [Symbol.asyncDispose]: down,
  };
}

/** Takes the bytes of one direction over, in order, each when its time has come. */
function carry(pair: Pair, from: Socket, to: Socket, toxics: Toxics): void {
  let passed = 0;
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  const isCut = () => pair.hasVanished || toxics.isSilent;

  const pass = async (chunk: Buffer, dueAt: number): Promise<void> => {
    const early = dueAt - performance.now();
    if (early > 0) await wait(early);
    for (let at = 0; at < chunk.length; ) {
      if (to.destroyed || isCut()) return;
      const { sliceBytes, sliceDelayMs, bytesPerSecond, limitBytes } = toxics;
      const piece = chunk.subarray(at, at + Math.min(sliceBytes, limitBytes - passed));
      if (Number.isFinite(bytesPerSecond)) await wait((piece.length / bytesPerSecond) * 1000);
      if (piece.length > 0 && !to.write(piece) && !to.destroyed) await Promise.race([once(to, 'drain'), once(to, 'close')]);
      passed += piece.length;
      at += piece.length;
      if (passed >= limitBytes) {
        from.destroy();
        to.end();
        return;
      }
      if (at < chunk.length) await wait(sliceDelayMs);
    }
  };

  from.on('data', (chunk: Buffer) => {
    const dueAt = performance.now() + toxics.latencyMs;
    waiting += chunk.length;
    if (waiting > maxWaitingBytes) from.pause();
    last = last
      .then(() => pass(chunk, dueAt))
      .catch(() => {})
      .then(() => {
        waiting -= chunk.length;
        if (waiting <= maxWaitingBytes) from.resume();
      });
  });
  from.on('end', () => {
    const dueAt = performance.now() + toxics.latencyMs + toxics.slowCloseMs;
    last = last.then(async () => {
      const early = dueAt - performance.now();
      if (early > 0) await wait(early);
      if (!isCut()) to.end();
    });
  });
}
