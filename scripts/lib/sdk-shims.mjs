/**
 * Takes the place of the SDK's platform module in the bundle. The SDK's own brings in three dialects of ajv (290 KB, about
 * 20 ms of start-up) as the validator of structured results, which mcpctl checks itself (src/mcp/json-schema.ts).
 */
export { CfWorkerJsonSchemaValidator as DefaultJsonSchemaValidator } from '@modelcontextprotocol/client/validators/cf-worker';

/** Only browsers hide network errors behind a TypeError. */
export const CORS_IS_POSSIBLE = false;
