/** Opens a session with a server, whatever the transport and the protocol era. */

import { childEnvironment } from '../config/child-environment.js';
import type { StdioDefinition } from '../config/schema.js';
import { McpctlError } from '../core/errors.js';
import type { Connection, OpenOptions } from './connection.js';
import { isStaleVerdict, planEra } from './era.js';
import { StdioTransport } from './stdio-transport.js';
import { runStopCommand } from './stop-command.js';

/**
 * Connects to a server.
 *
 * @throws McpctlError `UNAVAILABLE`, `SERVER_EXITED`, `PROTOCOL`, `AUTH_REQUIRED`, `TIMEOUT`, or `signal.reason`.
 */
export function openConnection(options: OpenOptions): Promise<Connection> {
  const { definition } = options.server;
  if (definition.type !== 'stdio') return openHttp(options);
  return options.server.stop.command === null ? openStdio(options, definition) : openWithStopCommand(options, definition);
}

async function openWithStopCommand(options: OpenOptions, definition: StdioDefinition): Promise<Connection> {
  const connection = await openStdio(options, definition);
  const dispose = connection[Symbol.asyncDispose].bind(connection);
  let disposing: Promise<void> | undefined;
  const stopThenDispose = async () => {
    await runStopCommand(options.server, definition, childEnvironment(options.env, definition), options);
    await dispose();
  };
  connection[Symbol.asyncDispose] = () => (disposing ??= stopThenDispose());
  return connection;
}

async function openStdio(options: OpenOptions, definition: StdioDefinition): Promise<Connection> {
  const { server, clock, signal } = options;
  const start = () => {
    const transport = new StdioTransport({
      groups: options.groups,
      server: server.name,
      spawn: {
        command: definition.command,
        args: definition.args,
        cwd: definition.cwd,
        env: childEnvironment(options.env, definition),
      },
      maxMessageBytes: server.maxMessageBytes,
      stop: options.stop,
      onStopped: options.onStopped,
      clock,
      traffic: options.traffic,
      ...(options.onStderr ? { onStderr: options.onStderr } : {}),
      ...(options.onWarning ? { onWarning: options.onWarning } : {}),
    });
    // The process boots while the SDK is imported; a failure to start is met again in openSession.
    transport.start().catch(() => {});
    return transport;
  };
  const first = start();
  const [{ openSession }, remembered] = await Promise.all([import('./sdk-session.js'), options.remembered]);
  if (signal.aborted) {
    await first.close();
    throw signal.reason;
  }
  const plan = planEra(server.protocol, remembered, clock.date());
  if (plan.kind !== 'ask') {
    try {
      return await openSession(first, plan, options);
    } catch (error) {
      signal.throwIfAborted();
      // A server that has learnt the new protocol and forgotten the old one.
      if (plan.kind !== 'legacy' || server.protocol === 'legacy' || !isStaleVerdict(error)) throw error;
      return await openSession(start(), { kind: 'ask' }, options);
    }
  }

  // Some old servers exit, or go deaf, when the first thing they hear is not `initialize`. They get a second, fresh
  // process that hears nothing else. Half of the time is kept for it.
  const giveUp = new AbortController();
  const endWait = clock.after(server.timeouts.initializeMs / 2, () => {
    if (first.messagesReceived === 0) giveUp.abort(new McpctlError('TIMEOUT', `Server "${server.name}" did not answer`));
  });
  try {
    return await openSession(first, plan, { ...options, signal: AbortSignal.any([signal, giveUp.signal]) });
  } catch (error) {
    signal.throwIfAborted();
    const deaf = giveUp.signal.aborted;
    const exitedUnheard = error instanceof McpctlError && error.code === 'SERVER_EXITED' && first.messagesReceived === 0;
    if (!deaf && !exitedUnheard) throw error;
    return await openSession(start(), { kind: 'legacy' }, { ...options, starts: 2 });
  } finally {
    endWait();
  }
}

async function openHttp(options: OpenOptions): Promise<Connection> {
  const [{ openHttpSession }, remembered] = await Promise.all([
    import('./http-session.js'),
    options.remembered,
    // Not needed yet: a store takes its time, and what is wrong with it is told before anything is sent.
    options.credentials?.token(options.signal),
  ]);
  options.signal.throwIfAborted();
  return openHttpSession({ ...options, remembered });
}
