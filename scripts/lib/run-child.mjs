/** Runs a program in our place: it gets the terminal and every signal, we wait for it and end as it ended. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * @returns {Promise<number>} the exit code of the program, 128 + n when signal n ended it
 */
export function runChild(args, { cwd, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, env, stdio: 'inherit' });
    // Ctrl-C of a terminal reaches the whole process group, the child included, and npm sends us another one: passing it
    // on would count as a second Ctrl-C, which ends the REPL. We only have to outlive it.
    const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
    const onInterrupt = () => void (terminal || child.kill('SIGINT'));
    const onTerminate = () => void child.kill('SIGTERM');
    const onHangUp = () => void child.kill('SIGHUP');
    process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate).on('SIGHUP', onHangUp);
    const forget = () => process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate).off('SIGHUP', onHangUp);
    child.once('error', (error) => {
      forget();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      forget();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
