/** Every machine code of `doctor`: what it says of a step, and with which error a command ends because of it. */
import type { ErrorCode } from '../../core/errors.js';

export type Verdict = 'ok' | 'warning' | 'failed' | 'skipped';

/** Kept once published (docs/doctor.md). A code means one verdict; an error code stands at those that failed. */
export const doctorCodes = {
  OK: 'ok',
  NOT_NEEDED: 'skipped',
  SKIPPED: 'skipped',
  SERVER_DISABLED: 'skipped',
  STEP_TIMEOUT: { failed: 'TIMEOUT' },
  STEP_FAILED: { failed: 'UNAVAILABLE' },

  CONFIG_INVALID: { failed: 'CONFIG_INVALID' },
  CONFIG_WARNING: 'warning',
  VARIABLE_MISSING: { failed: 'CONFIG_INVALID' },
  SECRET_LITERAL: 'warning',
  FILE_WORLD_WRITABLE: 'warning',
  NOT_APPROVED: { failed: 'UNTRUSTED' },
  APPROVAL_OUTDATED: { failed: 'UNTRUSTED' },

  SPAWN_NOT_FOUND: { failed: 'UNAVAILABLE' },
  SPAWN_NO_CWD: { failed: 'UNAVAILABLE' },
  SPAWN_NOT_EXECUTABLE: { failed: 'UNAVAILABLE' },
  SPAWN_NO_INTERPRETER: { failed: 'UNAVAILABLE' },
  SPAWN_TOO_LARGE: { failed: 'UNAVAILABLE' },
  SPAWN_NO_RESOURCES: { failed: 'UNAVAILABLE' },
  SPAWN_FAILED: { failed: 'UNAVAILABLE' },
  SPAWN_EXITED: { failed: 'SERVER_EXITED' },

  DNS_NOT_FOUND: { failed: 'UNAVAILABLE' },
  DNS_UNAVAILABLE: { failed: 'UNAVAILABLE' },
  DNS_TIMEOUT: { failed: 'TIMEOUT' },
  ADDRESS_BLOCKED: { failed: 'UNAVAILABLE' },
  TCP_REFUSED: { failed: 'UNAVAILABLE' },
  TCP_UNREACHABLE: { failed: 'UNAVAILABLE' },
  TCP_TIMEOUT: { failed: 'TIMEOUT' },
  PROXY_INVALID: { failed: 'CONFIG_INVALID' },
  PROXY_REFUSED: { failed: 'UNAVAILABLE' },
  PROXY_TIMEOUT: { failed: 'TIMEOUT' },
  TLS_EXPIRED: { failed: 'UNAVAILABLE' },
  TLS_NOT_YET_VALID: { failed: 'UNAVAILABLE' },
  TLS_WRONG_NAME: { failed: 'UNAVAILABLE' },
  TLS_SELF_SIGNED: { failed: 'UNAVAILABLE' },
  TLS_UNTRUSTED: { failed: 'UNAVAILABLE' },
  TLS_FAILED: { failed: 'UNAVAILABLE' },
  TLS_TIMEOUT: { failed: 'TIMEOUT' },
  TLS_EXPIRES_SOON: 'warning',

  HTTP_REDIRECTED: 'warning',
  HTTP_REDIRECT: { failed: 'PROTOCOL' },
  HTTP_FORBIDDEN: { failed: 'REQUEST_REFUSED' },
  HTTP_NOT_FOUND: { failed: 'UNAVAILABLE' },
  HTTP_SERVER_ERROR: { failed: 'UNAVAILABLE' },
  HTTP_TOO_MANY: { failed: 'UNAVAILABLE' },
  HTTP_NO_ANSWER: { failed: 'UNAVAILABLE' },
  HTTP_INVALID: { failed: 'PROTOCOL' },
  HTTP_TIMEOUT: { failed: 'TIMEOUT' },
  HEADER_REFUSED: { failed: 'AUTH_REQUIRED' },

  METADATA_MISSING: { failed: 'AUTH_FAILED' },
  METADATA_UNREACHABLE: { failed: 'AUTH_UNAVAILABLE' },
  METADATA_ADDRESS_REFUSED: { failed: 'AUTH_FAILED' },
  METADATA_TIMEOUT: { failed: 'AUTH_UNAVAILABLE' },
  RESOURCE_METADATA_INVALID: { failed: 'AUTH_FAILED' },
  SERVER_METADATA_INVALID: { failed: 'AUTH_FAILED' },
  PKCE_MISSING: { failed: 'AUTH_FAILED' },
  PKCE_ASSUMED: 'warning',
  REGISTRATION_IMPOSSIBLE: { failed: 'AUTH_FAILED' },
  CLIENT_UNUSABLE: 'warning',
  TOKEN_MISSING: { failed: 'AUTH_REQUIRED' },
  TOKEN_EXPIRED: { failed: 'AUTH_REQUIRED' },
  TOKEN_RENEWAL_FAILED: { failed: 'AUTH_UNAVAILABLE' },
  TOKEN_STORE_FAILED: { failed: 'CREDENTIAL_STORE' },
  TOKEN_REFUSED: { failed: 'AUTH_REQUIRED' },

  INITIALIZE_TIMEOUT: { failed: 'TIMEOUT' },
  INITIALIZE_PROTOCOL: { failed: 'PROTOCOL' },
  INITIALIZE_REFUSED: { failed: 'REQUEST_REFUSED' },
  INITIALIZE_FAILED: { failed: 'UNAVAILABLE' },
  LIST_TIMEOUT: { failed: 'TIMEOUT' },
  LIST_FAILED: { failed: 'PROTOCOL' },

  NODE_TOO_OLD: { failed: 'UNAVAILABLE' },
  KEYCHAIN_ABSENT: 'warning',
  KEYCHAIN_LOCKED: { failed: 'CREDENTIAL_STORE' },
  KEYCHAIN_SILENT: { failed: 'CREDENTIAL_STORE' },
  STORE_FAILED: { failed: 'CREDENTIAL_STORE' },
  ORPHANS: 'warning',
  CLOCK_SKEW: 'warning',
  FOLDER_NOT_WRITABLE: { failed: 'CONFIG_INVALID' },
  FOLDER_OPEN_TO_OTHERS: 'warning',
  DISK_NEARLY_FULL: 'warning',
  OPEN_FILES_LOW: 'warning',
} as const satisfies Record<string, 'ok' | 'warning' | 'skipped' | { readonly failed: ErrorCode }>;

export type DoctorCode = keyof typeof doctorCodes;

export function verdictOf(code: DoctorCode): Verdict {
  const meaning = doctorCodes[code];
  return typeof meaning === 'string' ? meaning : 'failed';
}

/** The error of a command that ends because of it; undefined when the code is no failure. */
export function errorCodeOf(code: DoctorCode): ErrorCode | undefined {
  const meaning = doctorCodes[code];
  return typeof meaning === 'string' ? undefined : meaning.failed;
}
