/** Reads a tree of TypeScript sources as the architecture rules need it: imports by kind, and uses of Node's globals. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { parseAst } from 'vitest/node';

/** `value` and `type` are loaded or erased with the file; `lazy` is `import()`. */
export type ImportKind = 'value' | 'type' | 'lazy';

export interface Import {
  readonly kind: ImportKind;
  /** As written. */
  readonly specifier: string;
  /** The file a relative specifier means, relative to the root of the tree; `undefined` for packages and Node's modules. */
  readonly target: string | undefined;
  readonly line: number;
}

export interface GlobalUse {
  /** `Math.random`, `new Date()`, `setTimeout`, `process.env`, … */
  readonly what: string;
  readonly line: number;
}

export interface SourceFile {
  /** Relative to the root of the tree, with `/`. */
  readonly file: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** Uses of global names, apart from those in types and those the file declares itself. */
  readonly uses: readonly GlobalUse[];
  readonly hasDefaultExport: boolean;
}

/** Every `.ts` file under `root`. */
export function readSourceTree(root: string): SourceFile[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  const files = names.filter((name) => name.endsWith('.ts')).sort();
  return files.map((file) => parseSource(file, readFileSync(join(root, file), 'utf8')));
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

interface Place {
  /** Inside a type, where nothing runs. */
  readonly inType: boolean;
  /** Inside a pattern that declares the names it holds. */
  readonly binds: boolean;
}

export function parseSource(file: string, text: string): SourceFile {
  const program = parseAst(text, { lang: 'ts', sourceType: 'module' }, file) as unknown as Node;
  const imports: Import[] = [];
  const found: GlobalUse[] = [];
  const declared = new Set<string>();
  let hasDefaultExport = false;
  const lineOf = (node: Node) => text.slice(0, node.start).split('\n').length;
  const addImport = (kind: ImportKind, source: unknown, node: Node) => {
    const specifier = isNode(source) && typeof source.value === 'string' ? source.value : '(computed)';
    imports.push({ kind, specifier, target: resolveImport(file, specifier), line: lineOf(node) });
  };

  const visit = (node: Node, parent: Node | undefined, key: string, { inType, binds }: Place): void => {
    switch (node.type) {
      case 'ImportDeclaration':
        addImport(node.importKind === 'type' ? 'type' : 'value', node.source, node);
        break;
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
        if (isNode(node.source)) addImport(node.exportKind === 'type' ? 'type' : 'value', node.source, node);
        break;
      case 'ExportDefaultDeclaration':
        hasDefaultExport = true;
        break;
      case 'ImportExpression':
        addImport('lazy', node.source, node);
        break;
      case 'TSImportType':
        addImport('type', node.source, node);
        break;
      case 'Identifier':
        if (binds) declared.add(node.name as string);
        else if (!inType && isReference(parent, key)) found.push({ what: describeUse(node, parent), line: lineOf(node) });
        break;
      case 'MemberExpression':
        if (isNode(node.object) && node.object.name === 'globalThis' && isNode(node.property)) {
          found.push({ what: String(node.property.name ?? node.property.value), line: lineOf(node) });
        }
        break;
    }
    const typeOnly = inType || (node.type.startsWith('TS') && !typeScriptExpressions.has(node.type));
    for (const [childKey, child] of Object.entries(node)) {
      const place = { inType: typeOnly, binds: declares(node, childKey, binds) };
      if (Array.isArray(child)) for (const item of child) isNode(item) && visit(item, node, childKey, place);
      else if (isNode(child)) visit(child, node, childKey, place);
    }
  };
  visit(program, undefined, '', { inType: false, binds: false });

  const uses = found.filter(({ what }) => !declared.has(/^(?:new )?(\w+)/.exec(what)?.[1] ?? ''));
  return { file, text, imports, uses, hasDefaultExport };
}

/** Nodes named TS… that contain code which runs. */
const typeScriptExpressions = new Set([
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
  'TSParameterProperty',
  'TSExportAssignment',
  'TSEnumDeclaration',
  'TSEnumBody',
  'TSEnumMember',
]);

/** Whether the child `key` of a node declares names, parameters included: a `process` so declared is not Node's. */
function declares(node: Node, key: string, binds: boolean): boolean {
  switch (node.type) {
    case 'VariableDeclarator':
    case 'ClassDeclaration':
      return key === 'id';
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return key === 'params' || key === 'id';
    case 'CatchClause':
      return key === 'param';
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
      return key === 'local';
    case 'AssignmentPattern':
      return binds && key === 'left';
    case 'Property':
      return binds && key === 'value';
    case 'ObjectPattern':
    case 'ArrayPattern':
    case 'RestElement':
    case 'TSParameterProperty':
      return binds && key !== 'typeAnnotation';
    default:
      return false;
  }
}

/** Whether an identifier stands for a value, rather than naming a property, a key or a label. */
function isReference(parent: Node | undefined, key: string): boolean {
  switch (parent?.type) {
    case 'MemberExpression':
      return key === 'object' || parent.computed === true;
    case 'Property':
    case 'PropertyDefinition':
    case 'MethodDefinition':
    case 'AccessorProperty':
      return key === 'value' || parent.computed === true;
    case 'ImportSpecifier':
    case 'ExportSpecifier':
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'MetaProperty':
      return false;
    default:
      return true;
  }
}

function describeUse(node: Node, parent: Node | undefined): string {
  const name = node.name as string;
  if (parent?.type === 'MemberExpression' && parent.object === node && isNode(parent.property)) {
    return `${name}.${String(parent.property.name ?? parent.property.value ?? '…')}`;
  }
  if (parent?.type === 'NewExpression' && parent.callee === node) {
    return `new ${name}(${(parent.arguments as unknown[]).length > 0 ? '…' : ''})`;
  }
  if (parent?.type === 'CallExpression' && parent.callee === node) return `${name}()`;
  return name;
}

function resolveImport(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}
