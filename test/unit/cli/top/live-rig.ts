/** `top` on a screen that a test holds, with a manager that it steers. */
import type { CommandContext, Stage } from '../../../../src/cli/command.js';
import { showTop } from '../../../../src/cli/top/live.js';
import { Emitter } from '../../../../src/core/events.js';
import type { ScreenInput } from '../../../../src/io/screen.js';
import type { ManagerEvent, ServerStatus } from '../../../../src/manager/server-status.js';
import { Metrics } from '../../../../src/observe/metrics.js';
import { FakeClock } from '../../../support/fake-clock.js';
import { settle } from '../../../support/fake-connection.js';
// Loaded here, because a look loads it: that takes longer than a promise.
import '../../../../src/observe/report.js';
import { serverStatus } from './rows.js';

export interface LiveOptions {
  readonly draw?: () => Promise<void>;
  readonly reconnect?: () => Promise<void>;
  /** Where servers are defined, and where their logs lie. */
  readonly config?: { readonly servers: ReadonlyMap<string, { readonly file: string }>; readonly stateDir: string };
}

export function start(more: LiveOptions = {}) {
  const clock = new FakeClock({ date: '2026-03-01T12:00:00Z' });
  const events = new Emitter<ManagerEvent>();
  const metrics = new Metrics(clock).listen(events);
  const ending = new AbortController();
  const control = { servers: [serverStatus('a'), serverStatus('b')] as ServerStatus[], looks: 0, isBroken: false };
  const switched: unknown[] = [];
  const frames: (readonly string[])[] = [];
  let disposals = 0;
  let input: (given: ScreenInput) => void = () => {};
  const manager = {
    events,
    names: () => control.servers.map(({ name }) => name),
    snapshot: (names: readonly string[]) => {
      control.looks++;
      if (control.isBroken) throw new Error('a bug');
      return control.servers.filter(({ name }) => names.includes(name));
    },
    setEnabled: async (name: string, enabled: boolean, { persist }: { persist: boolean }) => {
      switched.push([name, enabled, persist]);
    },
    reconnect: more.reconnect ?? (async () => {}),
    config: { servers: more.config?.servers ?? new Map(), places: { stateDir: more.config?.stateDir ?? '/nowhere' } },
  };
  const observation = {
    pid: 7,
    source: async () => metrics,
    health: async () => ({ status: 'healthy', ready: true }),
  };
  const stage: Stage = {
    color: false,
    redact: (text) => text,
    open: async (onInput) => {
      input = onInput;
      onInput({ type: 'size', columns: 80, rows: 24 });
      return {
        draw: async (lines) => {
          frames.push(lines);
          await more.draw?.();
        },
        [Symbol.dispose]: () => disposals++,
      };
    },
  };
  const context = { manager, observation, signal: ending.signal } as unknown as CommandContext;
  const done = showTop({ servers: [], intervalMs: 1000, context, stage, clock });
  done.catch(() => {});
  const press = async (key: string) => {
    input({ type: 'key', key });
    await settle();
  };
  return {
    clock,
    events,
    ending,
    control,
    switched,
    frames,
    done,
    press,
    size: (columns: number, rows: number) => input({ type: 'size', columns, rows }),
    text: () => frames.at(-1)!.join('\n'),
    disposals: () => disposals,
  };
}
