/** `add`: puts a server into the user's own configuration file. */

import * as z from 'zod/mini';
import { checkEntry } from '../../config/check-entry.js';
import { literalSecrets, masked, wordsOf } from '../../config/literal-secrets.js';
import { isWaiting } from '../../config/trust.js';
import { addServer } from '../../config/user-file.js';
import type { Run, Text } from '../command.js';
import { entryOf, type NewEntry } from '../new-server.js';
import { quoteWord } from '../tokenize.js';
import { lockTimeoutMs, refuseGivenFiles, takeOver } from '../user-servers.js';

export const args = z.object({
  name: z.string(),
  command: z.array(z.string()),
  transport: z.optional(z.string()),
  header: z._default(z.array(z.string()), []),
  env: z._default(z.array(z.string()), []),
  cwd: z.optional(z.string()),
  clientId: z.optional(z.string()),
  clientSecretEnv: z.optional(z.string()),
  clientMetadataUrl: z.optional(z.string()),
});

export interface AddData {
  readonly server: string;
  readonly file: string;
  /** As it stands in the file, literal secrets masked. */
  readonly entry: NewEntry;
}

export const secrets = ({ command, header, env }: z.infer<typeof args>): string[] =>
  literalSecrets([...command, ...header, ...env]);

export const run: Run<typeof args, AddData> = async ({ name, ...typed }, context) => {
  const { config, signal, note } = context;
  refuseGivenFiles(config, 'add');
  const entry = entryOf(typed);
  checkEntry(name, entry);
  const found = literalSecrets(wordsOf(entry));
  const file = await addServer(config.places, name, entry, { signal, timeoutMs: lockTimeoutMs });
  if (found.length > 0)
    note(
      `warning: ${file} now holds a secret in plain text, and other users of this machine may have seen it on the command line; \${VAR} takes it from your environment instead`,
    );
  const winner = config.servers.get(name);
  // What waits for an approval takes nothing away; the reload says so.
  if (winner && winner.source !== 'user' && !isWaiting(winner))
    note(`warning: ${winner.file} has a server "${name}" as well, and that one counts here`);
  await takeOver(context);
  return { data: { server: name, file, entry: masked(entry, found) } };
};

export const text: Text<AddData> = ({ server, file, entry }) =>
  [`Added ${server} to ${file}`, ...entryLines(entry), `mcpctl ping ${server} tries it.`].join('\n');

/** An entry for people: the command line or URL, then one line for each thing besides. */
export function entryLines({ command, args: words = [], url, ...more }: NewEntry): string[] {
  const target =
    url === undefined ? [command, ...(words as string[])].map((word) => quoteWord(String(word))).join(' ') : String(url);
  const rest = Object.entries(more).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([name, item]) => `${key} ${name}: ${String(item)}`)
      : [`${key}: ${String(value)}`],
  );
  return [target, ...rest].map((line) => `  ${line}`);
}
