/** The REPL itself, on a terminal: how soon its prompt stands, and what it occupies with 20 idle servers. */
import { spawn as spawnChild } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { compared, inPairs, timeRun } from './lib/measure.mjs';
import { cli, instantServer } from './lib/workplace.mjs';

const pairs = 3;
const servers = 20;
const idleMs = 2000;
const promptLimitMs = 15_000;

export async function* run(place) {
  const pty = await import('@lydell/node-pty').catch(() => undefined);
  if (process.platform !== 'linux' || !pty) {
    yield { what: 'REPL', skipped: 'needs Linux and the optional package @lydell/node-pty' };
    return;
  }
  const config = place.fleet('repl', servers, instantServer);
  const prompt = await inPairs(
    8,
    async () => {
      const repl = await openRepl(pty, place, config);
      await repl.close();
      return repl.promptMs;
    },
    () => timeRun(process.execPath, ['-e', '0'], { env: place.env, cwd: place.path }),
  );
  yield { what: `prompt of the REPL, ${servers} servers`, against: 'node -e 0', unit: 'ms', goal: '<= 150 ms', ...prompt };

  const rows = [];
  for (let i = 0; i < pairs; i++) rows.push([await replMiB(pty, place, config), await bareMiB(place)]);
  yield {
    what: `memory of the REPL, ${servers} idle servers`,
    against: 'idle node',
    unit: 'MiB',
    goal: '<= 1.8',
    reach: '<= 1.6',
    ...compared(rows),
  };
}

async function replMiB(pty, place, config) {
  const repl = await openRepl(pty, place, config);
  try {
    for (let tries = 0; ; tries++) {
      if (tries > 40) throw new Error(`not all connected:\n${repl.text()}`);
      const shown = repl.text().length;
      repl.type('status --json\r');
      await sleep(500);
      if (repl.text().slice(shown).includes(`"connected": ${servers}`)) break;
    }
    await sleep(idleMs);
    return residentMiB(repl.pid);
  } finally {
    await repl.close();
  }
}

async function openRepl(pty, place, config) {
  const startMs = performance.now();
  let text = '';
  const terminal = pty.spawn(process.execPath, [cli, '-c', config], {
    name: 'xterm-256color',
    cols: 120,
    rows: 40,
    cwd: place.path,
    env: place.env,
  });
  const exited = new Promise((resolve) => terminal.onExit(resolve));
  const prompted = new Promise((resolve) => {
    terminal.onData((data) => {
      text += data;
      if (text.includes('mcpctl>')) resolve(performance.now() - startMs);
    });
  });
  const giveUp = setTimeout(() => terminal.kill('SIGKILL'), promptLimitMs);
  const promptMs = await Promise.race([prompted, exited.then(() => Promise.reject(new Error(`no prompt:\n${text}`)))]);
  clearTimeout(giveUp);
  const close = async () => {
    terminal.write('\x04');
    const timer = setTimeout(() => terminal.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  };
  return { pid: terminal.pid, promptMs, text: () => text, type: (keys) => terminal.write(keys), close };
}

/** A Node that waits and does nothing else. */
async function bareMiB({ env }) {
  const child = spawnChild(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { env, stdio: 'ignore' });
  await sleep(1000);
  const mib = residentMiB(child.pid);
  child.kill('SIGKILL');
  return mib;
}

function residentMiB(pid) {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
