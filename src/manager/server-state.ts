/** The life of one server as a pure function: a table of who follows whom, and `transition`, which no effect can bypass. */

import type { ErrorCode } from '../core/errors.js';
import { unreachable } from '../core/errors.js';

/** The last failure, as `status` shows it. */
export interface ErrorInfo {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | null;
  /** ISO 8601, UTC. */
  readonly at: string;
}

interface Always {
  /** Counts connection attempts of this server; results of an older one are ignored. */
  readonly generation: number;
  /** When this state began: ISO 8601, UTC. */
  readonly since: string;
}

export type ServerState = Always &
  (
    | { readonly status: 'disconnected' }
    /** `waiting` is why it will not be connected when it is enabled again: its definition is not approved. */
    | { readonly status: 'disabled'; readonly waiting: ErrorInfo | null }
    /** Defined by a project, and not approved: nothing of it is started, read or asked until the user says so. */
    | { readonly status: 'untrusted'; readonly error: ErrorInfo }
    | { readonly status: 'connecting'; readonly attempt: number }
    | { readonly status: 'connected' }
    /** `retryAt` null: nothing happens until somebody asks. */
    | { readonly status: 'error'; readonly error: ErrorInfo; readonly attempt: number; readonly retryAt: string | null }
    | { readonly status: 'needs-auth'; readonly error: ErrorInfo }
  );

export type ServerStatusName = ServerState['status'];

/** What happens to a server. `at` is the wall clock; `generation` names the attempt whose result this is. */
export type ServerInput = { readonly at: string } & (
  | { readonly type: 'connect'; readonly attempt: number }
  | { readonly type: 'connected'; readonly generation: number }
  | {
      readonly type: 'failed';
      readonly generation: number;
      readonly error: ErrorInfo;
      readonly attempt: number;
      readonly retryAt: string | null;
    }
  | { readonly type: 'auth-required'; readonly generation: number; readonly error: ErrorInfo }
  | { readonly type: 'close' }
  | { readonly type: 'disable' }
  | { readonly type: 'enable' }
);

/**
 * Who may follow whom. What is not listed does not happen: the input is ignored. The diagram in docs/architecture.md is made from this.
 * No input approves anything: an approval is a new configuration, and that is a new server in the old one's place.
 */
export const transitions: Readonly<
  Record<ServerStatusName, Partial<Record<ServerInput['type'], ServerStatusName | readonly ServerStatusName[]>>>
> = {
  disconnected: { connect: 'connecting', disable: 'disabled' },
  connecting: {
    connect: 'connecting',
    connected: 'connected',
    failed: 'error',
    'auth-required': 'needs-auth',
    close: 'disconnected',
    disable: 'disabled',
  },
  connected: {
    connect: 'connecting',
    failed: 'error',
    'auth-required': 'needs-auth',
    close: 'disconnected',
    disable: 'disabled',
  },
  error: { connect: 'connecting', close: 'disconnected', disable: 'disabled' },
  'needs-auth': { connect: 'connecting', close: 'disconnected', disable: 'disabled' },
  untrusted: { disable: 'disabled' },
  disabled: { enable: ['disconnected', 'untrusted'] },
};

/** @param waiting set when the definition is not approved */
export function initialState(enabled: boolean, at: string, waiting: ErrorInfo | null = null): ServerState {
  const always = { generation: 0, since: at };
  if (!enabled) return { ...always, status: 'disabled', waiting };
  return waiting ? { ...always, status: 'untrusted', error: waiting } : { ...always, status: 'disconnected' };
}

/** The next state; the very same object when the input means nothing here (late results of an older generation included). */
export function transition(state: ServerState, input: ServerInput): ServerState {
  const next = transitions[state.status][input.type];
  if (next === undefined) return state;
  if ('generation' in input && input.generation !== state.generation) return state;
  const always = { generation: state.generation, since: input.at };
  switch (input.type) {
    case 'connect':
      return { ...always, status: 'connecting', generation: state.generation + 1, attempt: input.attempt };
    case 'connected':
      return { ...always, status: 'connected' };
    case 'failed':
      return { ...always, status: 'error', error: input.error, attempt: input.attempt, retryAt: input.retryAt };
    case 'auth-required':
      return { ...always, status: 'needs-auth', error: input.error };
    // A closed or disabled server must not be woken by the result of an attempt that is still under way.
    case 'close':
      return { ...always, status: 'disconnected', generation: state.generation + 1 };
    case 'disable':
      return {
        ...always,
        status: 'disabled',
        generation: state.generation + 1,
        waiting: state.status === 'untrusted' ? state.error : null,
      };
    case 'enable': {
      const waiting = state.status === 'disabled' ? state.waiting : null;
      return waiting ? { ...always, status: 'untrusted', error: waiting } : { ...always, status: 'disconnected' };
    }
    default:
      return unreachable(input);
  }
}
