/** The life of a server as a table: every pair of state and input, and what late news may not do. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { initialState, type ServerInput, type ServerState, transition, transitions } from '../../../src/manager/server-state.js';

const at = '2026-01-01T00:00:01.000Z';
const error = { code: 'UNAVAILABLE', message: 'gone', hint: null, at } as const;

const inputs: Record<ServerInput['type'], (generation: number) => ServerInput> = {
  connect: () => ({ type: 'connect', at, attempt: 1 }),
  connected: (generation) => ({ type: 'connected', at, generation }),
  failed: (generation) => ({ type: 'failed', at, generation, error, attempt: 1, retryAt: null }),
  'auth-required': (generation) => ({ type: 'auth-required', at, generation, error }),
  close: () => ({ type: 'close', at }),
  disable: () => ({ type: 'disable', at }),
  enable: () => ({ type: 'enable', at }),
};

const states: Record<ServerState['status'], ServerState> = {
  disconnected: { status: 'disconnected', generation: 3, since: '' },
  disabled: { status: 'disabled', generation: 3, since: '' },
  connecting: { status: 'connecting', generation: 3, since: '', attempt: 1 },
  connected: { status: 'connected', generation: 3, since: '' },
  error: { status: 'error', generation: 3, since: '', error, attempt: 1, retryAt: null },
  'needs-auth': { status: 'needs-auth', generation: 3, since: '', error },
};

describe('transition', () => {
  it('does for each of the 6 x 7 pairs what the table says, and keeps the very same object where it says nothing', () => {
    for (const state of Object.values(states)) {
      for (const [type, make] of Object.entries(inputs)) {
        const next = transition(state, make(3));
        const wanted = transitions[state.status][type as ServerInput['type']];
        if (wanted === undefined) expect(next, `${state.status} x ${type}`).toBe(state);
        else expect(next.status, `${state.status} x ${type}`).toBe(wanted);
      }
    }
  });

  it.each(['connected', 'failed', 'auth-required'] as const)('ignores "%s" of generation 2 in generation 3', (type) => {
    expect(transition(states.connecting, inputs[type](2))).toBe(states.connecting);
  });

  it('counts the generation up at connect, close and disable, so that a result under way is nobody’s', () => {
    expect(transition(states.error, inputs.connect(3)).generation).toBe(4);
    expect(transition(states.connecting, inputs.close(3)).generation).toBe(4);
    expect(transition(states.connected, inputs.disable(3)).generation).toBe(4);
  });

  it('starts disabled or disconnected, as configured', () => {
    expect(initialState(false, at)).toEqual({ status: 'disabled', generation: 0, since: at });
    expect(initialState(true, at)).toEqual({ status: 'disconnected', generation: 0, since: at });
  });

  it('never leaves "disabled" but by enable, and never counts a generation down, over random lives of 60 inputs', () => {
    const step = fc.tuple(fc.constantFrom(...(Object.keys(inputs) as ServerInput['type'][])), fc.nat(2));
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (enabled, life) => {
        let state = initialState(enabled, at);
        for (const [type, lag] of life) {
          const next = transition(state, inputs[type](state.generation - lag));
          if (state.status === 'disabled' && next !== state && type !== 'enable') return false;
          if (next.generation < state.generation) return false;
          if (lag > 0 && (type === 'connected' || type === 'failed') && next !== state) return false;
          state = next;
        }
        return true;
      }),
    );
  });
});
