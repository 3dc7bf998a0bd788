/** Scripts on stdin: one command a line, errors with their line, the exit code of the first failure. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli, startCli } from '../support/run-cli.js';
import { type TempHome, tempHome } from '../support/temp-home.js';

const faultServer = fileURLToPath(new URL('../fixtures/servers/fault-stdio.mjs', import.meta.url));

async function home(): Promise<TempHome> {
  const made = await tempHome();
  await made.writeConfig({ mcpServers: { fault: { command: process.execPath, args: [faultServer] } } });
  return made;
}

describe('a batch', () => {
  it('runs one command a line, with and without /mcp, past comments, empty lines and CRLF, the last without a newline', async () => {
    await using own = await home();
    const input =
      '# a script\r\n\r\ncall fault/echo text=one\r\n/mcp call fault/echo text="two words"  # note\n  /call fault/echo text=3';
    const { stdout, stderr, code } = await runCli([], { home: own, input });
    expect(stderr).toBe('');
    expect(stdout).toBe('one\ntwo words\n3\n');
    expect(code).toBe(0);
  });

  it('starts a server once for all of its lines', async () => {
    await using own = await home();
    const { stdout } = await runCli([], { home: own, input: 'call fault/pid\ncall fault/pid\n' });
    const [first, second] = stdout.trim().split('\n');
    expect(first).toMatch(/^\d+$/);
    expect(second).toBe(first);
  });

  it('stops at the first failure, names its line 3, and exits with its code 5', async () => {
    await using own = await home();
    const input = 'call fault/echo text=one\n\ncall fault/tool-error\ncall fault/echo text=never\n';
    const { stdout, stderr, code } = await runCli([], { home: own, input });
    expect(stderr).toMatch(/^error: line 3: /m);
    expect(stdout).toContain('one');
    expect(stdout).not.toContain('never');
    expect(code).toBe(5);
  });

  it('goes on after failures with --keep-going, and exits with the code of the first, 2, not of the last, 5', async () => {
    await using own = await home();
    const input = 'nonsense\ncall fault/echo text=after\ncall fault/tool-error\n';
    const { stdout, stderr, code } = await runCli(['--keep-going'], { home: own, input });
    expect(stderr).toMatch(/^error: line 1: Unknown command "nonsense"$/m);
    expect(stderr).toMatch(/^error: line 3: /m);
    expect(stdout).toContain('after\n');
    expect(code).toBe(2);
  });

  it('refuses an unclosed quote with line and column', async () => {
    await using own = await home();
    const { stdout, stderr, code } = await runCli([], { home: own, input: 'help ping\ncall fault/echo text="open\n' });
    expect(stdout).toContain('ping');
    expect(stderr).toMatch(/^error: line 2: The quote " in column 22 is not closed$/m);
    expect(stderr).toMatch(/^hint: /m);
    expect(code).toBe(2);
  });

  it('names the line in the error document of --json', async () => {
    await using own = await home();
    const { stderr, code } = await runCli(['--json'], { home: own, input: 'call fault/echo text=hi\ncall fault/nothing\n' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'UNKNOWN_TOOL', message: expect.stringMatching(/^line 2: /) } });
    expect(code).toBe(2);
    const quote = await runCli(['--json'], { home: own, input: "'\n" });
    expect(JSON.parse(quote.stderr)).toMatchObject({ error: { code: 'USAGE', details: { column: 1 } } });
  });

  it('ends at exit with 0, and ignores /clear', async () => {
    await using own = await home();
    const { stdout, code } = await runCli([], {
      home: own,
      input: '/clear\ncall fault/echo text=one\n/exit\ncall fault/tool-error\n',
    });
    expect(stdout).toBe('one\n');
    expect(code).toBe(0);
  });

  it('exits with 0 for an empty script and one of comments, without starting a server', async () => {
    await using own = await home();
    for (const input of ['', '\n\n', '# nothing']) {
      const { stdout, stderr, code } = await runCli([], { home: own, input });
      expect([stdout, stderr, code]).toEqual(['', '', 0]);
    }
  });

  it('refuses a line of 3 MB without keeping it, and runs the next one', async () => {
    await using own = await home();
    const input = `call fault/echo text=${'x'.repeat(3_000_000)}\ncall fault/echo text=next\n`;
    const { stdout, stderr, code } = await runCli(['--keep-going'], { home: own, input });
    expect(stderr).toMatch(/^error: line 1: The line is longer than 1 MiB$/m);
    expect(stderr.length).toBeLessThan(1_000);
    expect(stdout).toBe('next\n');
    expect(code).toBe(2);
  });

  it('takes NUL bytes and invalid UTF-8 for what they are: characters', async () => {
    await using own = await home();
    const cli = startCli([], { home: own });
    cli.end('call fault/echo text=a\0b\n');
    const { stdout, code } = await cli.exited;
    expect(stdout).toBe('ab\n');
    expect(code).toBe(0);
    await using broken = startCli([], { home: own });
    // Half of a two-byte character, as latin1 text has it.
    broken.end(Buffer.from([...Buffer.from('call fault/echo text='), 0xe9, 0x0a]) as never);
    expect((await broken.exited).stdout).toBe('\ufffd\n');
  });

  it('does not read the script as the input of --args -', async () => {
    await using own = await home();
    const { stdout, stderr, code } = await runCli([], { home: own, input: 'call fault/echo --args -\n{"text":"x"}\n' });
    expect(stdout).toBe('');
    expect(stderr).toContain('error: line 1: stdin is the script that is being run');
    expect(code).toBe(2);
  });

  it('runs each line when it comes, before the script is complete', async () => {
    await using own = await home();
    await using cli = startCli([], { home: own });
    cli.write('call fault/echo text=first\n');
    await cli.waitForOutput('first\n');
    cli.write('call fault/echo text=sec');
    cli.end('ond\n');
    expect(await cli.exited).toMatchObject({ stdout: 'first\nsecond\n', code: 0 });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)('ends at %s while it waits for the next line, with %d', async (signal, code) => {
    await using own = await home();
    await using cli = startCli([], { home: own });
    cli.write('call fault/echo text=first\n');
    await cli.waitForOutput('first\n');
    cli.kill(signal);
    expect((await cli.exited).code).toBe(code);
  });

  it('cancels the running call at SIGINT, says so with the line, and runs no further line even with --keep-going', async () => {
    await using own = await home();
    await using cli = startCli(['--keep-going'], { home: own });
    cli.write('call fault/echo text=first\ncall fault/hang\ncall fault/echo text=never\n');
    await cli.waitForOutput('first\n');
    // The call must be under way: it is after the list of tools was used for the line before, at once.
    await new Promise((resolve) => setTimeout(resolve, 300));
    cli.kill('SIGINT');
    const { stdout, stderr, code } = await cli.exited;
    expect(stderr).toContain('error: line 2: Cancelled');
    expect(stdout).toBe('first\n');
    expect(code).toBe(130);
  });
});
