/** What a test needs from the machine: present → it runs; missing → it is skipped, and the run says what to install. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import components from './components.json' with { type: 'json' };

/** A row of `components.json`; `.ci/run` installs all of them, so that nothing is skipped there. */
export type Component = keyof typeof components;

declare module '@vitest/runner' {
  interface TaskMeta {
    /** The components a test was skipped for; the reporter groups by them. */
    missing?: Component[];
  }
}

/** Options of `it` and `describe`: `describe('TLS', needs('openssl'), () => { … })`. */
export function needs(...wanted: readonly Component[]): { skip: boolean; meta: { missing: Component[] } } {
  const missing = wanted.filter((component) => !has(component));
  return { skip: missing.length > 0, meta: { missing } };
}

const found = new Map<string, boolean>();

/** Whether the program of a component is on PATH; for the few tests that decide inside their body. */
export function has(component: Component): boolean {
  const { command } = components[component];
  let present = found.get(command);
  if (present === undefined) {
    present = (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && isExecutable(join(folder, command)));
    found.set(command, present);
  }
  return present;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
