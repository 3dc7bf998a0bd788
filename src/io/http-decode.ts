/** The bytes of a response message as they come, decompressed, to one sink that can hold them back. */
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

export type Encoding = 'identity' | 'gzip' | 'deflate' | 'br';

/** What {@link encodingOf} understands, for the request. */
export const acceptEncoding = 'gzip, deflate, br';

export interface ByteSink {
  data(chunk: Buffer): void;
  end(): void;
  /** The connection or the compressed data broke. Nothing follows. */
  fail(error: unknown): void;
}

export interface ByteFlow {
  pause(): void;
  resume(): void;
  /** Ends everything, the socket included; the sink hears nothing more. Safe to call twice. */
  destroy(): void;
}

/** The content encoding of a message; `undefined` for an unknown or stacked one, which nobody asked for. */
export function encodingOf(message: IncomingMessage): Encoding | undefined {
  const header = message.headers['content-encoding'];
  if (header === undefined) return 'identity';
  switch (header.trim().toLowerCase()) {
    case '':
    case 'identity':
      return 'identity';
    case 'gzip':
    case 'x-gzip':
      return 'gzip';
    case 'deflate':
      return 'deflate';
    case 'br':
      return 'br';
    default:
      return undefined;
  }
}

/** Starts the flow of a message's body into `sink`. */
export function startFlow(message: IncomingMessage, encoding: Encoding, sink: ByteSink): ByteFlow {
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    sink.end();
  };
  const fail = (error: unknown) => {
    if (over) return;
    over = true;
    sink.fail(error);
  };
  // Also after the end: an error without a listener would end the process.
  message.on('error', fail);
  message.on('close', () => {
    if (!message.readableEnded) fail(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
  });

  if (encoding === 'identity') {
    message.on('data', (chunk: Buffer) => {
      if (!over) sink.data(chunk);
    });
    message.on('end', end);
    return {
      pause: () => void message.pause(),
      resume: () => void message.resume(),
      destroy() {
        over = true;
        message.destroy();
      },
    };
  }

  let decoder: Transform | undefined;
  const open = (first: Buffer): Transform => {
    const opened = createDecoder(encoding, first);
    opened.on('data', (chunk: Buffer) => {
      if (!over) sink.data(chunk);
    });
    opened.on('end', end);
    opened.on('error', fail);
    opened.on('drain', () => void message.resume());
    return opened;
  };
  message.on('data', (chunk: Buffer) => {
    if (over) return;
    decoder ??= open(chunk);
    if (!decoder.write(chunk)) message.pause();
  });
  message.on('end', () => {
    if (decoder === undefined) end();
    else decoder.end();
  });
  return {
    pause: () => void decoder?.pause(),
    resume: () => void decoder?.resume(),
    destroy() {
      over = true;
      decoder?.destroy();
      message.destroy();
    },
  };
}

/**
 * Flushes with every write, because an event must not wait for the next one to push it out; and accepts a body without its
 * last checksum bytes, which some servers forget and every browser accepts.
 */
function createDecoder(encoding: Exclude<Encoding, 'identity'>, first: Buffer): Transform {
  if (encoding === 'br') {
    return createBrotliDecompress({ flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH });
  }
  const options = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
  if (encoding === 'gzip') return createGunzip(options);
  // "deflate" means the zlib format (RFC 9110, section 8.4.1.2), but servers send raw deflate too; zlib's first byte ends in 8.
  return ((first[0] ?? 0) & 0x0f) === 0x08 ? createInflate(options) : createInflateRaw(options);
}
