/** Runs one measurement in a process of its own, on one core where asked and possible: nothing of the runner disturbs it. */
import { spawn, spawnSync } from 'node:child_process';

/** Linux only; a call over a pipe is three times as fast when both processes share a core, so one in flight is measured pinned. */
export const canPin = process.platform === 'linux' && spawnSync('taskset', ['-c', '0', 'true']).status === 0;

/** @returns what the worker printed last, as JSON */
export function runWorker(file, input, { env, pinned = false, limitMs = 120_000 }) {
  const words = [process.execPath, '--no-warnings', file, JSON.stringify(input)];
  const [command, ...args] = pinned && canPin ? ['taskset', '-c', '0', ...words] : words;
  return new Promise((resolve, reject) => {
    let stdout = '';
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(JSON.parse(stdout));
      else reject(new Error(`${file} ended with ${code ?? signal}`));
    });
  });
}
