/** The kinds of values a configuration has, and what is said when a value is of another kind. */
import * as z from 'zod/mini';
import { formatDuration, parseDuration } from '../core/duration.js';
import { limits } from './defaults.js';
import type { JsonValue } from './document.js';
import type { KeyPath } from './position.js';

/** A mistake that no single value makes; the path starts at the part. */
export interface PartIssue {
  readonly path: KeyPath;
  readonly message: string;
}

interface DurationBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

const durations = new WeakSet<object>();
// Made once: a schema costs more than all that it ever checks here.
const anything = z.unknown();
const anyText = z.string();

/** A string with a unit, read as milliseconds. */
export function duration(bounds: DurationBounds) {
  const schema = z.pipe(
    anything,
    z.transform((input, context): number => {
      const fail = (message: string) => {
        context.issues.push({ code: 'custom', message, input });
        return z.NEVER;
      };
      if (typeof input === 'number')
        return fail(`a duration needs a unit: write "${input}ms" or "${input}s" instead of ${input}`);
      if (typeof input !== 'string') return fail(`expected a duration such as "30s", got ${typeName(input)}`);
      const ms = parseDuration(input);
      if (ms === undefined) return fail(`expected a duration such as "500ms", "30s", "10m" or "24h", got ${briefly(input)}`);
      if (ms < bounds.minMs) return fail(`must be at least ${formatDuration(bounds.minMs)}, got ${briefly(input)}`);
      if (ms > bounds.maxMs) return fail(`must be at most ${formatDuration(bounds.maxMs)}, got ${briefly(input)}`);
      return ms;
    }),
  );
  durations.add(schema);
  return schema;
}

/** Whether a schema was made by `duration`: its type does not tell. */
export function isDuration(schema: object): boolean {
  return durations.has(schema);
}

/** A time that something takes: never nothing. */
export const wait = z.optional(duration({ minMs: 1, maxMs: limits.durationMs }));
/** A time that is switched off by `0s`. */
export const waitOrOff = z.optional(duration({ minMs: 0, maxMs: limits.durationMs }));
export const text = z.optional(z.string().check(z.minLength(1)));
export const texts = z.optional(z.array(anyText));
export const someTexts = z.optional(z.array(anyText).check(z.minLength(1)));
export const textsByName = z.optional(z.record(anyText, anyText));
export const flag = z.optional(z.boolean());
export const whole = (min: number, max: number) => z.optional(z.int().check(z.minimum(min), z.maximum(max)));
export const fraction = (min: number, max: number) => z.optional(z.number().check(z.minimum(min), z.maximum(max)));

/** What is wrong, in words for the user. `input` is the value concerned. */
export function issueMessage(issue: z.core.$ZodIssue, input: JsonValue | undefined): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${article(issue.expected)}, got ${typeName(input)}`;
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(', ')}, got ${briefly(input)}`;
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}, got ${briefly(input)}`;
    case 'too_big':
      return `must be at most ${issue.maximum}, got ${briefly(input)}`;
    default:
      return issue.message;
  }
}

function article(expected: string): string {
  if (expected === 'record') return 'object';
  return expected === 'int' ? 'whole number' : expected;
}

function briefly(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  return typeof value === 'number' ? String(value) : typeName(value);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'array' : typeof value;
}
