/** Runs two ways of doing one thing in turns, and says how they compare: the median over pairs is steady where single figures drift. */
import { spawn } from 'node:child_process';

/**
 * Runs A B A B … `pairs` times after one pair that does not count. A machine that slows down meanwhile slows both.
 *
 * @param a measures the subject, returns a number
 * @param b measures the baseline in the same unit
 * @returns medians of both, the median of the ratios a/b, and the quartiles of the ratios
 */
export async function inPairs(pairs, a, b) {
  await a();
  await b();
  const rows = [];
  for (let i = 0; i < pairs; i++) rows.push([await a(), await b()]);
  return compared(rows);
}

/** The figures of finished pairs `[a, b]`. */
export function compared(rows) {
  const ratios = rows.map(([a, b]) => a / b);
  return {
    pairs: rows.length,
    subject: quantile(
      rows.map(([a]) => a),
      0.5,
    ),
    baseline: quantile(
      rows.map(([, b]) => b),
      0.5,
    ),
    ratio: quantile(ratios, 0.5),
    spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
  };
}

/** The value below which the fraction `q` of the values lies, interpolated. */
export function quantile(values, q) {
  const sorted = [...values].sort((x, y) => x - y);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at - Math.floor(at));
}

/**
 * Runs a program to its end.
 *
 * @param options `expect` is text that its stdout must hold: a program that fails fast must not look fast
 * @returns milliseconds from the spawn to the exit
 */
export function timeRun(command, args, { env, cwd, expect = '', limitMs = 60_000 }) {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    let endMs = 0;
    const startMs = performance.now();
    const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('exit', () => {
      endMs = performance.now();
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0 && stdout.includes(expect)) resolve(endMs - startMs);
      else
        reject(
          new Error(
            `${[command, ...args].join(' ')} ended with ${code ?? signal}, expected "${expect}"\nstdout: ${stdout.slice(0, 2000)}\nstderr: ${stderr.slice(0, 2000)}`,
          ),
        );
    });
  });
}
