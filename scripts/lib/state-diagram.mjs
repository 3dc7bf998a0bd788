/** The states of a server as a table for docs/architecture.md, made of the `transitions` the program runs on. */

export const diagramStart = '<!-- states: made by `npm run docs` from src/manager/server-state.ts -->';
export const diagramEnd = '<!-- /states -->';

/** @param transitions state → input → next state, or several of which the state itself decides */
export function stateDiagram(transitions) {
  const states = Object.keys(transitions);
  const stateWidth = Math.max(...states.map((name) => name.length));
  const inputWidth = Math.max(...states.flatMap((state) => Object.keys(transitions[state]).map((input) => input.length)));
  const lines = states.flatMap((state) =>
    Object.entries(transitions[state]).map(([input, next], i) => {
      const from = (i === 0 ? state : '').padEnd(stateWidth);
      const arrow = `── ${input} ${'─'.repeat(inputWidth - input.length)}─► ${[next].flat().join(' or ')}`;
      return `${from} ${arrow}${next === state ? ' (anew)' : ''}`;
    }),
  );
  return `${diagramStart}\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n${diagramEnd}`;
}

/** `page` with the diagram between its two marks. */
export function withDiagram(page, transitions) {
  const start = page.indexOf(diagramStart);
  const end = page.indexOf(diagramEnd);
  if (start < 0 || end < start) throw new Error('docs/architecture.md has lost the marks of its state diagram');
  return page.slice(0, start) + stateDiagram(transitions) + page.slice(end + diagramEnd.length);
}
