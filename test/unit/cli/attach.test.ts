/** What is read of a command line before anything is loaded: just enough to find the manager that it is meant for. */
import { describe, expect, it } from 'vitest';
import { glance, hereCommands } from '../../../src/cli/attach.js';
import { registry } from '../../../src/cli/registry.js';

const none = {
  command: undefined,
  config: [],
  preset: undefined,
  json: false,
  quiet: false,
  noAttach: false,
  isHere: false,
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
    ['--help', { isHere: true }],
    ['call -h', { command: 'call', isHere: true }],
    ['help call', { command: 'help', isHere: true }],
    ['config show', { command: 'config', isHere: true }],
    ['down --json', { command: 'down', json: true, isHere: true }],
    ['--version', { isHere: true }],
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

it.each(registry.find(({ name }) => name === 'add')!.flags.filter(({ value }) => value))(
  'takes the word behind --$name of add for its value, not for the name of the server',
  ({ name }) => {
    const line = ['add', `--${name}`, 'value', 'x', 'https://a.example', '-c', 'file'];
    expect(glance(line)).toMatchObject({ command: 'add', config: ['file'] });
  },
);

it('knows every command of the registry that runs where it is typed', () => {
  const here = registry.filter(({ here, host, load, scope }) => (here || host || !load) && scope !== 'repl');
  expect([...hereCommands].sort()).toEqual(here.map(({ name }) => name).sort());
  expect(here.flatMap(({ aliases = [] }) => aliases)).toEqual([]);
});
