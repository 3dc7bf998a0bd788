/** JSON Schema checks of what goes into a tool and of what comes out, with the lighter of the SDK's two validators. */

import type { JsonSchemaType, JsonSchemaValidator } from '@modelcontextprotocol/client';
import { McpctlError } from '../core/errors.js';
import { sanitizeLine } from '../core/sanitize.js';
import type { CallToolResult, Tool } from './connection.js';

const compiled = new WeakMap<object, JsonSchemaValidator<unknown> | Error>();

/**
 * Checks the arguments of a call against the tool's input schema.
 *
 * @throws McpctlError `INVALID_INPUT` with the JSON path, before anything is sent; `PROTOCOL` when the schema itself is not usable.
 */
export async function checkInput(input: unknown, tool: Tool, server: string): Promise<void> {
  const validator = await compile(tool.inputSchema);
  if (validator instanceof Error) throw unusableSchema('input', tool, server, validator);
  const result = validator(input);
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
  const validator = await compile(tool.outputSchema);
  if (validator instanceof Error) throw unusableSchema('output', tool, server, validator);
  const fault =
    result.structuredContent === undefined ? 'it returned no structured content' : faultOf(validator(result.structuredContent));
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

async function compile(schema: object): Promise<JsonSchemaValidator<unknown> | Error> {
  const known = compiled.get(schema);
  if (known) return known;
  const { CfWorkerJsonSchemaValidator } = await import('@modelcontextprotocol/client/validators/cf-worker');
  let made: JsonSchemaValidator<unknown> | Error;
  try {
    made = new CfWorkerJsonSchemaValidator({ shortcircuit: false }).getValidator(schema as JsonSchemaType);
  } catch (error) {
    made = error instanceof Error ? error : new Error(String(error));
  }
  compiled.set(schema, made);
  return made;
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
