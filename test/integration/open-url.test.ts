/** Which addresses are opened, and how: one literal argument of a program, whatever the address tries. */
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openableUrl, openUrl } from '../../src/io/open-url.js';
import { type TempHome, tempHome } from '../support/temp-home.js';
import { waitFor } from '../support/wait-for.js';

/** Addresses of a hostile authorization server. `true`: harmless as one argument, and opened as such. */
const hostile: readonly (readonly [string, boolean])[] = [
  ['javascript:alert(1)', false],
  ['data:text/html,<script>alert(1)</script>', false],
  ['file:///etc/passwd', false],
  ['vscode://file/etc/passwd', false],
  ['ms-settings:privacy', false],
  ['smb://evil.example/share', false],
  ['ftp://evil.example/', false],
  ['vbscript:msgbox(1)', false],
  ['mailto:a@evil.example', false],
  ['about:blank', false],
  ['view-source:https://evil.example', false],
  ['blob:https://evil.example/1', false],
  ['http://evil.example/$(calc)', false],
  ['http://127.0.0.1.evil.example/', false],
  ['http://localhost.evil.example/', false],
  ['http://0.0.0.0/', false],
  ['https://user:password@evil.example/', false],
  ['https://user@evil.example/', false],
  ['https://evil.example/\r\nSet-Cookie: a', false],
  ['https://evil.example/\x00', false],
  ['https://evil.example/\x1b[2J', false],
  [' https://evil.example/', false],
  ['-https://evil.example/', false],
  ['--new-window', false],
  ['//evil.example/', false],
  ['', false],
  [`https://evil.example/${'a'.repeat(9_000)}`, false],
  ['https://$(calc)/', false],
  ['https://evil.example/$(touch${IFS}pwned)', true],
  ['https://evil.example/`touch pwned`'.replace(' ', '%20'), true],
  ['https://evil.example/?a=1&b=2;touch|pwned>x', true],
  ['https://evil.example/"&calc&"', true],
  ["https://evil.example/';touch pwned;'".replace(' ', '%20'), true],
  ['https://evil.example/%0atouch%20pwned', true],
  ['https://evil.example/%s%n%PATH%', true],
  ['HTTPS://EVIL.example:443/a\\b', true],
];

let home: TempHome;
let record: string;
let count = 0;
beforeAll(async () => {
  home = await tempHome();
  record = join(home.path, 'opened');
});
afterAll(() => home[Symbol.asyncDispose]());

/** A browser that writes down how it was called. */
async function browser(): Promise<{ program: string; calls: () => string[][] }> {
  const file = `${record}-${++count}`;
  const program = await home.write(
    `browser-${count}`,
    `#!${process.execPath}\nrequire('node:fs').writeFileSync(${JSON.stringify(`${file}.part`)}, JSON.stringify([process.argv.slice(2), Object.keys(process.env)]));\nrequire('node:fs').renameSync(${JSON.stringify(`${file}.part`)}, ${JSON.stringify(file)});\n`,
  );
  chmodSync(program, 0o700);
  return { program, calls: () => (existsSync(file) ? [(JSON.parse(readFileSync(file, 'utf8')) as string[][])[0]!] : []) };
}

describe('the hostile address', () => {
  it.each(hostile.map(([address, isOpened]) => ({ shown: address.slice(0, 60), address, isOpened })))(
    '$shown: opened as one literal argument: $isOpened',
    async ({ address, isOpened }) => {
      const { program, calls } = await browser();
      const opening = openUrl(address, { env: { ...home.env, BROWSER: program }, platform: 'linux' });
      if (!isOpened) {
        await expect(opening).rejects.toMatchObject({ code: 'AUTH_FAILED', details: { reason: 'unsafe-url' } });
        expect(calls()).toEqual([]);
        return;
      }
      expect(await opening).toBe(true);
      await waitFor(() => calls().length === 1);
      expect(calls()).toEqual([[new URL(address).href]]);
      expect(existsSync('pwned')).toBe(false);
    },
  );
});

describe('what is opened', () => {
  it.each(['https://as.example/authorize?a=b', 'http://127.0.0.1:8080/', 'http://localhost:9/x', 'http://[::1]:9/'])(
    '%s',
    (address) => {
      expect(openableUrl(address)).toBe(address);
    },
  );
});

describe('$BROWSER', () => {
  const url = 'https://as.example/?a=%s&b=$&';

  it('takes the address in the place of %s, also twice and inside a word', async () => {
    const { program, calls } = await browser();
    await openUrl(url, { env: { ...home.env, BROWSER: `${program}  --app=%s -n %s` }, platform: 'linux' });
    await waitFor(() => calls().length === 1);
    expect(calls()).toEqual([[`--app=${url}`, '-n', url]]);
  });

  it('is a list: the first that can be started is', async () => {
    const { program, calls } = await browser();
    const BROWSER = `:/nowhere/at/all:${home.path}:${program} -w:/nowhere`;
    expect(await openUrl(url, { env: { ...home.env, BROWSER }, platform: 'linux' })).toBe(true);
    await waitFor(() => calls().length === 1);
    expect(calls()).toEqual([['-w', url]]);
  });

  it('gets none of our own variables', async () => {
    const { program, calls } = await browser();
    const env = { ...home.env, BROWSER: program, MCPCTL_VAULT_PASSPHRASE: 'cnry' };
    await openUrl(url, { env, platform: 'linux' });
    await waitFor(() => calls().length === 1);
    const [, names] = JSON.parse(readFileSync(`${record}-${count}`, 'utf8')) as string[][];
    expect(names).toContain('HOME');
    expect(names!.filter((name) => name.startsWith('MCPCTL_'))).toEqual([]);
  });

  it('that cannot be started, or none on a machine without a display, is false', async () => {
    expect(await openUrl(url, { env: { ...home.env, BROWSER: '/nowhere' }, platform: 'linux' })).toBe(false);
    expect(await openUrl(url, { env: { PATH: home.path }, platform: 'linux' })).toBe(false);
    expect(await openUrl(url, { env: { PATH: home.path, DISPLAY: ':0' }, platform: 'linux' })).toBe(false);
  });
});

describe('the opener of the platform', () => {
  it.each([
    ['linux', 'xdg-open', { DISPLAY: ':0' }, []],
    ['darwin', 'open', {}, []],
    ['win32', 'rundll32', {}, ['url.dll,FileProtocolHandler']],
  ] as const)('%s: %s', async (platform, name, env, before) => {
    const { program, calls } = await browser();
    const folder = join(home.path, `bin-${count}`);
    await home.write(`bin-${count}/${name}`, readFileSync(program, 'utf8'));
    chmodSync(join(folder, name), 0o700);
    expect(await openUrl('https://as.example/', { env: { ...env, PATH: folder }, platform })).toBe(true);
    await waitFor(() => calls().length === 1);
    expect(calls()).toEqual([[...before, 'https://as.example/']]);
  });
});
