/** The flags that every command takes, before or after its name. */

import type { FlagSpec } from './command.js';

export const globalFlags: readonly FlagSpec[] = [
  { name: 'json', summary: 'Print exactly one JSON document' },
  {
    name: 'config',
    short: 'c',
    value: 'file',
    repeatable: true,
    summary: 'Read this configuration instead of your own (repeatable, later wins)',
  },
  { name: 'preset', value: 'name', summary: 'Defaults for a kind of use: production (default), development or test' },
  { name: 'timeout', value: 'duration', summary: 'Give up after this long, e.g. 500ms, 30s, 10m' },
  { name: 'quiet', short: 'q', summary: 'No notes on stderr' },
  { name: 'verbose', short: 'v', summary: 'More notes on stderr; stdout stays the same' },
  { name: 'no-color', summary: 'No colours' },
  { name: 'no-attach', summary: 'Run without the manager that is there' },
  { name: 'keep-going', summary: 'In a batch, go on after a failed line' },
  { name: 'help', short: 'h', summary: 'Show help' },
  { name: 'version', short: 'V', summary: 'Show the version' },
];
