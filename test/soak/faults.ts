/** What goes wrong in a soak: faults of chance, each over after a while. */
import type { Toxics } from '../support/toxic-proxy.js';
import type { Chance } from './seeded-random.js';
import { firstOptions, type Options, type World } from './world.js';

export interface Fault {
  readonly text: string;
  begin(): void | Promise<void>;
  /** After `forMs`; absent: it is over as soon as it has begun. */
  readonly end?: () => void | Promise<void>;
  readonly forMs: number;
}

/** Draws a fault. All that chance decides is decided here, so that the same seed gives the same faults. */
export function drawFaults(world: World, chance: Chance): () => Fault {
  let options: Options = firstOptions;
  const configure = (next: Partial<Options>) => {
    options = { ...options, ...next };
    return world.configure(options);
  };
  return () => {
    const forMs = chance.between(100, 2_500);
    const kind = chance.between(1, 100);
    if (kind <= 8) return editOf(chance, forMs, options, configure);
    return kind <= 33 ? faultOfProcess(world, chance, forMs) : faultOfWeb(world, chance, forMs);
  };
}

function editOf(chance: Chance, forMs: number, options: Options, configure: (next: Partial<Options>) => Promise<void>): Fault {
  const next = chance.pick<Partial<Options>>([
    { hasGuest: !options.hasGuest },
    { hasGuest: !options.hasGuest },
    { hasSecondReplica: !options.hasSecondReplica },
    { callSeconds: chance.between(10, 40) },
  ]);
  return { text: `edit the configuration: ${JSON.stringify(next)}`, forMs, begin: () => configure(next) };
}

function faultOfProcess(world: World, chance: Chance, forMs: number): Fault {
  const name = chance.pick(world.stdioNames);
  if (chance.happens(0.5)) return { text: `SIGKILL ${name}`, forMs: 0, begin: () => world.signal(name, 'SIGKILL') };
  return {
    text: `SIGSTOP ${name} for ${forMs} ms`,
    forMs,
    begin: () => world.signal(name, 'SIGSTOP'),
    end: () => world.signal(name, 'SIGCONT'),
  };
}

function faultOfWeb(world: World, chance: Chance, forMs: number): Fault {
  const server = chance.pick(world.webs);
  const { name, proxy } = server;
  const number = world.webs.indexOf(server);
  const subject = `${name} (${number})`;
  const toxic = (text: string, up: Partial<Toxics>, down: Partial<Toxics>): Fault => ({
    text: `${subject}: ${text} for ${forMs} ms`,
    forMs,
    begin: () => {
      Object.assign(proxy.upstream, up);
      Object.assign(proxy.downstream, down);
    },
    end: () => proxy.clear(),
  });
  const gate = (status: number, headers: Record<string, string> = {}): Fault => {
    const times = chance.between(1, 8);
    return {
      text: `${subject}: ${times} times ${status}`,
      forMs: 0,
      begin: () => server.order({ gate: { status, headers, times } }),
    };
  };
  const both = (toxics: Partial<Toxics>) => [toxics, toxics] as const;
  const latencyMs = chance.between(20, 500);
  const limitBytes = chance.between(100, 4_000);
  const sliceBytes = chance.between(1, 200);
  switch (chance.between(1, 15)) {
    case 1:
      return toxic(`${latencyMs} ms late`, ...both({ latencyMs }));
    case 2:
      return toxic('20 kB/s', ...both({ bytesPerSecond: 20_000 }));
    case 3:
      return toxic(`slices of ${sliceBytes}`, ...both({ sliceBytes, sliceDelayMs: 1 }));
    case 4:
      return toxic(`answers cut after ${limitBytes}`, {}, { limitBytes });
    case 5:
      return toxic(`requests cut after ${limitBytes}`, { limitBytes }, {});
    case 6:
      return toxic('slow close', ...both({ slowCloseMs: 2_000 }));
    case 7:
      return toxic('answers vanish', {}, { isSilent: true });
    case 8:
      return { text: `${subject}: reset`, forMs: 0, begin: () => proxy.reset() };
    case 9:
      return { text: `${subject}: connections vanish`, forMs: 0, begin: () => proxy.vanish() };
    case 10:
      return { text: `${subject}: down for ${forMs} ms`, forMs, begin: () => proxy.down(), end: () => proxy.up() };
    case 11:
      return { text: `${subject}: killed, back after ${forMs} ms`, forMs, begin: () => server.down(), end: () => server.up() };
    case 12:
      return {
        text: `${subject}: SIGSTOP for ${forMs} ms`,
        forMs,
        begin: () => server.kill('SIGSTOP'),
        end: () => server.kill('SIGCONT'),
      };
    case 13:
      return { text: `${subject}: sessions forgotten`, forMs: 0, begin: () => server.order({ forget: true }) };
    case 14:
      return gate(429, chance.happens(0.5) ? { 'retry-after': '1' } : {});
    default:
      return gate(chance.pick([500, 502, 503, 504]));
  }
}
