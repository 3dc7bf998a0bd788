/** The project one works in: the nearest `.mcp.json` up to the root of its repository. Only looks where it is; reads nothing of it. */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Project {
  /** Real path of the folder that holds the file. */
  readonly root: string;
  /** The file in that folder. */
  readonly file: string;
}

const projectFileName = '.mcp.json';

/**
 * Finds the project of a working directory (absolute): the nearest `.mcp.json` from there up to the folder with `.git`.
 * Outside a repository only the working directory itself counts, so that no file of somebody else, say in `/tmp`, is picked up.
 * What is no regular file (a pipe, a device, a folder) is no project file: it could keep a reader waiting for ever.
 */
export function findProject(cwd: string): Project | undefined {
  for (const folder of foldersOfProject(cwd)) {
    if (!look(join(folder, projectFileName))?.isFile()) continue;
    try {
      const root = realpathSync(folder);
      return { root, file: join(root, projectFileName) };
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** Every place where the project file of a working directory could appear. */
export function projectPlaces(cwd: string): string[] {
  return foldersOfProject(cwd).map((folder) => join(folder, projectFileName));
}

/** The working directory and those above it, up to the root of the repository it lies in. */
function foldersOfProject(cwd: string): readonly string[] {
  const folders: string[] = [];
  for (let folder = cwd; ; folder = dirname(folder)) {
    folders.push(folder);
    if (look(join(folder, '.git'))) return folders;
    if (dirname(folder) === folder) return [cwd];
  }
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Whether two paths lead to one file; false where one of them does not exist. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [look(one), look(other)];
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}
