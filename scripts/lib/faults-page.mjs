/** docs/faults.md: the fault matrix of the tests as a page. */

const intro = `<!-- Made by \`npm run docs\` from test/fault-matrix.ts. -->
# Faults

What goes wrong around an MCP client, what mcpctl does then, and which tests show it. *Aimed at* is the figure that the design set out
with; where the tests show less, or something else, a note says so. Titles are as they stand in the files: \`%s\` and \`$…\` are filled in by
each case of a test. \`test/fault-matrix.test.ts\` fails when a row has no test or a named test does not exist. F46 and F47 are those of
the shared store.
`;

/** @param matrix heading → rows, as in test/fault-matrix.ts */
export function faultsPage(matrix) {
  const parts = Object.entries(matrix).map(([heading, rows]) => `\n## ${heading}\n${rows.map(section).join('')}`);
  return intro + parts.join('');
}

function section({ id, fault, promise, figure, tests, note }) {
  const files = Object.entries(tests).map(
    ([file, titles]) => `- \`test/${file}.test.ts\`\n${titles.map((title) => `  - ${plain(title)}\n`).join('')}`,
  );
  const remark = note === undefined ? '' : `\nNote: ${note}\n`;
  return `\n### ${id}: ${fault}\n\n${promise}. Aimed at: ${figure}.\n${remark}\n${files.join('')}`;
}

/** A title is text, whatever signs it holds. */
function plain(title) {
  return title.replace(/[\\`*_<>[\]]/g, '\\$&');
}
