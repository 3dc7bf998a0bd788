/** How much mcpctl writes into its own log: the variable counts before the files, those before the preset. */
import type { Env } from './paths.js';
import type { PresetName } from './presets.js';
import type { LoadedFile } from './read-file.js';
import type { ConfigProblem } from './schema.js';

/** From few lines to many; each has those before it as well. */
export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly level: LogLevel;
}

/** The contract: what a person who writes a server wants to see is everything. */
const levelOfPreset: Readonly<Partial<Record<PresetName, LogLevel>>> = { development: 'debug' };
export const defaultLogLevel: LogLevel = 'info';

const variable = 'MCPCTL_LOG';

/** A variable that names no level is a warning: nothing fails because of a log. */
export function logOptions(
  files: readonly LoadedFile[],
  preset: PresetName,
  env: Env,
): { readonly log: LogOptions; readonly problem?: ConfigProblem } {
  const inFile = files.findLast(({ parsed }) => parsed?.content.log?.level !== undefined)?.parsed?.content.log?.level;
  const level = inFile ?? levelOfPreset[preset] ?? defaultLogLevel;
  const word = env[variable];
  if (!word) return { log: { level } };
  const named = logLevels.find((one) => one === word.toLowerCase());
  if (named !== undefined) return { log: { level: named } };
  const message = `is one of ${logLevels.join(', ')}, not ${JSON.stringify(word.slice(0, 40))}`;
  return { log: { level }, problem: { severity: 'warning', file: variable, line: 0, column: 0, path: '', message } };
}
