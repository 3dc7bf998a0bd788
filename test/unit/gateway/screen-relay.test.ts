/** The screen of somebody who attached, as the manager has it: what is sent, and what is taken from the other end. */
import { describe, expect, it } from 'vitest';
import { ScreenRelay } from '../../../src/gateway/screen-relay.js';
import type { ManagerFrame } from '../../../src/io/control-channel.js';
import type { ScreenInput } from '../../../src/io/screen.js';

async function opened() {
  const sent: ManagerFrame[] = [];
  const inputs: ScreenInput[] = [];
  const relay = new ScreenRelay(async (frame) => void sent.push(frame));
  const opening = relay.open((input) => inputs.push(input));
  const asked = sent.splice(0);
  relay.heard({ type: 'size', columns: 40, rows: 10 });
  return { relay, sent, inputs, asked, screen: await opening };
}

describe('the screen of somebody who attached', () => {
  it('is asked for with an empty frame, there once it has told its size, and then gets lines and tells keys', async () => {
    const { relay, sent, inputs, asked, screen } = await opened();
    expect(asked).toEqual([{ t: 'screen', lines: [] }]);
    await screen.draw(['a']);
    relay.heard({ type: 'key', key: 'q' });
    expect(sent).toEqual([{ t: 'screen', lines: ['a'] }]);
    expect(inputs).toEqual([
      { type: 'size', columns: 40, rows: 10 },
      { type: 'key', key: 'q' },
    ]);
  });

  it("is given back once, and not taken again by lines that come after that; its keys are nobody's any more", async () => {
    const { relay, sent, inputs, screen } = await opened();
    screen[Symbol.dispose]();
    screen[Symbol.dispose]();
    await screen.draw(['late']);
    relay.heard({ type: 'key', key: 'q' });
    expect(sent).toEqual([{ t: 'screen', lines: null }]);
    expect(inputs).toHaveLength(1);
  });

  it('has 1 to 1000 columns and rows whatever the other end says; other input is none', async () => {
    const { relay, inputs } = await opened();
    inputs.length = 0;
    for (const [columns, rows] of [
      [1e9, -5],
      [Number.NaN, 2.9],
      ['wide', null],
    ])
      relay.heard({ type: 'size', columns, rows } as ScreenInput);
    for (const odd of [null, undefined, 'q', {}, { type: 'mouse' }]) relay.heard(odd as unknown as ScreenInput);
    expect(inputs.map((input) => input.type === 'size' && [input.columns, input.rows])).toEqual([
      [1000, 1],
      [1, 2],
      [1, 1],
    ]);
  });
});
