/** What the documents show of a terminal is what happens: the commands in them are typed, and what they print is compared. */
import { describe, expect, it } from 'vitest';
import { managerIn } from './e2e/managed.js';
import { startFixture } from './fixtures/http-rig.js';
import { block, root, runBlock, type ShownRun } from './support/doc-examples.js';
import { scriptedBrowser, startOAuthRig } from './support/oauth-rig.js';
import { runCli } from './support/run-cli.js';
import { type TempHome, tempHome } from './support/temp-home.js';
import { startTerminal } from './support/terminal.js';
import { waitFor } from './support/wait-for.js';

/** The folders of a test as those of Ann, and what differs from run to run. */
function normalised(text: string, home: TempHome): string {
  return text
    .replaceAll(home.configDir, '/home/ann/.config/mcpctl')
    .replaceAll(home.projectDir, '/home/ann/project')
    .replace(/\b[0-9a-f]{64}\b/g, 'FINGERPRINT')
    .replace(/\b[0-9a-f]{8,63}…/g, 'FINGERPRINT')
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{3}Z)?/g, 'TIME')
    .replace(/ +/g, ' ');
}

async function expectBlock(page: string, name: string, home: TempHome): Promise<void> {
  const runs = await runBlock(block(page, name), { home });
  expect(runs.length).toBeGreaterThan(0);
  for (const { line, real, shown } of runs) expect(normalised(real, home), line).toBe(normalised(shown, home));
}

describe('docs/trust.md', () => {
  it('shows a server that is refused, approved, changed, refused and taken back', async () => {
    await using home = await tempHome();
    const file = block('docs/trust.md', 'project');
    await home.write('project/.mcp.json', file);
    await expectBlock('docs/trust.md', 'approve', home);
    expect(file).toContain('"."');
    await home.write('project/.mcp.json', file.replace('"."', '"/"'));
    await expectBlock('docs/trust.md', 'changed', home);
  });
});

describe('docs/configuration.md', () => {
  it('shows how servers are added, switched and removed, and the file that comes of it', async () => {
    await using home = await tempHome();
    await expectBlock('docs/configuration.md', 'add', home);
    const { stdout } = await runCli(['config', 'show', '--json'], { home });
    const written = await home.write('other.jsonc', block('docs/configuration.md', 'added'));
    const shown = await runCli(['-c', written, 'config', 'show', '--json'], { home });
    const entries = (text: string) =>
      Object.values(JSON.parse(text).servers as Record<string, { name: string; target: string; enabled: boolean }>).map(
        ({ name, target, enabled }) => ({ name, target, enabled }),
      );
    expect(entries(stdout)).toEqual(entries(shown.stdout));
  });

  it('shows the error of a file with a wrong type', async () => {
    await using home = await tempHome();
    await home.writeConfig(block('docs/configuration.md', 'broken'));
    await expectBlock('docs/configuration.md', 'error', home);
  });

  it.each([
    ['example', 'config.json'],
    ['toml', 'config.toml'],
  ])('shows a file (%s) that is valid without a warning', async (name, file) => {
    await using home = await tempHome();
    await home.write(`config/${file}`, `${block('docs/configuration.md', name)}\n`);
    const { stdout, stderr, code } = await runCli(['config', 'validate'], { home, env: { GITHUB_TOKEN: 'token-of-a-test' } });
    expect({ stdout, stderr, code }).toEqual({ stdout: 'The configuration is valid.\n', stderr: '', code: 0 });
  });
});

describe('docs/authentication.md', () => {
  const page = 'docs/authentication.md';
  const clientSecret = 'a secret of the tests';
  const robot = {
    client_id: 'robot',
    client_secret: clientSecret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: 'mcp:read',
  };

  async function setUp() {
    const rig = await startOAuthRig({ clients: [robot as never] });
    const home = await tempHome();
    await home.writeConfig({
      mcpServers: {
        github: { url: rig.url },
        robot: { url: rig.url, oauth: { clientId: 'robot', clientSecretEnv: 'ROBOT_SECRET' } },
      },
    });
    const env = { MCPCTL_CREDENTIAL_STORE: 'file', BROWSER: scriptedBrowser, ROBOT_SECRET: clientSecret };
    const asWritten = (text: string) =>
      normalised(
        text
          .replaceAll(`${rig.issuer}/auth?`, 'https://login.example.com/auth?')
          .replaceAll(rig.issuer, 'https://login.example.com'),
        home,
      )
        .replace(/(example\.com\/auth\?)\S+/g, '$1…')
        .replace(/until \d\d:\d\d:\d\d UTC/, 'until TIME');
    const expectSame = ({ line, real, shown }: ShownRun) => expect(asWritten(real), line).toBe(asWritten(shown));
    const run = (name: string) => runBlock(block(page, name), { home, env });
    return {
      rig,
      home,
      env,
      expectSame,
      run,
      async [Symbol.asyncDispose]() {
        await home[Symbol.asyncDispose]();
        await rig[Symbol.asyncDispose]();
      },
    };
  }

  it('shows a login in the browser, one with more rights, and one of a machine', async () => {
    await using it = await setUp();
    for (const name of ['browser', 'more', 'machine']) for (const each of await it.run(name)) it.expectSame(each);
  });

  it('shows a login in two steps', async () => {
    await using it = await setUp();
    const [begun] = await it.run('start');
    it.expectSame(begun!);
    const address = await it.rig.approve(/^https?:\S+/m.exec(begun!.real)![0]);
    const flow = /--complete (\w+)/.exec(begun!.real)![1]!;
    const ending = block(page, 'complete');
    const typed = ending.replace(/\b[0-9a-f]{64}\b/, flow).replace('<address>', address);
    const [done] = await runBlock(typed, { home: it.home, env: it.env });
    it.expectSame(done!);
  });
});

describe('docs/resilience.md', () => {
  it('shows a server that goes down and comes back', async () => {
    const page = 'docs/resilience.md';
    const asWritten = (text: string) =>
      text
        .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:8080')
        .replace(/another [\d.]+ \w+/, 'another while')
        .replace(/[\d.]+ (m?s\b)/g, 'N $1')
        // By the loss of the connection, or by the next attempt: who notices first writes the reason.
        .replace(/^(✗ search .* http) .*$/m, '$1 WHY')
        .replace(/ +/g, ' ');
    await using first = await startFixture('http-fault');
    const { port } = new URL(first.url);
    await using home = await tempHome();
    await home.writeConfig({ mcpServers: { search: { url: first.url, circuitBreaker: { timeout: '1h' } } } });
    await using manager = await managerIn(home);
    const show = async (name: string) => {
      for (const { line, real, shown } of await runBlock(block(page, name), { home }))
        expect(asWritten(real), line).toBe(asWritten(shown));
    };
    const status = async () =>
      (JSON.parse((await manager.run('status --json')).stdout) as { servers: { status: string; breaker: { state: string } }[] })
        .servers[0]!;
    await waitFor(async () => (await status()).status === 'connected');
    await show('up');
    await first.stop();
    await waitFor(async () => {
      await manager.run('ping search');
      return (await status()).status === 'error';
    });
    await show('down');
    await waitFor(async () => {
      await manager.run('call search/echo message=hi');
      return (await status()).breaker.state === 'open';
    });
    await show('open');
    await using _ = await startFixture('http-fault', { PORT: port });
    await show('back');
  }, 60_000);
});

describe('docs/observability.md', () => {
  it('shows the figures of a manager on a terminal', async () => {
    const page = 'docs/observability.md';
    const asWritten = (text: string) =>
      text
        .replace(/\r/g, '')
        .replace(/\d+(\.\d+)? m?s\b/g, 'N ms')
        .replace(/[·▁▂▃▄▅▆▇█]{24}/g, 'BARS')
        .replace(/Since \S+ \S+/g, 'Since DATE')
        .replace(/ +/g, ' ')
        .trim();
    await using home = await tempHome();
    const options = { cwd: root, env: { TMPDIR: home.path } };
    const example = ['-c', '.mcp.example.json'];
    await using manager = await managerIn(home, example, options);
    const script = [
      ...Array.from({ length: 12 }, () => 'call everything/echo message=hi'),
      ...Array.from({ length: 2 }, () => 'call everything/get-sum a=2 b=3'),
      ...Array.from({ length: 2 }, () => 'call memory/read_graph'),
      ...Array.from({ length: 6 }, () => 'call filesystem/list_allowed_directories'),
      ...Array.from({ length: 2 }, () => 'call filesystem/read_text_file path=missing.txt'),
    ];
    await runCli([...example, '--keep-going'], { home, ...options, input: script.join('\n') });
    for (const name of ['metrics', 'one']) {
      const [line, ...shown] = block(page, name).split('\n');
      const words = line!.replace('$ mcpctl ', '').split(' ');
      await using terminal = startTerminal([...example, ...words], { home, ...options });
      expect(await terminal.exited).toEqual({ code: 0, signal: undefined });
      expect(asWritten(terminal.text)).toBe(asWritten(shown.join('\n')));
    }
    await manager.run(`${example.join(' ')} down`);
  }, 60_000);

  it('shows a configuration that is valid', async () => {
    await using home = await tempHome();
    await home.writeConfig(block('docs/observability.md', 'port'));
    const { stdout, code } = await runCli(['config', 'validate'], { home });
    expect({ stdout, code }).toEqual({ stdout: 'The configuration is valid.\n', code: 0 });
  });
});
