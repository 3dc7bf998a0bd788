/** What keys make of an answer that is not shown. */
import type { Key } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { HiddenAnswer } from '../../../src/cli/hidden-answer.js';

const type = (answer: HiddenAnswer, ...presses: [string | undefined, Key][]) =>
  presses.map(([text, key]) => answer.press(text, key));
const plain = (text: string): [string, Key][] => [...text].map((letter) => [letter, { name: letter }]);

describe('a hidden answer', () => {
  it('is what was typed, without what was taken back', () => {
    const answer = new HiddenAnswer();
    type(
      answer,
      ...plain('wrong'),
      ['\x15', { name: 'u', ctrl: true }],
      ...plain('añ𝒳!'),
      ['\x7f', { name: 'backspace' }],
      ['\x7f', { name: 'backspace' }],
    );
    expect(answer.text).toBe('añ');
    expect(type(answer, ['\r', { name: 'return' }])).toEqual(['done']);
  });

  it('takes no arrows, no Alt and no other control keys', () => {
    const answer = new HiddenAnswer();
    type(
      answer,
      ['\x1b[A', { name: 'up' }],
      [undefined, { name: 'left' }],
      ['\x1bb', { name: 'b', meta: true }],
      ['\x0b', { name: 'k', ctrl: true }],
    );
    expect(answer.text).toBe('');
  });

  it('ends with Ctrl-C at once, with Ctrl-D only while it is empty', () => {
    const answer = new HiddenAnswer();
    const ctrlD: [string, Key] = ['\x04', { name: 'd', ctrl: true }];
    expect(type(answer, ctrlD, ...plain('x'), ctrlD, ['\x03', { name: 'c', ctrl: true }])).toEqual([
      'end',
      'more',
      'more',
      'interrupt',
    ]);
  });
});
