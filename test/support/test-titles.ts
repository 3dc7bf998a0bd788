/** Reads the titles of the tests of a file without running it. */
import { parseAst } from 'vitest/node';

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** As written: `%s` and `${…}` are not filled in, and the titles of `describe` around them are not part of them. */
export function testTitles(file: string, text: string): Set<string> {
  const titles = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    if (!isNode(value)) return;
    if (value.type === 'CallExpression' && ['it', 'test'].includes(calleeOf(value) ?? '')) {
      const title = textOf((value.arguments as Node[])[0], text);
      if (title !== undefined) titles.add(title);
    }
    for (const part of Object.values(value)) visit(part);
  };
  visit(parseAst(text, { lang: 'ts', sourceType: 'module' }, file));
  return titles;
}

/** `it` of `it(…)`, `it.each(…)(…)` and `it.skipIf(…).each(…)(…)`. */
function calleeOf(node: Node): string | undefined {
  if (node.type === 'Identifier') return node.name as string;
  const inner = node.type === 'MemberExpression' ? node.object : node.type === 'CallExpression' ? node.callee : undefined;
  return isNode(inner) ? calleeOf(inner) : undefined;
}

function textOf(node: Node | undefined, text: string): string | undefined {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value;
  return node?.type === 'TemplateLiteral' ? text.slice(node.start + 1, node.end - 1) : undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}
