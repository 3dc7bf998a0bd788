/** F19, F20 and F24 to F30: logins that are refused, renewed by many at once, lost, and the places where they are kept. */
import type { Fault } from '../fault-matrix.js';

export const loginFaults: readonly Fault[] = [
  {
    id: 'F19',
    fault: '401: with and without metadata, and again after a renewal',
    promise: 'One renewal, one repeat, then the server waits for a login; no browser by itself',
    figure: 'at most 2 requests and 1 renewal, 0 browsers',
    tests: {
      'e2e/stored-logins': ['whose tokens the server refuses, new ones too, costs 2 requests and 1 renewal'],
      'integration/http-errors': ['HTTP 401 is needs-auth in the status, and nobody asks again by himself'],
      'e2e/login': [
        'opens a browser: call, status, reconnect, ping, tools, auth alone and auth --start, on a server that wants a login',
      ],
    },
  },
  {
    id: 'F20',
    fault: '403: plain, or for want of a scope',
    promise: 'Plain is an error; a scope is told with the login that would get it, and asked for by that',
    figure: 'at most 2 attempts',
    tests: {
      'e2e/stored-logins': ['ends with AUTH_REQUIRED and the scopes, which are remembered; a plain 403 is a refusal'],
      'e2e/login': ['that a call would have needed are asked for by the next login, beside those of before'],
      'integration/stored-logins': ['that lack a scope fail one by one, and the session lives'],
    },
    note: 'More rights are never asked for without a person: there is no second attempt.',
  },
  {
    id: 'F24',
    fault: 'A token ends under 50 calls at once',
    promise: 'It is renewed once, for all',
    figure: '1 request for a token, 50 answers',
    tests: {
      'integration/stored-logins': ['%s cost 1 token request and succeed, all 50'],
      'unit/auth/token-life': ['is renewed once for 50 requests at the same time, and stored before any of them has it'],
      'integration/stored-logins-provider': [
        'gives 50 calls with a refused token one new token, three times over, and ends the login at the logout',
      ],
    },
  },
  {
    id: 'F25',
    fault: '20 processes have one rotating refresh token, and one of them dies as it renews',
    promise: 'A lock and a second look: the token is spent once',
    figure: '1 request, 20 answers, the login alive; after a death within 35 s',
    tests: {
      'e2e/stored-logins': [
        'in the encrypted file: 1 token request, 20 successes, the login alive',
        'in the keychain: 1 token request, 20 successes, the login alive',
        'is followed by the others: both calls succeed within 35 s',
      ],
      'integration/file-lock': ['takes the lock of a dead process, and of a living one that only has the same pid'],
    },
  },
  {
    id: 'F26',
    fault: 'The token endpoint answers 500, breaks off, or stalls for 30 s',
    promise: 'AUTH_UNAVAILABLE; the login is kept and tried again later',
    figure: '0 logins lost, 0 browsers',
    tests: {
      'e2e/stored-logins': [
        '(%s): AUTH_UNAVAILABLE, exit 3, no browser, and the login is kept and works later',
        'that says nothing for 30 s is given up after 10 s by everybody who waits, with 1 request',
        'does not stop a token that still works for half a minute',
      ],
    },
  },
  {
    id: 'F27',
    fault: 'A refresh token was revoked; a clock is 10 minutes off; `expires_in` is missing, 0, negative or huge',
    promise: 'The command to log in anew is told; expiry is bounded, and renewals do not become a loop',
    figure: 'at most 1 renewal in 30 s',
    tests: {
      'e2e/stored-logins': ['needs a new one, and says the command; nothing is asked again'],
      'unit/auth/token-life': ['that is new costs no further renewal for 30 s'],
      'unit/auth/expiry': [
        'is renewed early by a clock that jumped 10 minutes ahead, and late by one that was set back',
        'with an expires_in of %s is used until the server refuses it',
        'with an expires_in of %d s is due after 21.6 hours of a planned day, and not over',
      ],
      'integration/stored-logins': ['with an expires_in of %j is not lost; it counts as %s s'],
    },
  },
  {
    id: 'F28',
    fault: 'A process is killed between spending a refresh token and storing the next',
    promise: 'The store can be read, and no token is wrong; at worst one login is to be done anew, and that is told',
    figure: '200 random moments',
    tests: {
      'integration/stored-logins-killed': [
        '200 processes killed at random moments around a renewal: the store can always be read, no token is wrong, and what the last one stored is used',
      ],
      'e2e/stored-logins': [
        'around the answer, at 10 moments, leaves a store that can be read, no wrong token, and at worst a new login to do',
      ],
    },
    note: 'There is no journal: a token that is lost with its process is found out when the spent one is refused.',
  },
  {
    id: 'F29',
    fault: 'There is no keychain',
    promise: 'The encrypted file takes its place, announced once; asked for by name, it is an error',
    figure: 'known within 1 s, an exit code of its own',
    tests: {
      'integration/keychain': ['the keychain is missing'],
      'e2e/auth': ['auto without a keychain is the file, announced once; keychain without one is an error with exit 3'],
      'integration/token-store': ['describes a locked keychain as a problem, a missing one as the reason for the file'],
    },
    note: 'Nothing is ever stored as plain text; how long it takes to know is not asserted.',
  },
  {
    id: 'F30',
    fault: 'The keychain is locked, its dialog waits, its helper hangs or dies',
    promise: 'An error after a bounded wait, in a process that can be killed; the prompt goes on',
    figure: 'within 5.5 s',
    tests: {
      'integration/keychain': [
        'whose dialog nobody answers costs 500 ms where that is the limit, and its process is gone',
        'whose dialog nobody answers lets go when the command is cancelled',
        'that hangs is an error that says so',
        'whose helper is killed fails that request, and the next one has a new helper',
      ],
      'e2e/auth': ['whose dialog waits costs a command without a terminal 3 s; servers without a token do not wait'],
      'integration/token-store': ['fails with a keychain that is $details.reason: the file stays as it is'],
    },
    note: 'With a terminal the wait is 60 s on purpose: somebody may be typing the password.',
  },
];
