/** Frames over a connection: whole at the other end however they were cut, bounded, and slowed down by a slow reader. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { maxFrameLength, openChannel, pieces } from '../../../src/io/control-channel.js';

type Frame = { readonly t: string; readonly d?: string };

/** One end of a connection; `write` brings what the other end says. */
function oneEnd(onFrame: (frame: Frame) => void | Promise<void> = () => {}) {
  const sent: string[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      sent.push(String(chunk));
      done();
    },
  });
  let closed = 0;
  const channel = openChannel<Frame, Frame>(socket as unknown as Socket, { onFrame, onClose: () => void closed++ });
  const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return { socket, channel, sent, settle, closed: () => closed };
}

describe('openChannel', () => {
  it('gives whole frames, however the bytes of 3 frames are cut', async () => {
    const text = ['{"t":"a","d":"ä€😀"}', '{"t":"b"}', '{"t":"c","d":"\\n"}'].map((line) => `${line}\n`).join('');
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const frames: Frame[] = [];
      const end = oneEnd((frame) => void frames.push(frame));
      for (let at = 0; at < bytes.length; at += size) end.socket.push(bytes.subarray(at, at + size));
      await end.settle();
      expect(frames).toEqual([{ t: 'a', d: 'ä€😀' }, { t: 'b' }, { t: 'c', d: '\n' }]);
    }
  });

  it.each(['no json\n', '[]\n', 'null\n', '{"x":1}\n', '{"t":1}\n', '\n', 'x'.repeat(maxFrameLength + 1)])(
    'ends the conversation at %.20j',
    async (text) => {
      const end = oneEnd();
      end.socket.push(text);
      await end.settle();
      expect({ destroyed: end.socket.destroyed, closed: end.closed() }).toEqual({ destroyed: true, closed: 1 });
    },
  );

  it('reads nothing more while a frame is being dealt with', async () => {
    let release = () => {};
    const seen: string[] = [];
    const end = oneEnd((frame) => {
      seen.push(frame.t);
      return frame.t === 'slow' ? new Promise<void>((resolve) => (release = resolve)) : undefined;
    });
    end.socket.push('{"t":"slow"}\n');
    await end.settle();
    end.socket.push('{"t":"next"}\n');
    await end.settle();
    expect(seen).toEqual(['slow']);
    release();
    await end.settle();
    expect(seen).toEqual(['slow', 'next']);
  });

  it('send() resolves at once on a connection that is gone', async () => {
    const end = oneEnd();
    end.socket.destroy();
    await end.channel.send({ t: 'late' });
    expect(end.sent).toEqual([]);
  });
});

describe('pieces', () => {
  it('cuts 200 000 characters into pieces of at most 65 536, never within a surrogate pair, and loses none', () => {
    const text = `x${'😀'.repeat(100_000)}`;
    const all = [...pieces(text)];
    expect(all.join('')).toBe(text);
    expect(Math.max(...all.map(({ length }) => length))).toBeLessThanOrEqual(65_536);
    for (const piece of all) expect(piece).not.toMatch(/[\ud800-\udbff]$/);
  });

  it('gives nothing for no text', () => {
    expect([...pieces('')]).toEqual([]);
  });
});
