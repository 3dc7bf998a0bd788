/** Durations as people write them: a number with a unit. */

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `500ms`, `1.5s`, `10m`, `24h`, `7d`; undefined for anything else, bare numbers included. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  return match ? Number(match[1]) * unitMs[match[2] as keyof typeof unitMs] : undefined;
}

/** A duration as one writes it in a file, exactly: `30s`, `1500ms`, `5m`, `24h`. */
export function durationText(ms: number): string {
  if (ms >= unitMs.h && ms % unitMs.h === 0) return `${ms / unitMs.h}h`;
  if (ms >= unitMs.m && ms % unitMs.m === 0) return `${ms / unitMs.m}m`;
  return ms === 0 || (ms >= unitMs.s && ms % 100 === 0) ? `${ms / unitMs.s}s` : `${ms}ms`;
}

/** A short text for people, rounded: `230 ms`, `1.5 s`, `12 m`, `3 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} m`;
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
