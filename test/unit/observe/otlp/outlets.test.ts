/** What waits for a collector that is slow, busy or gone: bounded, counted, and tried again at growing intervals. */
import { describe, expect, it } from 'vitest';
import type { Delivered, Delivery } from '../../../../src/observe/otlp/delivery.js';
import { DurationOutlet, type OutletParts, SpanOutlet } from '../../../../src/observe/otlp/outlets.js';
import { readSettings } from '../../../../src/observe/otlp/settings.js';
import type { SpanRecord } from '../../../../src/observe/otlp/span.js';
import { FakeClock } from '../../../support/fake-clock.js';
import type { Metrics, Traces } from '../../../support/otlp-collector.js';

const span = (name = 'x', attributes: SpanRecord['attributes'] = {}): SpanRecord => ({
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentSpanId: undefined,
  tracestate: undefined,
  kind: 'client',
  name,
  startedAt: 1,
  sentAt: 1,
  endedAt: 11,
  attributes,
  events: [],
  droppedEvents: 0,
  isError: false,
});
const later = { outcome: 'later', why: 'busy' } as const;

function setUp(env: Record<string, string> = {}) {
  const clock = new FakeClock();
  const answers: (Delivered | Promise<Delivered>)[] = [];
  const sent: { at: number; message: Traces & Metrics }[] = [];
  const troubles: string[] = [];
  const delivery = {
    place: 'http://c:1',
    post: async (message: object) => {
      sent.push({ at: clock.now(), message: message as Traces & Metrics });
      return (await answers.shift()) ?? { outcome: 'ok' };
    },
  } as unknown as Delivery;
  const settings = readSettings(
    { OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_BSP_MAX_QUEUE_SIZE: '5', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2', ...env },
    { version: '1' },
  );
  const parts: OutletParts = {
    delivery,
    clock,
    settings,
    context: { resource: {}, version: '1' },
    onTrouble: (place, why) => troubles.push(`${place} ${why}`),
  };
  const names = () => sent.map(({ message }) => message.resourceSpans[0]!.scopeSpans[0]!.spans.map((one) => one.name).join(''));
  return { clock, answers, sent, troubles, parts, names };
}

describe('SpanOutlet', () => {
  it('sends what came within 100 ms together, and a full batch of 2 at once', async () => {
    const { clock, parts, names, sent } = setUp();
    const outlet = new SpanOutlet(parts);
    outlet.add(span('a'));
    await clock.advance(99);
    expect(sent).toEqual([]);
    await clock.advance(1);
    outlet.add(span('b'));
    outlet.add(span('c'));
    await outlet.send();
    expect(names()).toEqual(['a', 'bc']);
  });

  it('keeps 5, drops and counts what comes then, and loses nothing of the 5 while the collector is busy', async () => {
    const { clock, parts, names, answers, troubles, sent } = setUp();
    answers.push(later, later);
    const outlet = new SpanOutlet(parts);
    for (const name of 'abcdefgh') outlet.add(span(name));
    await clock.advance(0);
    expect(outlet.dropped).toBe(3);
    await clock.advance(10_000);
    expect(names()).toEqual(['ab', 'ab', 'ab', 'cd', 'e']);
    expect(sent.map(({ at }) => at)).toEqual([0, 200, 600, 600, 600]);
    expect(troubles).toEqual(['http://c:1 busy', 'http://c:1 busy']);
  });

  it('waits as long as the collector asks for, at most a minute, and never longer than that by itself', async () => {
    const { clock, parts, answers, sent } = setUp();
    answers.push({ ...later, retryAfterMs: 5_000 }, { ...later, retryAfterMs: 3_600_000 }, ...Array(20).fill(later));
    const outlet = new SpanOutlet(parts);
    outlet.add(span('a'));
    await clock.advance(100 + 5_000 + 60_000);
    expect(sent.map(({ at }) => at)).toEqual([100, 5_100, 65_100]);
    await clock.advance(3_600_000);
    const waits = sent.slice(1).map(({ at }, i) => at - sent[i]!.at);
    expect(Math.max(...waits)).toBe(60_000);
    expect(waits.at(-1)).toBe(60_000);
  });

  it('drops what the collector will never take, and goes on with the rest', async () => {
    const { parts, names, answers, troubles } = setUp();
    answers.push({ outcome: 'never', why: 'it answered with HTTP 400' });
    const outlet = new SpanOutlet(parts);
    for (const name of 'abc') outlet.add(span(name));
    await outlet.send();
    expect([names(), outlet.dropped, troubles]).toEqual([['ab', 'c'], 2, ['http://c:1 it answered with HTTP 400']]);
  });

  it('sends one batch at a time, and takes spans meanwhile', async () => {
    const { clock, parts, names, answers } = setUp();
    let answer = (_: Delivered) => {};
    answers.push(new Promise((resolve) => (answer = resolve)));
    const outlet = new SpanOutlet(parts);
    outlet.add(span('a'));
    outlet.add(span('b'));
    outlet.add(span('c'));
    void outlet.send();
    await clock.advance(1000);
    expect(names()).toEqual(['ab']);
    answer({ outcome: 'ok' });
    await outlet.send();
    expect(names()).toEqual(['ab', 'c']);
  });

  it('leaves a collector that is slow to fail alone as long as any other, whatever comes meanwhile', async () => {
    const { clock, parts, answers, sent } = setUp({ OTEL_BSP_MAX_QUEUE_SIZE: '1000' });
    const slow = (): Promise<Delivered> => clock.sleep(1_000).then(() => later);
    const post = parts.delivery.post.bind(parts.delivery);
    parts.delivery.post = (message) => {
      answers.push(slow());
      return post(message);
    };
    const outlet = new SpanOutlet(parts);
    for (let i = 0; i < 300; i++) {
      outlet.add(span());
      await clock.advance(50);
    }
    const waits = sent.slice(1).map(({ at }, i) => at - sent[i]!.at - 1_000);
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200]);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7])('sends a span that comes %i steps after the last batch was taken', async (steps) => {
    const { clock, parts, names, answers } = setUp();
    const outlet = new SpanOutlet(parts);
    let answer = (_: Delivered) => {};
    answers.push(new Promise((resolve) => (answer = resolve)));
    outlet.add(span('a'));
    void outlet.send();
    answer({ outcome: 'ok' });
    for (let i = 0; i < steps; i++) await Promise.resolve();
    outlet.add(span('b'));
    await clock.advance(100);
    expect(names()).toEqual(['a', 'b']);
  });

  it('counts what still waits as lost when it is closed', async () => {
    const { parts, answers } = setUp();
    answers.push(later);
    const outlet = new SpanOutlet(parts);
    outlet.add(span('a'));
    await outlet.send();
    outlet.close();
    expect(outlet.dropped).toBe(1);
  });
});

describe('DurationOutlet', () => {
  const histogramIn = (message: Metrics) => message.resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!.histogram;
  const pointIn = (message: Metrics) => histogramIn(message).dataPoints[0]!;
  const counts = (sent: readonly { message: Metrics }[]) =>
    sent.map(({ message }) => {
      const { aggregationTemporality } = histogramIn(message);
      const { count, startTimeUnixNano, timeUnixNano } = pointIn(message);
      return [Number(count), aggregationTemporality, startTimeUnixNano === timeUnixNano];
    });

  it('sends totals since the start every minute when something was counted, and nothing before', async () => {
    const { clock, parts, sent } = setUp();
    const outlet = new DurationOutlet(parts, 'cumulative');
    await clock.advance(600_000);
    expect(sent).toEqual([]);
    outlet.add(span());
    await clock.advance(60_000);
    outlet.add(span());
    await clock.advance(60_000);
    expect(counts(sent)).toEqual([
      [1, 2, false],
      [2, 2, false],
    ]);
    const starts = sent.map(({ message }) => pointIn(message).startTimeUnixNano);
    expect(starts[0]).toBe(starts[1]);
  });

  it.each(['cumulative', 'delta'] as const)(
    'that is %s is sent again a minute after a failure, though nobody calls',
    async (which) => {
      const { clock, parts, sent, answers } = setUp();
      const outlet = new DurationOutlet(parts, which);
      answers.push(later, { outcome: 'later', why: 'gone' });
      outlet.add(span());
      await clock.advance(600_000);
      expect(counts(sent).map(([count]) => count)).toEqual([1, 1, 1]);
      expect(sent.map(({ at }) => at)).toEqual([60_000, 120_000, 180_000]);
      outlet.close();
      expect(clock.pending()).toEqual([]);
    },
  );

  it('sends nothing twice, and nothing for what was never sent', async () => {
    const { clock, parts, sent } = setUp();
    const outlet = new DurationOutlet(parts, 'cumulative');
    outlet.add({ ...span(), sentAt: undefined });
    await outlet.flush();
    expect([sent, clock.pending()]).toEqual([[], []]);
    outlet.add(span());
    await outlet.flush();
    await outlet.flush();
    expect(sent).toHaveLength(1);
  });

  it('sends at the end also what was counted while a message was under way', async () => {
    const { parts, sent, answers } = setUp();
    const outlet = new DurationOutlet(parts, 'delta');
    let answer = (_: Delivered) => {};
    answers.push(new Promise((resolve) => (answer = resolve)));
    outlet.add(span());
    const first = outlet.flush();
    await Promise.resolve();
    outlet.add(span());
    outlet.add(span());
    const second = outlet.flush();
    answer({ outcome: 'ok' });
    await Promise.all([first, second]);
    expect(counts(sent).map(([count]) => count)).toEqual([1, 2]);
  });

  it('sends what was counted since the last time it was taken, where sums of their own are wanted', async () => {
    const { parts, sent, answers, troubles } = setUp();
    const outlet = new DurationOutlet(parts, 'delta');
    answers.push(later);
    outlet.add(span());
    await outlet.send();
    outlet.add(span());
    await outlet.send();
    outlet.add(span());
    await outlet.send();
    await outlet.send();
    expect(counts(sent).map(([count, temporality]) => [count, temporality])).toEqual([
      [1, 1],
      [2, 1],
      [1, 1],
    ]);
    expect(troubles).toHaveLength(1);
  });
});
