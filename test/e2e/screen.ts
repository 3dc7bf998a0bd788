/** What a terminal of a given size shows after some output: just enough of a VT100 to see where a line and its cursor ended up. */

export interface Screen {
  /** Every row that was ever written, scrolled ones first, without trailing spaces and without empty rows at the end. */
  readonly rows: readonly string[];
  /** Where the cursor stands: row as an index into `rows`, column counted from 0. */
  readonly cursor: { readonly row: number; readonly column: number };
  readonly isCursorVisible: boolean;
  /** A program has the whole screen; `rows` are those of its screen then. */
  readonly isAlternate: boolean;
}

/** Understands printable ASCII and what readline, the spinner and mcpctl write; anything else is an error, lest a test passes by accident. */
export function renderScreen(output: string, columns: number, height: number): Screen {
  let rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  let isCursorVisible = true;
  /** The screen behind the one that a program took. */
  let behind: { rows: string[][]; row: number; column: number } | undefined;
  /** Index of the first row that is still on the screen. */
  const top = () => Math.max(0, rows.length - height);
  const lineFeed = () => {
    row++;
    if (row === rows.length) rows.push([]);
  };
  const put = (character: string) => {
    // A terminal wraps when the next character comes, not when the last column is filled.
    if (column === columns) {
      column = 0;
      lineFeed();
    }
    const line = rows[row]!;
    while (line.length < column) line.push(' ');
    line[column++] = character;
  };
  const csi = (parameters: string, final: string) => {
    const [first = 0, second = 0] = parameters.replace('?', '').split(';').map(Number);
    const count = first || 1;
    // Nothing that is shown here is wider than the screen: where lines wrap makes no difference.
    if (final === 'm' || parameters === '?2026' || parameters === '?7') return;
    if (parameters === '?1049') {
      if (final === 'h' && !behind) {
        behind = { rows, row, column };
        rows = [[]];
        row = column = 0;
      } else if (final === 'l' && behind) {
        ({ rows, row, column } = behind);
        behind = undefined;
      }
      return;
    }
    if (parameters === '?25') isCursorVisible = final === 'h';
    else if (final === 'A') row = Math.max(top(), row - count);
    else if (final === 'B') row = Math.min(rows.length - 1, row + count);
    else if (final === 'C') column = Math.min(columns - 1, column + count);
    else if (final === 'D') column = Math.max(0, Math.min(column, columns - 1) - count);
    else if (final === 'G') column = count - 1;
    else if (final === 'H') {
      row = top() + count - 1;
      column = (second || 1) - 1;
      while (rows.length <= row) rows.push([]);
    } else if (final === 'J' && first === 0) {
      rows[row]!.length = Math.min(rows[row]!.length, column);
      rows.length = row + 1;
    } else if (final === 'J' && (first === 2 || first === 3)) {
      for (let i = top(); i < rows.length; i++) rows[i] = [];
    } else if (final === 'K' && first === 2) rows[row] = [];
    else if (final === 'K' && first === 0) rows[row]!.length = Math.min(rows[row]!.length, column);
    else throw new Error(`the test's screen does not know CSI ${parameters}${final}`);
  };
  for (const [token, parameters, final] of output.matchAll(/\x1b\[([\d;?]*)([A-Za-z])|[\s\S]/gu)) {
    if (final !== undefined) csi(parameters ?? '', final);
    else if (token === '\r') column = 0;
    else if (token === '\n') lineFeed();
    else if (token === '\x07') continue;
    else if (token < ' ') throw new Error(`the test's screen does not know ${JSON.stringify(token)}`);
    else put(token);
  }
  const text = rows.map((cells) => cells.join('').trimEnd());
  while (text.length > row + 1 && text.at(-1) === '') text.pop();
  return { rows: text, cursor: { row, column }, isCursorVisible, isAlternate: behind !== undefined };
}
