/** Finds programs that a project has put in the way of the one that is meant: `npx`, and PATH leads into the project. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, resolve, sep } from 'node:path';
import { childEnvironment } from './child-environment.js';
import type { Env } from './paths.js';
import type { StdioDefinition } from './schema.js';

/**
 * What is wrong with a bare program name, undefined when nothing is: PATH, as the server's process will see it, leads to a file of
 * the project, or through an entry that means another folder in every place. A name with a separator says what it means.
 */
export async function plantedProgram(
  definition: StdioDefinition,
  env: Env,
  isOfProject: (path: string) => boolean,
): Promise<string | undefined> {
  const { command, cwd } = definition;
  if (command.includes('/') || command.includes(sep)) return undefined;
  const isWindows = env.OS === 'Windows_NT';
  const given = childEnvironment(env, definition);
  const variable = (name: string) => Object.entries(given).find(([key]) => key.toUpperCase() === name)?.[1] ?? '';
  const folders = variable('PATH').split(delimiter);
  const endings = isWindows ? ['', ...variable('PATHEXT').split(';')] : [''];
  // There the working directory comes before PATH.
  for (const folder of isWindows ? ['', ...folders] : folders) {
    for (const ending of endings) {
      const path = resolve(cwd, folder, command + ending);
      if (!(await isProgram(path))) continue;
      const shown = JSON.stringify(command);
      if (!isAbsolute(folder)) {
        return `${shown} would run ${path}, found through the ${folder === '' ? 'empty' : `relative`} entry ${JSON.stringify(folder)} of PATH`;
      }
      const real = await realpath(path).catch(() => path);
      return isOfProject(path) || isOfProject(real)
        ? `${shown} would run ${path}, a file of the project that PATH leads to`
        : undefined;
    }
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isFile()) return false;
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
