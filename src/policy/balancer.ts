/** Which of several endpoints gets the next call. Chooses only; opens nothing and counts nothing. */
import type { Balance } from '../config/schema.js';
import type { Random } from '../core/clock.js';
import { unreachable } from '../core/errors.js';

/** What is known of an endpoint at the moment of the choice. */
export interface Candidate {
  /** Stays the same as long as the endpoint is there. */
  readonly id: string;
  /** Its part of the calls; 0 = only when no other is left. */
  readonly weight: number;
  /** Calls that it works on. */
  readonly inFlight: number;
  /** 0 to 1. */
  readonly score: number;
  /** Null before the first answer. */
  readonly latencyMs: number | null;
  /** Left out for now: it fails too often. */
  readonly isEjected: boolean;
  /** Cannot take a call: its breaker is open, or it takes no part. */
  readonly isClosed: boolean;
}

export class Balancer {
  /** `weighted` and `round-robin`: how much each is owed. */
  readonly #owed = new Map<string, number>();

  constructor(
    readonly balance: Balance,
    readonly random: Random,
  ) {}

  /**
   * The endpoint for the next call; `tried` are those that this call has been sent to already.
   *
   * One that is left out comes back as the last resort: never is nobody left to ask who could be asked. Undefined only where all are
   * closed, or tried.
   */
  pick<C extends Candidate>(all: readonly C[], tried: ReadonlySet<string> = new Set()): C | undefined {
    for (const id of this.#owed.keys()) if (!all.some((candidate) => candidate.id === id)) this.#owed.delete(id);
    const open = all.filter(({ id, isClosed }) => !isClosed && !tried.has(id));
    const well = open.filter(({ isEjected }) => !isEjected);
    const weighty = (well.length > 0 ? well : best(open)).filter(({ weight }) => weight > 0);
    const choice = weighty.length > 0 ? weighty : well.length > 0 ? well : best(open);
    if (choice.length < 2) return choice[0];
    return this.#choose(this.#returning(choice));
  }

  /** One that comes back from a series of failures takes its place in as many cases as its score says, not all at once. */
  #returning<C extends Candidate>(choice: readonly C[]): readonly C[] {
    if (this.balance === 'health') return choice;
    const present = choice.filter(({ score }) => score >= 0.9 || this.random() < score);
    return present.length > 0 ? present : choice;
  }

  #choose<C extends Candidate>(choice: readonly C[]): C {
    const [first] = choice as readonly [C, ...C[]];
    switch (this.balance) {
      case 'round-robin':
        return this.#inTurn(choice, () => 1);
      case 'weighted':
        return this.#inTurn(choice, ({ weight }) => weight);
      case 'least-connections':
        return this.#least(choice, ({ inFlight, weight }) => (inFlight + 1) / (weight || 1));
      // One that was never asked is asked first: only so can its time be known.
      case 'response-time':
        return this.#least(choice, ({ latencyMs, inFlight }) => (latencyMs ?? 0) * (inFlight + 1));
      case 'health':
        return this.#byChance(choice, ({ score }) => score ** 2);
      case 'random':
        return this.#byChance(choice, () => 1);
      // In the order in which they are written.
      case 'priority':
        return first;
      default:
        return unreachable(this.balance);
    }
  }

  /** Smooth: 3 to 1 gives a, a, b, a and not a, a, a, b. */
  #inTurn<C extends Candidate>(choice: readonly C[], shareOf: (candidate: C) => number): C {
    let total = 0;
    let next = choice[0]!;
    for (const candidate of choice) {
      const share = shareOf(candidate);
      total += share;
      this.#owed.set(candidate.id, (this.#owed.get(candidate.id) ?? 0) + share);
      if (this.#owed.get(candidate.id)! > this.#owed.get(next.id)!) next = candidate;
    }
    this.#owed.set(next.id, this.#owed.get(next.id)! - total);
    return next;
  }

  /** The smallest; among equals in turn, so that the first of the list does not get all. */
  #least<C extends Candidate>(choice: readonly C[], costOf: (candidate: C) => number): C {
    const costs = choice.map(costOf);
    const least = Math.min(...costs);
    const equals = choice.filter((_, index) => costs[index] === least);
    return equals.length === 1 ? equals[0]! : this.#inTurn(equals, () => 1);
  }

  #byChance<C extends Candidate>(choice: readonly C[], shareOf: (candidate: C) => number): C {
    const shares = choice.map(shareOf);
    let point = this.random() * shares.reduce((sum, share) => sum + share, 0);
    for (const [index, candidate] of choice.entries()) {
      point -= shares[index]!;
      if (point < 0) return candidate;
    }
    return choice.at(-1)!;
  }
}

/** Where all are left out, the one that does best. */
function best<C extends Candidate>(candidates: readonly C[]): C[] {
  const [first, ...rest] = candidates;
  return first ? [rest.reduce((winner, candidate) => (candidate.score > winner.score ? candidate : winner), first)] : [];
}
