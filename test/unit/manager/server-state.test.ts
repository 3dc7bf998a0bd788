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
  disabled: { status: 'disabled', generation: 3, since: '', waiting: null },
  connecting: { status: 'connecting', generation: 3, since: '', attempt: 1 },
  connected: { status: 'connected', generation: 3, since: '' },
  error: { status: 'error', generation: 3, since: '', error, attempt: 1, retryAt: null },
  untrusted: { status: 'untrusted', generation: 3, since: '', error },
  'needs-auth': { status: 'needs-auth', generation: 3, since: '', error },
};

describe('transition', () => {
  it('does for each of the 7 x 7 pairs what the table says, and keeps the very same object where it says nothing', () => {
    for (const state of Object.values(states)) {
      for (const [type, make] of Object.entries(inputs)) {
        const next = transition(state, make(3));
        const wanted = transitions[state.status][type as ServerInput['type']];
        if (wanted === undefined) expect(next, `${state.status} x ${type}`).toBe(state);
        else expect([wanted].flat(), `${state.status} x ${type}`).toContain(next.status);
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

  it('starts disabled, untrusted or disconnected, as configured', () => {
    expect(initialState(false, at)).toEqual({ status: 'disabled', generation: 0, since: at, waiting: null });
    expect(initialState(true, at)).toEqual({ status: 'disconnected', generation: 0, since: at });
    expect(initialState(true, at, error)).toEqual({ status: 'untrusted', generation: 0, since: at, error });
    expect(initialState(false, at, error)).toEqual({ status: 'disabled', generation: 0, since: at, waiting: error });
  });

  it('is untrusted again after disable and enable', () => {
    const disabled = transition(states.untrusted, inputs.disable(3));
    expect(disabled).toMatchObject({ status: 'disabled', waiting: error });
    expect(transition(disabled, inputs.enable(4))).toMatchObject({ status: 'untrusted', error });
  });

  it('never connects what is not approved, whatever 60 random inputs say', () => {
    const step = fc.tuple(fc.constantFrom(...(Object.keys(inputs) as ServerInput['type'][])), fc.nat(2));
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (enabled, life) => {
        let state = initialState(enabled, at, error);
        for (const [type, lag] of life) {
          state = transition(state, inputs[type](state.generation - lag));
          if (state.status !== 'untrusted' && state.status !== 'disabled') return false;
        }
        return true;
      }),
      { numRuns: 1000 },
    );
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
