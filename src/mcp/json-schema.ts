/** JSON Schema checks of what goes into a tool and of what comes out, with the lighter of the SDK's two validators. */

import type { JsonSchemaType, JsonSchemaValidator } from '@modelcontextprotocol/client';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { CallToolResult, Tool } from './connection.js';
import { surveySchema } from './schema-bounds.js';

type Check = JsonSchemaValidator<unknown>;

const compiled = new WeakMap<object, Check | Error>();

/** The longest that a check may take whose cost a server can drive up, by a pattern or by references; milliseconds. */
const checkMs = 100;

/**
 * Checks the arguments of a call against the tool's input schema.
 *
 * @throws McpctlError `INVALID_INPUT` with the JSON path, before anything is sent; `PROTOCOL` when the schema itself is not usable.
 */
export async function checkInput(input: unknown, tool: Tool, server: string): Promise<void> {
  const result = await check(tool.inputSchema, input);
  if (result instanceof Error) throw unusableSchema('input', tool, server, result);
  if (result.valid) return;
  throw new McpctlError('INVALID_INPUT', `${server}/${tool.name}: ${sanitizeLine(readable(result.errorMessage), 600)}`, {
    server,
    hint: `mcpctl tool ${server}/${tool.name} shows what it takes`,
    details: { schemaErrors: result.errorMessage },
  });
}

/**
 * Checks a structured result against the tool's output schema. Tools without one, and error results, pass.
 *
 * @throws McpctlError `PROTOCOL`; the payload travels in `details.result`.
 */
export async function checkStructuredResult(result: CallToolResult, tool: Tool, server: string): Promise<void> {
  if (tool.outputSchema === undefined || result.isError === true) return;
  const { structuredContent } = result;
  const checked = structuredContent === undefined ? undefined : await check(tool.outputSchema, structuredContent);
  if (checked instanceof Error) throw unusableSchema('output', tool, server, checked);
  const fault = checked === undefined ? 'it returned no structured content' : faultOf(checked);
  if (fault === undefined) return;
  throw new McpctlError('PROTOCOL', `${server}/${tool.name} broke its own output schema: ${sanitizeLine(readable(fault), 600)}`, {
    server,
    hint: 'tell the author of the server; the result is in details.result with --json',
    details: { result },
    delivered: 'maybe',
  });
}

function faultOf(result: { valid: boolean; errorMessage?: string | undefined }): string | undefined {
  return result.valid ? undefined : (result.errorMessage ?? 'invalid');
}

/** The outcome, or why there is none: a schema that cannot be used, or that makes its check fail or last. */
async function check(schema: object, value: unknown): Promise<ReturnType<Check> | Error> {
  const validator = compiled.get(schema) ?? (await compile(schema));
  if (validator instanceof Error) return validator;
  try {
    return validator(value);
  } catch (error) {
    return asError(error);
  }
}

async function compile(schema: object): Promise<Check | Error> {
  let made: Check | Error;
  const { fault, isCostly } = surveySchema(schema);
  if (fault !== undefined) made = new Error(fault);
  else {
    const { CfWorkerJsonSchemaValidator } = await import('@modelcontextprotocol/client/validators/cf-worker');
    try {
      made = new CfWorkerJsonSchemaValidator({ shortcircuit: false }).getValidator(schema as JsonSchemaType);
      if (isCostly) made = await inTime(made);
    } catch (error) {
      made = asError(error);
    }
  }
  compiled.set(schema, made);
  return made;
}

/** The same check with a limit of time, which ends a regular expression too. */
async function inTime(validator: Check): Promise<Check> {
  const { createContext, Script } = await import('node:vm');
  // The script calls back into this realm: it isolates nothing, it only has a clock that stops everything under it.
  const room = createContext(Object.create(null));
  const script = new Script('run()');
  return (value) => {
    let result: ReturnType<Check> | undefined;
    room.run = () => {
      result = validator(value);
    };
    try {
      script.runInContext(room, { timeout: checkMs });
    } catch (error) {
      const isLate = (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
      throw isLate ? new Error(`a check against it takes longer than ${checkMs} ms`) : error;
    } finally {
      room.run = undefined;
    }
    return result!;
  };
}

function asError(error: unknown): Error {
  // The validator follows references without end when they lead in a circle.
  if (error instanceof RangeError) return new Error('it refers to itself without end');
  return error instanceof Error ? new Error(error.message.split('\n')[0], { cause: error }) : new Error(String(error));
}

function unusableSchema(which: 'input' | 'output', tool: Tool, server: string, cause: Error): McpctlError {
  return new McpctlError(
    'PROTOCOL',
    `${server}/${tool.name} has an unusable ${which} schema: ${sanitizeLine(cause.message, 300)}`,
    {
      server,
      cause,
      hint: 'tell the author of the server',
      delivered: which === 'input' ? 'no' : 'maybe',
    },
  );
}

/** `#/b: Instance type "boolean" is invalid.` for each fault, the outer ones first: the inner ones say what is wrong. */
function readable(message: string | undefined): string {
  const faults = (message ?? 'invalid').split(/; (?=#)/);
  const inner = faults.filter((fault) => !/ does not match schema\.$| did not match schema\.$/.test(fault));
  return (inner.length > 0 ? inner : faults)
    .map((fault) =>
      fault
        .replace(/^#: /, '')
        .replace(/^#(?=\/)/, '')
        .replace(/^Instance /, '')
        .replace(/\.$/, ''),
    )
    .join('; ');
}
