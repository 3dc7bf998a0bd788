/** Round-trip times of one server: the last ones, and what is usual. */

const kept = 50;

export class Latency {
  readonly #samples: number[] = [];

  add(ms: number): void {
    this.#samples.push(ms);
    if (this.#samples.length > kept) this.#samples.shift();
  }

  /** Milliseconds, rounded to 0.1; null before the first sample. */
  summary(): { last: number; p50: number; p95: number } | null {
    if (this.#samples.length === 0) return null;
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const at = (q: number) => round(sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)]!);
    return { last: round(this.#samples.at(-1)!), p50: at(0.5), p95: at(0.95) };
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
