/** How many columns of a terminal a text takes: plain text at once, everything else grapheme by grapheme. */

/**
 * Columns of one line of text; colour codes take none.
 *
 * In place of the package string-width, which agrees (see the test) but expands the set of all emoji when it is loaded:
 * 19 ms before the first table, as much as starting Node.
 */
export function displayWidth(text: string): number {
  if (isPlain.test(text)) return text.length;
  let width = 0;
  segmenter ??= new Intl.Segmenter();
  for (const { segment } of segmenter.segment(text.replace(colour, ''))) width += clusterWidth(segment);
  return width;
}

const isPlain = /^[\x20-\x7e]*$/;
const colour = /\x1b\[[0-9;]*m/g;
let segmenter: Intl.Segmenter | undefined;

const invisible = /^[\p{Default_Ignorable_Code_Point}\p{Control}\p{Format}\p{Nonspacing_Mark}\p{Enclosing_Mark}\p{Surrogate}]*/u;
/** Half a flag is a letter. */
const emoji = /^(?![\u{1f1e6}-\u{1f1ff}]$)(?:.*\p{Emoji_Presentation}|.*\p{Emoji}\ufe0f|[0-9#*]\u20e3)/u;
const spacingMarks = /\p{Spacing_Mark}|[\uff00-\uffef]/gu;

function clusterWidth(cluster: string): number {
  const visible = cluster.replace(invisible, '');
  const first = visible.codePointAt(0);
  if (first === undefined) return 0;
  if (emoji.test(visible)) return 2;
  const rest = visible.slice(first > 0xffff ? 2 : 1).match(spacingMarks);
  return (isWide(first) ? 2 : 1) + (rest?.length ?? 0);
}

/** First and last code points of East Asian Width W and F (Unicode 16, Annex 11); emoji outside these blocks are told by `emoji`. */
const wide = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0x3247],
  [0x3250, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18df2],
  [0x1aff0, 0x1b2fb],
  [0x1d300, 0x1d376],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
] as const;

function isWide(point: number): boolean {
  return point >= 0x1100 && wide.some(([first, last]) => point >= first && point <= last);
}
