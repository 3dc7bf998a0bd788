/** Finds the project that the working directory belongs to; looks at names only and reads nothing. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Project {
  /** Real path of the folder of the file. */
  readonly root: string;
  readonly file: string;
}

/** The nearest `.mcp.json` from `cwd` up to the root of its repository; outside a repository only that of `cwd` itself. */
export function findProject(cwd: string): Project | undefined {
  let found: string | undefined;
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (found === undefined && isFile(join(folder, '.mcp.json'))) found = folder;
    const isRepository = existsSync(join(folder, '.git'));
    if (isRepository || dirname(folder) === folder) {
      if (!isRepository && found !== cwd) found = undefined;
      break;
    }
  }
  if (found === undefined) return undefined;
  try {
    const root = realpathSync(found);
    return { root, file: join(root, '.mcp.json') };
  } catch {
    return undefined;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
