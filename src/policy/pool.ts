/** Connections kept for use: lent out and taken back, never more than allowed, let go when idle or old. Knows nothing of what it keeps. */
import type { PoolLimits } from '../config/schema.js';
import type { Cancel, Clock, Random } from '../core/clock.js';
import { McpctlError } from '../core/errors.js';

export interface PoolOptions extends PoolLimits {
  /** How many may use one member at the same time; 1 = each its own. */
  readonly sharing: number;
  /** Idle members are checked when nothing was heard of them for this many milliseconds; 0 = never. */
  readonly checkMs: number;
}

export interface PoolParts<M> {
  /** For messages. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Must end, and leave nothing behind, when the signal is aborted. */
  open(signal: AbortSignal): Promise<M>;
  /** Must not reject. */
  close(member: M): Promise<void>;
  /** Resolves when the member ended by itself. */
  ended(member: M): Promise<unknown>;
  /** Rejects when an idle member is of no use any more; ends within a time of its own. */
  check(member: M): Promise<unknown>;
}

/** One use of a member. Give it back once, in one way or the other; the second time changes nothing. */
export interface Lease<M> extends Disposable {
  readonly member: M;
  /** Back into the pool. */
  release(): void;
  /** The member is of no use: it is closed as soon as nobody else uses it, and lent to nobody more. */
  discard(): void;
}

/** Counts since the pool was made, but for the first five, which are of this moment. */
export interface PoolCounters {
  readonly open: number;
  readonly idle: number;
  /** Members with at least one lease. */
  readonly inUse: number;
  readonly opening: number;
  readonly waiting: number;
  readonly acquired: number;
  readonly released: number;
  readonly opened: number;
  readonly closed: number;
  /** Attempts to open that failed. */
  readonly failed: number;
  /** Acquires that had to wait, and for how long together, in milliseconds. */
  readonly waits: number;
  readonly waitMs: number;
}

interface Entry<M> {
  readonly member: M;
  readonly expiresAt: number;
  leases: number;
  /** When it was last given back, or found alive. */
  idleSince: number;
  checkedAt: number;
  isChecking: boolean;
  isUseless: boolean;
}

interface Waiter<M> {
  readonly since: number;
  readonly take: (entry: Entry<M>) => void;
  readonly fail: (error: unknown) => void;
}

/** After a member could not be opened ahead, in milliseconds. */
const refillMs = 5000;

export class Pool<M> implements AsyncDisposable {
  readonly #entries = new Set<Entry<M>>();
  readonly #waiters: Waiter<M>[] = [];
  readonly #opening = new Set<Promise<void>>();
  readonly #closing = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  readonly #count = { acquired: 0, released: 0, opened: 0, closed: 0, failed: 0, waits: 0, waitMs: 0 };
  #cancelCleaning: Cancel | undefined;
  #cancelRefill: Cancel | undefined;
  #ended: McpctlError | undefined;
  #onQuiet: (() => void) | undefined;

  constructor(
    readonly options: PoolOptions,
    readonly parts: PoolParts<M>,
  ) {}

  get counters(): PoolCounters {
    const entries = [...this.#entries];
    const inUse = entries.filter(({ leases }) => leases > 0).length;
    return {
      open: entries.length,
      idle: entries.length - inUse,
      inUse,
      opening: this.#opening.size,
      waiting: this.#waiters.length,
      ...this.#count,
    };
  }

  /** Opens `min` members in the background; one that cannot be opened is tried again, at its own pace. */
  fill(): void {
    if (this.#ended || this.#cancelRefill) return;
    for (let missing = this.options.min - this.#entries.size - this.#opening.size; missing > 0; missing--) this.#open();
  }

  /**
   * A member: the one used last among the idle, a new one, or the first that becomes free. First come, first served.
   *
   * @throws the error of a member that was opened for this caller; McpctlError `OVERLOADED` after `waitMs`, `UNAVAILABLE` when the pool
   *   has ended; `signal.reason`
   */
  acquire(signal: AbortSignal): Promise<Lease<M>> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#ended) return reject(this.#ended);
      const { clock } = this.parts;
      const since = clock.now();
      const settled = () => {
        signal.removeEventListener('abort', onAbort);
        cancelWait();
        const index = this.#waiters.indexOf(waiter);
        if (index >= 0) this.#waiters.splice(index, 1);
      };
      const waiter: Waiter<M> = {
        since,
        take: (entry) => {
          settled();
          resolve(this.#lend(entry));
        },
        fail: (error) => {
          settled();
          reject(error);
        },
      };
      const onAbort = () => waiter.fail(signal.reason);
      const cancelWait = clock.after(this.options.waitMs, () => waiter.fail(this.#tooLong()));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
      if (!this.#waiters.includes(waiter)) return;
      this.#count.waits++;
    });
  }

  #serve(): void {
    while (this.#waiters.length > 0 && !this.#ended) {
      const free = this.#best();
      // One who shares a member in use goes on at once only where no further one may be opened.
      const mayOpen = this.#entries.size + this.#opening.size < this.options.max;
      if (free && (free.leases === 0 || !mayOpen)) {
        const waiter = this.#waiters[0]!;
        const waitedMs = this.parts.clock.now() - waiter.since;
        this.#count.waitMs += waitedMs;
        waiter.take(free);
      } else if (mayOpen && this.#expected() < this.#waiters.length) this.#open();
      else break;
    }
  }

  /** How many of those who wait will be served by what is being opened. */
  #expected(): number {
    return this.#opening.size === 0 ? 0 : this.#opening.size * this.options.sharing;
  }

  /** The idle one that was used last, so that the others grow old; without an idle one, that with the fewest users. */
  #best(): Entry<M> | undefined {
    let best: Entry<M> | undefined;
    for (const entry of this.#entries) {
      if (entry.isUseless || entry.isChecking || entry.leases >= this.options.sharing || this.#isOld(entry)) continue;
      const isBetter =
        !best || entry.leases < best.leases || (entry.leases === 0 && best.leases === 0 && entry.idleSince >= best.idleSince);
      if (isBetter) best = entry;
    }
    return best;
  }

  #lend(entry: Entry<M>): Lease<M> {
    entry.leases++;
    this.#count.acquired++;
    let isBack = false;
    const giveBack = (isUseless: boolean) => {
      if (isBack) return;
      isBack = true;
      this.#count.released++;
      entry.leases--;
      entry.isUseless ||= isUseless;
      this.#returned(entry);
    };
    const release = () => giveBack(false);
    return { member: entry.member, release, discard: () => giveBack(true), [Symbol.dispose]: release };
  }

  #returned(entry: Entry<M>): void {
    if (entry.leases === 0) {
      entry.idleSince = this.parts.clock.now();
      if (entry.isUseless || this.#ended || this.#isOld(entry)) this.#remove(entry);
    }
    this.#serve();
    this.#clean();
    this.#quiet();
  }

  #open(): void {
    const { open, clock, random } = this.parts;
    const opening = open(this.#abort.signal).then(
      (member) => {
        this.#opening.delete(opening);
        if (this.#abort.signal.aborted) return this.#close(member);
        const now = clock.now();
        const lifetimeMs = this.options.maxLifetimeMs * (0.9 + 0.2 * random());
        const entry: Entry<M> = {
          member,
          expiresAt: now + lifetimeMs,
          leases: 0,
          idleSince: now,
          checkedAt: now,
          isChecking: false,
          isUseless: false,
        };
        this.#count.opened++;
        this.#entries.add(entry);
        void this.parts.ended(member).then(() => this.#remove(entry));
        if (this.#ended) this.#remove(entry);
        this.#serve();
        this.#clean();
        this.#quiet();
      },
      (error: unknown) => {
        this.#opening.delete(opening);
        this.#count.failed++;
        // As many as would have shared it hear why there is none; the next in the queue get an attempt of their own.
        for (const waiter of this.#waiters.slice(0, this.options.sharing)) waiter.fail(error);
        this.#serve();
        this.#refillLater();
        this.#quiet();
      },
    );
    this.#opening.add(opening);
  }

  #isOld(entry: Entry<M>): boolean {
    return this.parts.clock.now() >= entry.expiresAt;
  }

  #remove(entry: Entry<M>): void {
    entry.isUseless = true;
    if (!this.#entries.delete(entry)) return;
    void this.#close(entry.member);
    this.#serve();
    this.fill();
    this.#quiet();
  }

  #close(member: M): Promise<void> {
    this.#count.closed++;
    const closing = this.parts.close(member).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    return closing;
  }

  /** Lets go what is idle for too long, too old, or too much; then waits for the next that will be. */
  #clean(): void {
    this.#cancelCleaning?.();
    this.#cancelCleaning = undefined;
    if (this.#ended) return;
    const { min, maxIdle, maxIdleMs, checkMs } = this.options;
    const now = this.parts.clock.now();
    // The longest idle first.
    const idle = [...this.#entries].filter(({ leases, isChecking }) => leases === 0 && !isChecking);
    idle.sort((a, b) => a.idleSince - b.idleSince);
    let spare = this.#entries.size - min;
    let kept = idle.length;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of idle) {
      const isTooMuch = spare > 0 && (kept > maxIdle || now - entry.idleSince >= maxIdleMs);
      if (isTooMuch || this.#isOld(entry)) {
        spare--;
        kept--;
        this.#remove(entry);
        continue;
      }
      if (checkMs > 0 && now - Math.max(entry.checkedAt, entry.idleSince) >= checkMs) this.#check(entry);
      const idleEnd = spare > 0 ? entry.idleSince + maxIdleMs : Number.POSITIVE_INFINITY;
      const checkAt = checkMs > 0 ? Math.max(entry.checkedAt, entry.idleSince) + checkMs : Number.POSITIVE_INFINITY;
      nextMs = Math.min(nextMs, entry.expiresAt - now, idleEnd - now, Math.max(checkAt - now, 1));
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#cancelCleaning = this.parts.clock.after(Math.max(nextMs, 1), () => this.#clean(), { background: true });
  }

  #check(entry: Entry<M>): void {
    entry.isChecking = true;
    entry.checkedAt = this.parts.clock.now();
    const done = (isAlive: boolean) => {
      entry.isChecking = false;
      if (!isAlive) this.#remove(entry);
      this.#serve();
      this.#clean();
    };
    this.parts.check(entry.member).then(
      () => done(true),
      () => done(false),
    );
  }

  #refillLater(): void {
    if (this.options.min === 0 || this.#ended || this.#cancelRefill) return;
    const refill = () => {
      this.#cancelRefill = undefined;
      this.fill();
    };
    this.#cancelRefill = this.parts.clock.after(refillMs, refill, { background: true });
  }

  #tooLong(): McpctlError {
    const { name } = this.parts;
    const { waitMs, max } = this.options;
    return new McpctlError('OVERLOADED', `No connection to "${name}" became free within ${waitMs} ms; all ${max} are in use`, {
      server: name,
      hint: `call again later, or allow more: "pool": { "max": ${2 * max} } for this server in the configuration`,
      details: { reason: 'pool-timeout', retryAfterMs: waitMs },
      delivered: 'no',
    });
  }

  /** Takes nobody more, lets those who have a member finish, and closes everything. */
  async drain(): Promise<void> {
    this.#end();
    while (this.#entries.size + this.#opening.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
      });
    }
    await Promise.all(this.#closing);
  }

  /** Closes everything now, members in use included. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    this.#abort.abort(this.#ended);
    for (const entry of [...this.#entries]) this.#remove(entry);
    await Promise.all([...this.#opening]);
    await Promise.all([...this.#closing]);
  }

  #end(): void {
    const { name } = this.parts;
    this.#ended ??= new McpctlError('UNAVAILABLE', `The connections to "${name}" were closed`, { server: name, delivered: 'no' });
    this.#cancelCleaning?.();
    this.#cancelRefill?.();
    for (const waiter of [...this.#waiters]) waiter.fail(this.#ended);
    for (const entry of [...this.#entries]) if (entry.leases === 0) this.#remove(entry);
  }

  #quiet(): void {
    this.#onQuiet?.();
  }
}
