/** What the kernel tells about processes (Linux procfs). Elsewhere every answer is `null`, and callers fall back on bounded waits. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessFacts {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  /** One letter of proc(5): `R` running, `S` sleeping, `T` stopped, `Z` zombie, `X` dead … */
  readonly state: string;
  /** Clock ticks after boot. With the pid it names one process for good: a reused pid has another start time. */
  readonly startTicks: number;
}

/** The facts about one process; `null` when it does not exist or there is no procfs. */
export function processFacts(pid: number | 'self'): ProcessFacts | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  return parseStat(text);
}

/** A zombie is dead: it holds a place in the table until its parent asks, and `kill(pid, 0)` still finds it. */
export const isRunning = (facts: ProcessFacts): boolean => facts.state !== 'Z' && facts.state !== 'X';

/** Whether the process of that number and start time runs, and not another one that was given the number later. False without procfs. */
export function isSameProcess(pid: number, startTicks: number | null): boolean {
  const facts = processFacts(pid);
  return facts !== null && isRunning(facts) && facts.startTicks === startTicks;
}

/** Every process this user can see; `null` without procfs. Takes some 10 µs per process. */
export function listProcesses(): ProcessFacts[] | null {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return null;
  }
  const found: ProcessFacts[] = [];
  for (const name of names) {
    if (!isPid(name)) continue;
    const facts = processFacts(Number(name));
    if (facts) found.push(facts);
  }
  return found.length > 0 ? found : null;
}

/** The value of one variable in the environment a process was started with; `null` when unset or unreadable (another user's process). */
export function environmentOf(pid: number, name: string): string | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return null;
  }
  const prefix = `${name}=`;
  for (const entry of text.split('\0')) if (entry.startsWith(prefix)) return entry.slice(prefix.length);
  return null;
}

/** Names this boot and this pid namespace, the two things outside of which a pid means nothing; `null` without procfs. */
export function pidScope(): { readonly bootId: string; readonly namespace: string } | null {
  try {
    return {
      bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
      namespace: readlinkSync('/proc/self/ns/pid'),
    };
  } catch {
    return null;
  }
}

/** How many files this process may hold open at once (soft limit, `ulimit -n`); `null` when unlimited or without procfs. */
export function openFileLimit(): number | null {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return line ? Number(line[1]) : null;
  } catch {
    return null;
  }
}

/** How many files this process holds open now; `null` without procfs. */
export function openFileCount(): number | null {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return null;
  }
}

/** Reads a line of proc(5) stat. The command name may hold spaces and brackets, so the fields are counted from its last bracket. */
export function parseStat(text: string): ProcessFacts | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open) return null;
  const fields = text.slice(close + 2).split(' ');
  const facts = {
    pid: Number(text.slice(0, open)),
    state: fields[0] ?? '',
    parentPid: Number(fields[1]),
    groupId: Number(fields[2]),
    startTicks: Number(fields[19]),
  };
  return Number.isSafeInteger(facts.pid) && Number.isSafeInteger(facts.startTicks) && facts.state.length === 1 ? facts : null;
}

const isPid = (name: string): boolean => name.charCodeAt(0) >= 0x31 && name.charCodeAt(0) <= 0x39;
