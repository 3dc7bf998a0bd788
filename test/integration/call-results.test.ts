/** What a server may answer to a call, and what it is told when it may not. */
import { expect, it } from 'vitest';
import { never, rig } from '../fixtures/http-rig.js';
import { failure, faultServer } from '../fixtures/stdio-rig.js';

const start = () => rig({ command: process.execPath, args: [faultServer], circuitBreaker: { maxFailures: 1000 } });
const tool = { name: 'result', inputSchema: { type: 'object' as const } };

it.each([
  [{ content: 'x' }, 'content: Invalid input: expected array, received string'],
  [{ content: [{ type: 'text' }] }, 'content.0: Invalid input'],
  [{ content: [{ type: 'no-such-type' }] }, 'content.0: Invalid input'],
  [{ content: [], isError: 'yes' }, 'isError: Invalid input: expected boolean, received string'],
  [{ content: [{ type: 'image', data: '***', mimeType: 'image/png' }] }, 'content.0.data: Invalid Base64 string'],
])('%j is PROTOCOL, and says where it is wrong', async (value, message) => {
  await using it = await start();
  const error = await failure(it.manager.call({ server: 'it', tool, args: { value }, signal: never, timeoutMs: undefined }));
  expect(error).toMatchObject({ code: 'PROTOCOL', server: 'it' });
  expect(error.message).toContain(`Invalid result for tools/call: ${message}`);
});

it.each([
  [{}, { content: [] }],
  [{ structuredContent: { a: 1 } }, { content: [], structuredContent: { a: 1 } }],
  [
    { content: [], structuredContent: [1, 2] },
    { content: [], structuredContent: [1, 2] },
  ],
  [
    { content: [{ type: 'text', text: 't', extra: 1 }], more: true },
    { content: [{ type: 'text', text: 't' }], more: true },
  ],
])('%j is a result', async (value, result) => {
  await using it = await start();
  expect(await it.manager.call({ server: 'it', tool, args: { value }, signal: never, timeoutMs: undefined })).toMatchObject(
    result,
  );
});
