/** The HTTP transport on a fetch made of promises: whose answer, whose failure, what is closed when. */
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { McpctlError } from '../../../src/core/errors.js';
import type { HttpFetch } from '../../../src/io/http-fetch.js';
import { HttpTransport } from '../../../src/mcp/http-transport.js';
import { ResumePace } from '../../../src/mcp/resume-pace.js';
import { FakeClock } from '../../support/fake-clock.js';

interface Sent {
  readonly method: string;
  readonly headers: Headers;
  readonly body: { id?: unknown; method?: string } | undefined;
  readonly signal: AbortSignal | null | undefined;
  answer(response: Response): void;
  refuse(error: unknown): void;
}

async function transport() {
  const clock = new FakeClock();
  const sent: Sent[] = [];
  const messages: JSONRPCMessage[] = [];
  const lost: McpctlError[] = [];
  let disposals = 0;
  const http: HttpFetch = {
    fetch: (_url, init = {}) =>
      new Promise((resolve, reject) => {
        init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
        const body = typeof init.body === 'string' ? (JSON.parse(init.body) as Sent['body']) : undefined;
        const { method = 'GET', signal } = init;
        sent.push({ method, headers: new Headers(init.headers), body, signal, answer: resolve, refuse: reject });
      }),
    closeIdle: () => {},
    async [Symbol.asyncDispose]() {
      disposals++;
    },
  };
  const subject = new HttpTransport({
    server: 'files',
    url: 'http://127.0.0.1/mcp',
    headers: { 'x-tenant': 'blue' },
    clock,
    http,
  });
  subject.onmessage = (message) => messages.push(message);
  subject.onlost = (reason) => lost.push(reason);
  await subject.start();
  /** The nth exchange, once it has been sent. */
  const exchange = async (index: number) => {
    for (let i = 0; i < 50 && sent.length <= index; i++) await tick();
    return sent[index]!;
  };
  return { clock, sent, messages, lost, subject, exchange, disposals: () => disposals };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));
const settle = async () => {
  for (let i = 0; i < 20; i++) await tick();
};
const request = (id: number, method = 'tools/call'): JSONRPCMessage => ({ jsonrpc: '2.0', id, method, params: {} });
const result = (id: number) => ({ jsonrpc: '2.0', id, result: {} });
const json = (body: unknown, init?: ResponseInit) =>
  new Response(JSON.stringify(body), { ...init, headers: { 'content-type': 'application/json', ...init?.headers } });

function stream() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(it) {
      controller = it;
    },
  });
  const text = (value: string) => controller.enqueue(new TextEncoder().encode(value));
  return {
    response: new Response(body, { headers: { 'content-type': 'text/event-stream' } }),
    text,
    end: () => controller.close(),
    fail: (error: unknown) => controller.error(error),
  };
}

const errorOf = (message: JSONRPCMessage | undefined) => (message as { error: { data: McpctlError } }).error.data;

/** Opens a session named `s1`, as a server would on `initialize`. */
async function withSession() {
  const rig = await transport();
  const initialize = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
  } as const;
  const sending = rig.subject.send(initialize);
  (await rig.exchange(0)).answer(json(result(0), { headers: { 'mcp-session-id': 's1' } }));
  await sending;
  return rig;
}

describe('requests', () => {
  it('carry the headers of the configuration, and no trace of how they are told apart', async () => {
    const { subject, exchange } = await transport();
    const sending = subject.send(request(1));
    const { headers, answer } = await exchange(0);
    expect(headers.get('x-tenant')).toBe('blue');
    expect([...headers.keys()].filter((name) => name.startsWith('x-mcpctl'))).toEqual([]);
    answer(json(result(1)));
    await sending;
  });

  it('1 and "1" are different requests', async () => {
    const { subject, exchange, messages } = await transport();
    const first = subject.send(request(1));
    const second = subject.send({ ...request(1), id: '1' } as JSONRPCMessage);
    (await exchange(0)).answer(json(result(1)));
    (await exchange(1)).answer(json({ ...result(1), id: '1' }));
    await Promise.all([first, second]);
    expect(messages).toEqual([result(1), { ...result(1), id: '1' }]);
  });

  it.each([
    ['HTTP 202', () => new Response(null, { status: 202 })],
    ['the answer to another request', () => json(result(99))],
    ['an empty batch', () => json([])],
  ])('answered with %s fail at once with PROTOCOL', async (_name, response) => {
    const { subject, exchange, messages } = await transport();
    const sending = subject.send(request(1));
    (await exchange(0)).answer(response());
    await sending;
    expect(messages.at(-1)).toMatchObject({ id: 1 });
    expect(errorOf(messages.at(-1))).toMatchObject({ code: 'PROTOCOL', delivered: 'maybe' });
  });
});

describe('a stream', () => {
  it('that ends without the answer fails its request as perhaps delivered, and no other', async () => {
    const { subject, exchange, messages } = await transport();
    void subject.send(request(1));
    void subject.send(request(2));
    const [one, two] = [stream(), stream()];
    (await exchange(0)).answer(one.response);
    (await exchange(1)).answer(two.response);
    await settle();
    one.end();
    await settle();
    expect(messages).toHaveLength(1);
    expect(errorOf(messages[0])).toMatchObject({ code: 'UNAVAILABLE', delivered: 'maybe', details: { reason: 'stream-broken' } });
    two.text(`data: ${JSON.stringify(result(2))}\n\n`);
    two.end();
    await settle();
    expect(messages[1]).toEqual(result(2));
    expect(messages).toHaveLength(2);
  });

  it('that breaks tells why', async () => {
    const { subject, exchange, messages } = await transport();
    void subject.send(request(1));
    const one = stream();
    (await exchange(0)).answer(one.response);
    await settle();
    one.fail(new McpctlError('TOO_LARGE', 'The event is too large', { delivered: 'maybe' }));
    await settle();
    expect(messages).toHaveLength(1);
    expect(errorOf(messages[0]).code).toBe('TOO_LARGE');
  });

  it('with an event id is resumed there, also when it breaks twice before the next event', async () => {
    const { subject, exchange, messages, clock } = await transport();
    void subject.send(request(1));
    const one = stream();
    (await exchange(0)).answer(one.response);
    await settle();
    one.text('id: e7\ndata:\n\n');
    one.end();
    for (const index of [1, 2]) {
      await settle();
      await clock.advance(250);
      const resume = await exchange(index);
      expect(resume.method).toBe('GET');
      expect(resume.headers.get('last-event-id')).toBe('e7');
      const again = stream();
      resume.answer(again.response);
      await settle();
      if (index === 2) again.text(`data: ${JSON.stringify(result(1))}\n\n`);
      again.end();
    }
    await settle();
    expect(messages).toEqual([result(1)]);
  });
});

describe('a lost session', () => {
  it('is told once, and a request that is still under way gets its answer', async () => {
    const { subject, exchange, messages, lost, disposals } = await withSession();
    const slow = subject.send(request(1));
    const late = subject.send(request(2));
    (await exchange(2)).answer(json({ jsonrpc: '2.0', id: null, error: { code: -32001, message: 'gone' } }, { status: 404 }));
    await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE', delivered: 'no', details: { reason: 'session-lost' } });
    expect(lost).toHaveLength(1);
    const running = await exchange(1);
    expect(running.signal?.aborted).toBe(false);
    running.answer(json(result(1)));
    await slow;
    expect(messages.at(-1)).toEqual(result(1));
    expect(disposals()).toBe(0);
    await subject.close();
    await subject.close();
    expect(disposals()).toBe(1);
  });

  it('HTTP 404 without a session is something else', async () => {
    const { subject, exchange, lost } = await transport();
    const sending = subject.send(request(1));
    (await exchange(0)).answer(new Response('', { status: 404 }));
    await expect(sending).rejects.toMatchObject({ status: 404 });
    expect(lost).toEqual([]);
  });

  it.each([
    [400, -32000, true],
    [400, -32602, false],
    [500, -32000, false],
  ])('HTTP %i with JSON-RPC code %i: %s', async (status, code, isLost) => {
    const { subject, exchange, lost } = await withSession();
    const sending = subject.send(request(1));
    (await exchange(1)).answer(json({ jsonrpc: '2.0', id: 1, error: { code, message: 'x' } }, { status }));
    await expect(sending).rejects.toMatchObject(isLost ? { details: { reason: 'session-lost' } } : { status });
    expect(lost).toHaveLength(isLost ? 1 : 0);
  });
});

describe('closing', () => {
  it('ends the session with DELETE, and waits 500 ms for a server that does not answer it', async () => {
    const { subject, exchange, clock, disposals } = await withSession();
    let isClosed = false;
    const closing = subject.close().then(() => (isClosed = true));
    const { method, headers } = await exchange(1);
    expect([method, headers.get('mcp-session-id')]).toEqual(['DELETE', 's1']);
    await clock.advance(499);
    await settle();
    expect(isClosed).toBe(false);
    await clock.advance(1);
    await closing;
    expect(disposals()).toBe(1);
  });

  it('a cancelled request is released 100 ms after its notice at the latest, or when the notice has arrived', async () => {
    for (const arrives of [true, false]) {
      const { subject, exchange, clock } = await transport();
      subject.send(request(1)).catch(() => {});
      const { signal } = await exchange(0);
      subject.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }).catch(() => {});
      const notice = await exchange(1);
      if (arrives) notice.answer(new Response(null, { status: 202 }));
      else await clock.advance(99);
      if (!arrives) expect(signal?.aborted).toBe(false);
      if (!arrives) await clock.advance(1);
      await settle();
      expect(signal?.aborted).toBe(true);
    }
  });
});

describe('the pace of resuming', () => {
  it('is what the server asks, at least 100 ms, and at least 1 s after 10 streams in 10 s', async () => {
    const clock = new FakeClock();
    const pace = new ResumePace(clock);
    const waits: number[] = [];
    const wait = async (delayMs: number) => {
      const startedAt = clock.now();
      let resumedAt = -1;
      pace.schedule(() => (resumedAt = clock.now()), delayMs);
      while (resumedAt < 0) await clock.advance(50);
      waits.push(resumedAt - startedAt);
    };
    await wait(3000);
    for (let i = 0; i < 10; i++) await wait(0);
    await wait(2500);
    expect(waits).toEqual([3000, ...Array(9).fill(100), 1000, 2500]);
    await clock.advance(10_000);
    await wait(0);
    expect(waits.at(-1)).toBe(100);
  });
});
