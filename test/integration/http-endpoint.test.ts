/** The HTTP endpoint under clients that ask too much, or do not take what they asked for. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { defaultMetrics } from '../../src/config/metrics-endpoint.js';
import { HttpEndpoint } from '../../src/gateway/http.js';

/** An endpoint with these figures, and how often they were asked for. */
async function endpointWith(figures: () => Promise<string>) {
  const asked = { times: 0 };
  const exposition = () => {
    asked.times++;
    return figures();
  };
  const endpoint = await HttpEndpoint.open({
    options: { ...defaultMetrics, port: 0 },
    observation: { endpoint: null, exposition, health: () => Promise.reject(new Error('not asked for')) },
    redactor: { redact: (text) => text.replaceAll('s3cret', '[redacted]'), redactData: (data) => data },
  });
  const port = Number(new URL(endpoint.url).port);
  return { asked, port, url: endpoint.url, [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose]() };
}

const request = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';

it('answers one request of a connection, however many come at once', async () => {
  await using it = await endpointWith(async () => 'figures\n');
  const client = connect(it.port, '127.0.0.1');
  let answer = '';
  client.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  client.write(request.repeat(1000));
  await once(client, 'close');
  expect(it.asked.times).toBe(1);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)+\r\nfigures\n$/);
});

it('gives up a client that reads nothing for 5 s', { timeout: 40_000 }, async () => {
  const figures = 'x'.repeat(32 * 1024 * 1024);
  await using it = await endpointWith(async () => figures);
  const client = connect(it.port, '127.0.0.1').pause();
  client.on('error', () => {}).write(request);
  // Node looks twice whether something was taken.
  await sleep(12_000);
  let bytes = 0;
  client.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(client.resume(), 'close');
  expect(bytes).toBeLessThan(figures.length);
});

it('tells no secret in the reason why there are no figures', async () => {
  await using it = await endpointWith(() => Promise.reject(new Error('no figures for s3cret')));
  const answer = await fetch(`${it.url}/metrics`);
  expect([answer.status, await answer.json()]).toEqual([500, { error: 'no figures for [redacted]' }]);
});
