/** Which tools of a server may be seen and called: globs of the configuration, obeyed in lists and in calls. */

import type { ToolFilter } from '../config/schema.js';

/** A predicate over tool names. An empty `include` admits everything; `exclude` wins. */
export function toolFilter({ include, exclude }: ToolFilter): (name: string) => boolean {
  const included = include.map(globMatcher);
  const excluded = exclude.map(globMatcher);
  return (name) =>
    (included.length === 0 || included.some((matches) => matches(name))) && !excluded.some((matches) => matches(name));
}

/** `*` stands for any text, `?` for one character; everything else for itself. Linear in the length of the name. */
export function globMatcher(glob: string): (name: string) => boolean {
  return (name) => {
    let g = 0;
    let n = 0;
    let star = -1;
    let mark = 0;
    while (n < name.length) {
      if (glob[g] === '*') {
        star = g++;
        mark = n;
      } else if (g < glob.length && (glob[g] === '?' || glob[g] === name[n])) {
        g++;
        n++;
      } else if (star >= 0) {
        g = star + 1;
        n = ++mark;
      } else return false;
    }
    while (glob[g] === '*') g++;
    return g === glob.length;
  };
}
