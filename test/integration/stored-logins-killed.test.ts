/** F28: a process dies between the moment its refresh token is spent and the moment the next one is stored. */
import { expect, it } from 'vitest';
import { McpctlError } from '../../src/core/errors.js';
import { childScript } from '../support/child-script.js';
import { httpServer, loginsIn, storeLogin } from '../support/stored-login.js';
import { tempHome } from '../support/temp-home.js';
import { startTokenServer } from '../support/token-server.js';

const never = new AbortController().signal;

it('200 processes killed at random moments around a renewal: the store can always be read, no token is wrong, and what the last one stored is used', {
  timeout: 180_000,
}, async () => {
  await using tokens = await startTokenServer();
  await using home = await tempHome({ MCPCTL_CREDENTIAL_STORE: 'file' });
  const server = httpServer(tokens.url);
  const renew = await childScript(
    home,
    `import { Logins } from './auth/logins.js';
     import { systemClock } from './core/clock.js';
     const [, , configDir, stateDir, server] = process.argv as [string, string, string, string, string];
     const logins = new Logins({
       configDir, stateDir, env: process.env, clock: systemClock, pid: process.pid, keychainHelper: '', isAttended: false,
       configured: () => 'file', onSecret: () => {}, onWarning: () => {},
     });
     const token = await logins.credentialsFor(JSON.parse(server))!.token(new AbortController().signal);
     console.log(token);
     await logins[Symbol.asyncDispose]();`,
  );
  /** What became of the login: the process had stored the new one, nobody had spent the old one, or it is gone with the process. */
  const outcomes = { stored: 0, unspent: 0, lost: 0 };
  for (let round = 0; round < 200; round++) {
    const before = tokens.login(-60);
    await storeLogin(home, server, before);
    const asked = tokens.asked;
    const { child, finished } = renew(home.configDir, home.stateDir, JSON.stringify(server));
    const spent = new Promise<void>((resolve) => {
      tokens.onGrant = resolve;
    });
    // A quarter of them somewhere before, the others while the answer is on its way, is read and is stored, on machines of any speed.
    const isEarly = round % 4 === 0;
    if (!isEarly) await Promise.race([spent, finished]);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * (isEarly ? 150 : 5 * (round % 10))));
    child.kill('SIGKILL');
    const { stdout } = await finished;
    tokens.onGrant = undefined;
    // A token that was used had been stored before.
    if (stdout !== '') expect(tokens.issued.has(stdout.trim())).toBe(true);

    await using logins = loginsIn(home);
    const stored = await logins.storedLogin(server, { signal: never, isAttended: false });
    expect(stored).toBeDefined();
    if (stdout !== '') expect(stored!.accessToken).toBe(stdout.trim());
    expect(tokens.issued.has(stored!.accessToken)).toBe(true);
    const isOld = stored!.accessToken === before.accessToken;
    const wasSpent = tokens.asked > asked;
    const next = await logins
      .credentialsFor(server)!
      .token(never)
      .catch((error: unknown) => error);
    if (next instanceof McpctlError) {
      // Spent, and its successor known to nobody: one login to do, and that is said.
      expect(next).toMatchObject({ code: 'AUTH_REQUIRED', hint: 'log in anew: mcpctl auth web' });
      expect({ isOld, wasSpent }).toEqual({ isOld: true, wasSpent: true });
      outcomes.lost++;
    } else {
      expect(tokens.issued.has(next as string)).toBe(true);
      expect(tokens.isAlive).toBe(true);
      if (isOld) outcomes.unspent++;
      else {
        expect(next).toBe(stored!.accessToken);
        outcomes.stored++;
      }
    }
  }
  // The kills met the moments that this is about, on both sides.
  expect(outcomes.stored).toBeGreaterThan(0);
  expect(outcomes.lost).toBeGreaterThan(0);
});
