/** Tells why an event stream broke: the SDK's reader keeps only the text of the error. */

/** Whether the response carries server-sent events. */
export function isEventStream(response: Response): boolean {
  return /^\s*text\/event-stream\s*(?:;|$)/i.test(response.headers.get('content-type') ?? '');
}

/**
 * Replaces `response.body` by the same bytes; `onBroken` gets the error of the stream before its reader does.
 *
 * @param resumedAt the event id that the stream goes on from: said again at its beginning, because the SDK would forget it,
 *   and with it the answer, when the stream breaks once more before its first event.
 */
export function watchStream(response: Response, onBroken: (error: unknown) => void, resumedAt?: string): void {
  const reader = response.body?.getReader();
  if (!reader) return;
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (resumedAt !== undefined) controller.enqueue(new TextEncoder().encode(`id: ${resumedAt}\ndata:\n\n`));
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          onBroken(error);
          controller.error(error);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // No store of its own: a slow reader is felt below.
    { highWaterMark: 0 },
  );
  Object.defineProperty(response, 'body', { value: body });
}
