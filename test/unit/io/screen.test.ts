/** The screen: what is written for a frame, and that the terminal gets back whatever was taken, however it ends. */
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type ScreenInput, type ScreenLoan, TtyScreen, type TtyScreenOptions } from '../../../src/io/screen.js';
import { FakeClock } from '../../support/fake-clock.js';

class Tty extends EventEmitter {
  columns = 40;
  rows = 4;
  isRaw = false;
  written = '';
  setRawMode(on: boolean) {
    this.isRaw = on;
    return this;
  }
  resume() {
    return this;
  }
  pause() {
    return this;
  }
  write(text: string, done?: () => void) {
    this.written += text;
    done?.();
    return true;
  }
}

class Process extends EventEmitter {
  pid = 42;
  readonly kills: [number, string][] = [];
  kill(pid: number, signal: string) {
    this.kills.push([pid, signal]);
    return true;
  }
}

function open({ loan }: { loan?: ScreenLoan } = {}) {
  const clock = new FakeClock();
  const [tty, process] = [new Tty(), new Process()];
  const inputs: ScreenInput[] = [];
  let closed = 0;
  const options = {
    stdin: tty,
    stdout: tty,
    process,
    clock,
    loan,
    onInput: (input: ScreenInput) => inputs.push(input),
    onClosed: () => closed++,
  } as unknown as TtyScreenOptions;
  const screen = new TtyScreen(options);
  const taken = tty.written;
  tty.written = '';
  const frame = async (lines: string[]) => {
    tty.written = '';
    await screen.draw(lines);
    return tty.written;
  };
  const keys = () => inputs.flatMap((input) => (input.type === 'key' ? [input.key] : []));
  return { clock, tty, process, inputs, screen, taken, frame, keys, closed: () => closed };
}

const leave = '\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l';

describe('the screen', () => {
  it('is taken in raw mode and without a cursor, tells its size first, and is given back once', () => {
    const { tty, process, inputs, screen, taken, closed } = open();
    expect([taken, tty.isRaw, inputs]).toEqual(['\x1b[?1049h\x1b[?25l\x1b[2J', true, [{ type: 'size', columns: 40, rows: 4 }]]);
    screen[Symbol.dispose]();
    screen[Symbol.dispose]();
    expect([tty.written, tty.isRaw, closed()]).toEqual([leave, false, 1]);
    expect(process.eventNames()).toEqual([]);
    // One for errors stays.
    expect(tty.eventNames()).toEqual(['error']);
  });

  it('draws only the rows that changed, in one frame, and nothing when nothing did', async () => {
    const { frame } = open();
    expect(await frame(['a', 'b', '\x1b[31mc'])).toBe(
      '\x1b[?2026h\x1b[?7l\x1b[1;1H\x1b[2Ka\x1b[2;1H\x1b[2Kb\x1b[3;1H\x1b[2K\x1b[31mc\x1b[0m\x1b[4;1H\x1b[2K\x1b[?7h\x1b[?2026l',
    );
    expect(await frame(['a', 'B', '\x1b[31mc'])).toBe('\x1b[?2026h\x1b[?7l\x1b[2;1H\x1b[2KB\x1b[?7h\x1b[?2026l');
    expect(await frame(['a', 'B', '\x1b[31mc'])).toBe('');
    expect(await frame(['a', 'B', '\x1b[31mc', 'd', 'never shown'])).not.toContain('never shown');
  });

  it('tells a new size and draws every row again after it; 0 columns count as 80 x 24', async () => {
    const { tty, inputs, frame } = open();
    await frame(['a']);
    Object.assign(tty, { columns: 20, rows: 2 });
    tty.emit('resize');
    expect(inputs.at(-1)).toEqual({ type: 'size', columns: 20, rows: 2 });
    expect(await frame(['a'])).toContain('\x1b[1;1H\x1b[2Ka');
    Object.assign(tty, { columns: 0, rows: 0 });
    tty.emit('resize');
    expect(inputs.at(-1)).toEqual({ type: 'size', columns: 80, rows: 24 });
  });

  it('makes Esc of a lone ESC after 50 ms, and an interrupt of Ctrl-C', async () => {
    const { clock, tty, process, keys } = open();
    tty.emit('data', Buffer.from('\x1b'));
    expect(keys()).toEqual([]);
    await clock.advance(50);
    tty.emit('data', Buffer.from('é').subarray(0, 1));
    tty.emit('data', Buffer.from('é').subarray(1));
    tty.emit('data', Buffer.from('\x03'));
    expect([keys(), process.kills]).toEqual([['escape', 'é'], [[42, 'SIGINT']]]);
  });

  it('is given back before the text of a bug is written, and before the process exits', () => {
    for (const event of ['uncaughtExceptionMonitor', 'exit']) {
      const { tty, process } = open();
      process.emit(event);
      expect([event, tty.written, tty.isRaw]).toEqual([event, leave, false]);
    }
    const process = new Process();
    const order: string[] = [];
    process.on('unhandledRejection', () => order.push('the text'));
    const tty = new Tty();
    new TtyScreen({
      stdin: tty,
      stdout: tty,
      process,
      clock: new FakeClock(),
      onInput: () => {},
      onClosed: () => order.push('the screen'),
    } as unknown as TtyScreenOptions);
    process.emit('unhandledRejection');
    expect(order).toEqual(['the screen', 'the text']);
  });

  it('stops with its group at Ctrl-Z as it was found, draws nothing meanwhile, and is taken again at SIGCONT', async () => {
    const { tty, process, frame, clock } = open();
    await frame(['a']);
    tty.written = '';
    tty.emit('data', Buffer.from('\x1a'));
    expect([tty.written, tty.isRaw, process.kills]).toEqual([leave, false, [[0, 'SIGTSTP']]]);
    expect(process.listenerCount('SIGTSTP')).toBe(0);
    expect(await frame(['b'])).toBe('');
    process.emit('SIGCONT');
    expect([tty.isRaw, process.listenerCount('SIGTSTP'), clock.pending()]).toEqual([true, 1, []]);
    expect(tty.written).toContain('\x1b[?1049h');
    expect(tty.written).toContain('\x1b[1;1H\x1b[2Kb');
    // The size may have changed while nobody listened.
    expect(process.kills.at(-1)).toEqual([42, 'SIGWINCH']);
  });

  it('goes on by itself after 200 ms where the system does not let it stop', async () => {
    const { tty, process, clock } = open();
    process.emit('SIGTSTP');
    expect([process.kills, tty.isRaw]).toEqual([[[42, 'SIGTSTP']], false]);
    await clock.advance(200);
    expect(tty.isRaw).toBe(true);
  });

  it('hangs up when the terminal is gone', () => {
    const { tty, process } = open();
    tty.emit('end');
    expect(process.kills).toEqual([[42, 'SIGHUP']]);
  });

  it('that is lent leaves the raw mode to its owner, gives the keys back, and sends Ctrl-C there', () => {
    let isLent = false;
    let interrupts = 0;
    const loan: ScreenLoan = {
      lend: () => {
        isLent = true;
        return { [Symbol.dispose]: () => (isLent = false) };
      },
      onInterrupt: () => interrupts++,
    };
    const { tty, process, screen } = open({ loan });
    expect([isLent, tty.isRaw]).toEqual([true, true]);
    tty.emit('data', Buffer.from('\x03'));
    tty.emit('end');
    screen[Symbol.dispose]();
    expect([isLent, tty.isRaw, interrupts, process.kills]).toEqual([false, true, 1, []]);
    // A session may show many views: none leaves a listener.
    expect([tty.eventNames(), process.eventNames()]).toEqual([[], []]);
  });
});
