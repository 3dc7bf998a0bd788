/** Ends our servers when we cannot: one tiny shell in a session of its own that notices our death and kills the groups we left. */
import { type ChildProcess, spawn } from 'node:child_process';

/**
 * The shell reads `+<group>` and `-<group>` lines. End of input with groups left means that mcpctl died without cleaning
 * up (kill -9, out of memory): TERM, then KILL 0.5 s later. With none left it just ends.
 * `kill -s TERM -- -ID` is what dash accepts (its `kill -TERM -- -ID` is "Illegal number"); the second form is for shells
 * whose kill knows no `--`.
 */
const script = `
trap '' HUP INT TERM
live=' '
while IFS= read -r line; do
  id=\${line#?}
  case $line in
    +[1-9]*) live="$live$id " ;;
    -[1-9]*) case $live in *" $id "*) live="\${live%%" $id "*} \${live#*" $id "}" ;; esac ;;
  esac
done
end() { for id in $live; do kill -s "$1" -- "-$id" || kill "-$1" "-$id"; done 2>/dev/null; }
[ "$live" = ' ' ] && exit 0
end TERM
sleep 0.5
end KILL
`;

/** A watchdog that keeps dying is not started for ever. */
const maxStarts = 3;

export class Watchdog {
  readonly #path: string;
  readonly #warn: (message: string) => void;
  readonly #watched = new Set<number>();
  #shell: ChildProcess | null = null;
  #starts = 0;
  #closed = false;

  /** @param options `path` is the PATH on which `sh` and `sleep` are looked for. */
  constructor(options: { path: string; onWarning: (message: string) => void }) {
    this.#path = options.path;
    this.#warn = options.onWarning;
  }

  /** The shell's process id, for tests and `doctor`; `null` while none runs. */
  get pid(): number | null {
    return this.#shell?.pid ?? null;
  }

  /** From now on `groupId` dies with us. The first call starts the shell. */
  watch(groupId: number): void {
    if (this.#closed) return;
    this.#watched.add(groupId);
    if (this.#shell) this.#tell(`+${groupId}\n`);
    else this.#start();
  }

  /** The group is gone; its number may soon belong to someone else. */
  unwatch(groupId: number): void {
    if (this.#watched.delete(groupId)) this.#tell(`-${groupId}\n`);
  }

  /** Ends the shell. Groups still watched are killed by it. Safe to call twice. */
  close(): void {
    this.#closed = true;
    this.#shell?.stdin?.end();
    this.#shell = null;
  }

  #start(): void {
    if (this.#starts >= maxStarts) return;
    this.#starts++;
    let shell: ChildProcess;
    try {
      // A session of its own: neither Ctrl-C nor the end of the terminal reaches it.
      shell = spawn('sh', ['-c', script], {
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
        cwd: '/',
        env: { PATH: this.#path },
      });
    } catch (error) {
      this.#lost(null, error);
      return;
    }
    this.#shell = shell;
    shell.once('error', (error) => this.#lost(shell, error));
    shell.once('exit', () => this.#lost(shell, null));
    shell.stdin?.on('error', () => {}); // its exit is what counts
    // It must never keep mcpctl alive: neither the process nor the pipe.
    shell.unref();
    (shell.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    this.#tell([...this.#watched].map((id) => `+${id}\n`).join(''));
  }

  #tell(line: string): void {
    const stdin = this.#shell?.stdin;
    if (stdin?.writable) stdin.write(line);
  }

  #lost(shell: ChildProcess | null, error: unknown): void {
    if (this.#closed || this.#shell !== shell) return;
    this.#shell = null;
    const missing = error !== null;
    if (!missing && this.#starts < maxStarts) {
      if (this.#watched.size > 0) this.#start();
      return;
    }
    this.#starts = maxStarts;
    const why = missing
      ? `it could not be started (${error instanceof Error ? error.message : String(error)})`
      : 'it ended by itself';
    this.#warn(
      `No watchdog for server processes: ${why}. Servers that ignore the end of their input survive if mcpctl itself is killed with SIGKILL.`,
    );
  }
}
