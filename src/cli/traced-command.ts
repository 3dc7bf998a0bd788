/** One command as a span: what it does with servers belongs together in a trace. */

import type { TraceContext, Tracer } from '../core/tracing.js';
import type { CommandSpec, Outcome } from './command.js';

/** A view that goes on and on is no span. @param parent where the trace of whoever typed it began */
export function tracedCommand(
  { name }: CommandSpec,
  tracer: Tracer | undefined,
  parent: TraceContext | undefined,
  run: () => Promise<Outcome<unknown>> | AsyncIterable<unknown>,
): Promise<Outcome<unknown>> | AsyncIterable<unknown> {
  if (!tracer) return run();
  let live: AsyncIterable<unknown> | undefined;
  const frame = { name: `mcpctl ${name}`, attributes: { 'mcpctl.command': name }, parent };
  const outcome = tracer.run(frame, async (span): Promise<Outcome<unknown> | undefined> => {
    const result = run();
    if (Symbol.asyncIterator in result) {
      live = result;
      return undefined;
    }
    const done = await result;
    if (done.error) span.fail(done.error.code);
    return done;
  });
  return live ?? (outcome as Promise<Outcome<unknown>>);
}
