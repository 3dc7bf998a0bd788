/** `enable`: servers come back, now and in later runs. */

import * as z from 'zod/mini';
import type { Run } from '../command.js';
import { type SwitchData, switchServers, textOfSwitch } from '../switch-servers.js';

export const args = z.object({ servers: z.array(z.string()), session: z._default(z.boolean(), false) });

export const run: Run<typeof args, SwitchData> = (input, context) => switchServers(input, true, context);

export const text = textOfSwitch;
