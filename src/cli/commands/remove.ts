/** `remove`: takes a server out of the user's own configuration file. */

import * as z from 'zod/mini';
import { removeServer } from '../../config/user-file.js';
import { McpctlError } from '../../core/errors.js';
import { didYouMean } from '../../core/suggest.js';
import type { Run, Text } from '../command.js';
import { lockTimeoutMs, refuseGivenFiles, takeOver } from '../user-servers.js';

export const args = z.object({ name: z.string() });

export interface RemoveData {
  readonly server: string;
  readonly file: string;
}

export const run: Run<typeof args, RemoveData> = async ({ name }, context) => {
  const { config, signal, note } = context;
  const known = config.servers.get(name);
  const elsewhere = known && known.source !== 'user' ? known : undefined;
  if (elsewhere?.source === 'flag') throw notOurs(name, elsewhere.file);
  refuseGivenFiles(config, 'remove');
  const file = await removeServer(config.places, name, { signal, timeoutMs: lockTimeoutMs }).catch((error: unknown) => {
    if (!(error instanceof McpctlError) || error.code !== 'UNKNOWN_SERVER') throw error;
    if (elsewhere) throw notOurs(name, elsewhere.file);
    throw new McpctlError('UNKNOWN_SERVER', error.message, {
      server: name,
      hint:
        didYouMean(
          name,
          [...config.servers.keys()].filter((known) => known !== name),
        ) ?? error.hint,
    });
  });
  if (elsewhere) note(`warning: the server "${name}" of ${elsewhere.file} stays; mcpctl disable ${name} switches it off`);
  await takeOver(context);
  return { data: { server: name, file } };
};

export const text: Text<RemoveData> = ({ server, file }) => `Removed ${server} from ${file}`;

function notOurs(name: string, file: string): McpctlError {
  return new McpctlError('USAGE', `The server "${name}" is defined in ${file}, which mcpctl never writes`, {
    server: name,
    hint: `mcpctl disable ${name} switches it off, or take it out of that file by hand`,
  });
}
