/** What the manager is built from: every effect it has comes in here, so that a test can hold the clock and the servers. */

import type { LoginFlows } from '../auth/login.js';
import type { Logins } from '../auth/logins.js';
import type { Clock, Random } from '../core/clock.js';
import type { Emitter } from '../core/events.js';
import type { Tracer } from '../core/tracing.js';
import type { ProcessGroups, StopOptions } from '../io/process-group.js';
import type { Connection, OpenOptions } from '../mcp/connection.js';
import type { Semaphore } from '../policy/semaphore.js';
import type { ServerMemories } from '../state/server-memory.js';
import type { ManagerEvent } from './server-status.js';

export interface ManagerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Emitter<ManagerEvent>;
  readonly groups: ProcessGroups;
  readonly memories: ServerMemories;
  /** How many servers may be connecting at the same time. */
  readonly connects: Semaphore;
  readonly openConnection: (options: OpenOptions) => Promise<Connection>;
  /** The environment of mcpctl; servers get the allow-list of it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stop: StopOptions;
  /** True for a REPL or a background manager: reconnects by itself, checks health. False: one command, no retries. */
  readonly longLived: boolean;
  readonly clientVersion: string;
  /** Absent: nobody wants traces. */
  readonly tracer?: Tracer | undefined;
  /** Absent: no server has a stored login. */
  readonly logins?: Pick<
    Logins,
    | 'refresh'
    | 'known'
    | 'accounts'
    | 'accountFor'
    | 'credentialsFor'
    | 'retryNow'
    | 'storedLogin'
    | 'wantedScopes'
    | 'check'
    | 'save'
    | 'saveLogin'
    | 'forget'
    | 'describe'
  >;
  /** How one logs in; loaded when somebody does. */
  readonly loginFlows?: () => Promise<LoginFlows>;
}
