/** Whether a Node version satisfies an `engines.node` range: the forms that packages use, and an error for any other. */

type Version = readonly [number, number, number];

/** @throws when the range has a form this checker does not know, so that an unknown form never counts as satisfied. */
export function satisfies(version: string, range: string): boolean {
  const own = parseParts(version).map((part) => part ?? 0) as unknown as Version;
  return range.split('||').some((set) => {
    // `>= 12` → `>=12`, so that blanks only separate comparators.
    const comparators = set.replace(/([<>=~^])\s+/g, '$1').trim();
    // All are read before any decides: an unknown one must not hide behind one that fails.
    const results = comparators.split(/\s+/).map((comparator) => comparator === '' || matches(own, comparator));
    return results.every(Boolean);
  });
}

function matches(own: Version, comparator: string): boolean {
  const [, operator, text] = /^(>=|<=|>|<|=|\^|~)?v?([\dxX*.]+)$/.exec(comparator) ?? [];
  if (text === undefined) throw new Error(`unknown form of range: "${comparator}"`);
  const parts = parseParts(text);
  const low = parts.map((part) => part ?? 0) as unknown as Version;
  // The first version after everything that the given parts cover: 20 → 21.0.0, 20.1 → 20.2.0, 20.1.2 → 20.1.3.
  const given = parts.indexOf(undefined);
  const last = given < 0 ? 2 : given - 1;
  const next = bump(low, last);
  switch (operator) {
    case '>=':
      return compare(own, low) >= 0;
    case '>':
      return compare(own, next) >= 0;
    case '<':
      return compare(own, low) < 0;
    case '<=':
      return compare(own, next) < 0;
    case '^': {
      const firstNonZero = low.findIndex((part) => part > 0);
      return compare(own, low) >= 0 && compare(own, bump(low, firstNonZero < 0 ? last : firstNonZero)) < 0;
    }
    case '~':
      return compare(own, low) >= 0 && compare(own, bump(low, given === 1 ? 0 : 1)) < 0;
    default:
      return compare(own, low) >= 0 && compare(own, next) < 0;
  }
}

/** `20.x` → [20, undefined, undefined]. */
function parseParts(text: string): (number | undefined)[] {
  const parts = text.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : undefined));
  return [0, 1, 2].map((index) => parts[index]);
}

/** The next version at one position; at -1 (`*`) there is none. */
function bump(version: Version, position: number): Version {
  if (position < 0) return [Number.POSITIVE_INFINITY, 0, 0];
  return version.map((part, index) => (index < position ? part : index === position ? part + 1 : 0)) as unknown as Version;
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
