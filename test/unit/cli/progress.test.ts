/** When something takes long: what is shown where, in which words, and that nothing of it remains. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createProgress, type SpinnerLike } from '../../../src/cli/progress.js';
import { registry } from '../../../src/cli/registry.js';
import { Emitter } from '../../../src/core/events.js';
import { Redactor } from '../../../src/core/redact.js';
import type { ManagerEvent } from '../../../src/manager/server-status.js';
import { FakeClock } from '../../support/fake-clock.js';

let clock: FakeClock;
let written: string[];
let connecting: string[];
let events: Emitter<ManagerEvent>;
let spinner: { text: string; texts: string[]; running: boolean; started: number } | undefined;
/** Holds the loading of the spinner back, as a slow disk does. */
let loading: Promise<void>;

const redactor = new Redactor();
redactor.add('s3cr3t-value');
const noFlags = {
  json: false,
  quiet: false,
  verbose: false,
  noColor: false,
  noAttach: false,
  preset: undefined,
  keepGoing: false,
  config: [],
  timeoutMs: undefined,
};

beforeEach(() => {
  clock = new FakeClock();
  written = [];
  connecting = [];
  events = new Emitter();
  spinner = undefined;
  loading = Promise.resolve();
});

function start(
  terminal: { tty: boolean; color?: boolean; columns?: number },
  flags: Partial<typeof noFlags> = {},
  command = 'status',
) {
  const progress = createProgress({
    clock,
    redactor,
    terminal: {
      stderrIsTerminal: terminal.tty,
      colorAllowed: terminal.color ?? true,
      columns: terminal.columns ?? 80,
      writeError: (text) => written.push(text),
    },
    spinner: async (text) => {
      await loading;
      const texts = [text];
      const own = { texts, running: false, started: 0 };
      const made: SpinnerLike & typeof own = Object.defineProperty(
        {
          ...own,
          text,
          start() {
            made.running = true;
            made.started++;
          },
          stop() {
            made.running = false;
          },
        },
        'text',
        { get: () => texts.at(-1), set: (next: string) => void texts.push(next) },
      );
      spinner = made;
      return made;
    },
  });
  const spec = registry.find(({ name }) => name === command)!;
  const snapshot = () => connecting.map((name) => ({ name, status: 'connecting' }));
  // The progress of a command reads the events and the snapshot of a manager, and nothing else.
  return progress(spec, { events, snapshot } as never, { ...noFlags, ...flags });
}

describe('progress on a terminal', () => {
  it('shows nothing for what ends within 500 ms', async () => {
    const end = start({ tty: true });
    await clock.advance(499);
    end();
    await clock.advance(10_000);
    expect(spinner).toBeUndefined();
    expect(written).toEqual([]);
    expect(clock.pending()).toEqual([]);
  });

  it('names the servers that are connecting, with the seconds, and stops without residue', async () => {
    connecting = ['files', 'memory'];
    const end = start({ tty: true });
    await clock.advance(500);
    expect(spinner).toMatchObject({ text: 'connecting files, memory (1 s)', running: true, started: 1 });
    connecting = ['memory'];
    await clock.advance(2_500);
    expect(spinner?.text).toBe('connecting memory (3 s)');
    end();
    end();
    expect(spinner?.running).toBe(false);
    expect(clock.pending()).toEqual([]);
    expect(written).toEqual([]);
  });

  it('follows the call: everything/long 3/10 half done', async () => {
    const end = start({ tty: true }, {}, 'call');
    events.emit({ type: 'call-started', server: 'everything', tool: 'long', callId: 'a' });
    await clock.advance(600);
    events.emit({
      type: 'call-progress',
      server: 'everything',
      tool: 'long',
      callId: 'a',
      progress: 3,
      total: 10,
      message: 'half done',
    });
    expect(spinner?.text).toBe('everything/long 3/10 half done (1 s)');
    events.emit({
      type: 'call-finished',
      server: 'everything',
      tool: 'long',
      callId: 'a',
      attempts: 1,
      durationMs: 1,
      isSent: true,
      outcome: 'ok',
    });
    expect(spinner?.text).toBe('everything/long 3/10 half done (1 s)');
    await clock.advance(1_000);
    expect(spinner?.text).toBe('call (2 s)');
    end();
  });

  it('counts the servers beyond four', async () => {
    connecting = ['a', 'b', 'c', 'd', 'e', 'f'];
    const end = start({ tty: true });
    await clock.advance(500);
    expect(spinner?.text).toBe('connecting a, b, c, d and 2 more (1 s)');
    end();
  });

  it('fits into 40 columns and shows neither escapes nor secrets of a server', async () => {
    const end = start({ tty: true, columns: 40 }, {}, 'call');
    await clock.advance(500);
    const message = `\x1b[31ms3cr3t-value\nx ${'y'.repeat(500)}`;
    events.emit({ type: 'call-progress', server: 'a', tool: 't', callId: 'a', progress: 0.333333, total: null, message });
    expect(spinner?.text).toMatch(/^a\/t 0\.33 \[redacted\] x y+… \(1 s\)$/);
    expect(spinner!.text.length).toBeLessThanOrEqual(38);
    events.emit({
      type: 'call-progress',
      server: 'a',
      tool: 't',
      callId: 'a',
      progress: Number.NaN,
      total: Number.POSITIVE_INFINITY,
      message: null,
    });
    expect(spinner?.text).toBe('a/t (1 s)');
    end();
  });

  it('never starts a spinner that was loaded after the end', async () => {
    let loaded = () => {};
    loading = new Promise((resolve) => {
      loaded = resolve;
    });
    const end = start({ tty: true });
    await clock.advance(500);
    end();
    loaded();
    await clock.settle();
    expect(spinner?.started).toBe(0);
    expect(clock.pending()).toEqual([]);
  });
});

describe('progress in plain lines', () => {
  it('tells after 3 s and then every 10 s when stderr is no terminal', async () => {
    connecting = ['files'];
    const end = start({ tty: false });
    await clock.advance(2_999);
    expect(written).toEqual([]);
    await clock.advance(20_001);
    expect(written).toEqual(['connecting files (3 s)\n', 'connecting files (13 s)\n', 'connecting files (23 s)\n']);
    end();
    await clock.advance(60_000);
    expect(written).toHaveLength(3);
  });

  it.each([
    ['NO_COLOR or a dumb terminal', { tty: true, color: false }, {}],
    ['--no-color', { tty: true }, { noColor: true }],
    ['--json on a terminal', { tty: true }, { json: true }],
  ])('uses lines instead of a spinner with %s', async (_, terminal, flags) => {
    const end = start(terminal, flags);
    await clock.advance(3_000);
    expect(spinner).toBeUndefined();
    expect(written).toEqual(['status (3 s)\n']);
    end();
  });

  it.each([
    ['--json without a terminal', { tty: false }, { json: true }],
    ['--quiet', { tty: true }, { quiet: true }],
  ])('is silent with %s', async (_, terminal, flags) => {
    const end = start(terminal, flags);
    await clock.advance(60_000);
    expect(written).toEqual([]);
    expect(spinner).toBeUndefined();
    end();
  });
});
