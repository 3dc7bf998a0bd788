/** What is read of a command line before anything is loaded: just enough to find the manager that it is meant for. */
import { describe, expect, it } from 'vitest';
import { glance } from '../../../src/cli/attach.js';

const none = {
  command: undefined,
  config: [],
  preset: undefined,
  json: false,
  quiet: false,
  noAttach: false,
  isAnswered: false,
};

describe('glance', () => {
  it.each<[string, Partial<ReturnType<typeof glance>>]>([
    ['', {}],
    ['status', { command: 'status' }],
    ['-c a.json status --config b.json', { command: 'status', config: ['a.json', 'b.json'] }],
    ['--config=a=b.json status -cc.json', { command: 'status', config: ['a=b.json', 'c.json'] }],
    ['--timeout 5s call x/y --json -q', { command: 'call', json: true, quiet: true }],
    ['--preset test status', { command: 'status', preset: 'test' }],
    ['status --preset=development', { command: 'status', preset: 'development' }],
    ['call x/y a=b --no-attach', { command: 'call', noAttach: true }],
    ['call x/y -- --no-attach -c z', { command: 'call' }],
    ['--help', { isAnswered: true }],
    ['call -h', { command: 'call', isAnswered: true }],
    ['help call', { command: 'help', isAnswered: true }],
    ['--version', { isAnswered: true }],
    ['add x node -c server.js --json --help', { command: 'add' }],
    ['--json add x node -c server.js', { command: 'add', json: true }],
    ['add --env A=b x node -c server.js', { command: 'add' }],
    ['add x --json node --help', { command: 'add', json: true }],
    ['add x https://a.example -c file --header K:V --json', { command: 'add', config: ['file'], json: true }],
    ['add x -- https://a.example -c file', { command: 'add' }],
    ['-c', {}],
  ])('%s', (line, expected) => {
    expect(glance(line.split(' ').filter(Boolean))).toEqual({ ...none, ...expected });
  });
});
