/** F21 to F23 and F31 to F36: servers over HTTP that answer badly, and a network that loses what is on its way. */
import type { Fault } from '../fault-matrix.js';

export const networkFaults: readonly Fault[] = [
  {
    id: 'F21',
    fault: 'A server has forgotten the session',
    promise: 'One new session for all, and a call is repeated only when it did not run',
    figure: '50 calls at once, 1 new session',
    tests: {
      'integration/http-sessions': [
        'opens exactly 1 new session for 50 parallel calls on a forgotten one (HTTP %i), and each call runs exactly once',
        'a call that runs while the session is forgotten is neither cut off nor repeated',
        'a server that forgets every session at once fails the call after 2 sessions, not in a loop',
      ],
      'integration/safe-replay': [
        'that has forgotten the session when a trusted call is to be repeated: a new session, a new list, then the call',
      ],
    },
    note: 'How many round trips the way back takes is counted, not timed.',
  },
  {
    id: 'F22',
    fault: '429 or 503 with Retry-After: seconds, a date, huge, negative, nonsense',
    promise: 'Waited for when it is short and within the deadline, else told at once with the time',
    figure: 'the time ± 10 %, never past the deadline',
    tests: {
      'unit/io/retry-after': ['%j is %j ms', 'a date counts from the clock of the server, which may be an hour ahead of ours'],
      'unit/policy/retry': [
        'waits the 7 s that a server asks for, plus up to 10 % by chance, in the place of its own wait',
        'waits 60 s when asked to, and not 60.001 s',
        'begins no wait that would not end before the deadline of 5 s, which spans all tries',
      ],
      'integration/safe-replay': [
        '429 with Retry-After of %s: the call waits as long as that and runs once',
        '429 with Retry-After of %s fails at once, with the time, and not delivered',
        'always: 5 tries of a call, and the values of a tool of its own win: 2',
      ],
    },
    note: 'The standard policy makes 5 tries, where 3 were aimed at.',
  },
  {
    id: 'F23',
    fault: '500, 502, 504, a page of HTML, an empty answer, the wrong type',
    promise: 'A typed error with a short, harmless excerpt; the breaker counts it',
    figure: 'open after 5; refused at once then; one probe after 30 s',
    tests: {
      'integration/http-errors': ['HTTP $status with a 90 kB page of HTML and escape sequences is $code'],
      'integration/http-streams': ['%s fails its call within 300 ms with PROTOCOL'],
      'integration/circuit-breaker': [
        'that answers calls with %s gets 5 of 20 calls, and the others end as CIRCUIT_OPEN',
        'gets exactly 3 of 20 calls that come together when it is half-open, and all of them after 2 that worked',
      ],
      'unit/policy/breaker-state': [
        'lets nothing through for 30 s, then becomes half-open as of that moment, however late somebody looks',
      ],
      'e2e/breaker': [
        'against a dead server: 5 fail, the next 3 end at once with exit 7 and make no connection; reconnect makes one',
      ],
    },
    note: 'Half-open, up to 3 calls are let through together.',
  },
  {
    id: 'F31',
    fault: 'A connection is reset before an answer, in the middle of it, in the middle of a stream',
    promise: 'The call fails at once, is not repeated unless that is safe, and the next one works',
    figure: 'failed within 100 ms',
    tests: {
      'integration/http-network': [
        'before the answer of %s fails its call at once as perhaps delivered, sends it once, and the next call works',
        'in the middle of an event stream with progress does the same',
        'in the middle of a JSON answer that was cut after 100 bytes does the same',
      ],
      'integration/http-fetch': [
        'fails within 100 ms of a reset before the answer, with delivered maybe',
        'fails the reader of %s within 100 ms of a reset in the middle of it, and of a half close too',
      ],
    },
  },
  {
    id: 'F32',
    fault: 'The other side vanishes without a word',
    promise: 'The call ends at its deadline; the dead connection is not used twice; an idle one is found out by health checks',
    figure: 'the deadline ± 250 ms; idle within 5.5 min',
    tests: {
      'integration/http-network': [
        'ends a call in flight at its deadline as TIMEOUT; the next call takes a new connection',
        'while 6 connections are kept costs one call its deadline, and none of the 6 is used again',
      ],
      'unit/manager/managed-server': [
        'is degraded after 1 failed check, and the server is given up and reconnected after 3',
        'ends a check after its 5 s, whatever the server does',
      ],
    },
    note: 'Made with a proxy that goes silent, not with an interface that goes down.',
  },
  {
    id: 'F33',
    fault: 'A server closes a kept connection at the moment it is used again',
    promise: 'Lists and pings do not notice; a call is repeated only where it provably was not sent',
    figure: '10,000 exchanges, 0 errors of idempotent ones, 0 calls twice',
    tests: {
      'integration/http-network': ['costs no list and no ping of 3 000, and no call of 7 000 runs twice'],
      'integration/http-fetch': [
        'reports a kept connection that dies under the next request as delivered maybe, and sends nothing twice',
        'drops a free connection 1 s before the 2 s that the server announces',
      ],
    },
    note: 'The server closes after 20 ms and not after 1 s, so that the moment is met in every round.',
  },
  {
    id: 'F34',
    fault: 'A name does not exist, cannot be looked up, or leads to an address where nobody is',
    promise: 'A typed error; of several addresses the good one is used',
    figure: 'within 2 s each',
    tests: {
      'integration/http-fetch': [
        'says that a host name does not exist, within 2 s of the resolver, with delivered no',
        'reaches a good IPv4 address within 2 s behind an IPv6 address that leads nowhere',
        'fails with TIMEOUT and delivered no when connecting takes over 200 ms, also while the name is looked up',
      ],
      'unit/io/http-errors': ['explains %s with the reason %s, keeps the cause and gives a hint'],
    },
    note: 'A resolver that answers SERVFAIL is tested by its error code alone.',
  },
  {
    id: 'F35',
    fault: 'TLS: expired, another host, self-signed, an old version, plain HTTP',
    promise: 'Refused, each with its own code; only `ca` of a server helps, no variable switches it off',
    figure: '5 of 5 refused, 0 bytes of the request sent',
    tests: {
      'integration/http-fetch-tls': [
        'refuses five doubtful servers with five different codes, and no byte of the request reaches them',
        'refuses an issuer that is not trusted, also with NODE_TLS_REJECT_UNAUTHORIZED=0',
      ],
    },
  },
  {
    id: 'F36',
    fault: 'The environment names a proxy',
    promise: 'It is used; loopback and NO_PROXY stay direct; its failures are told as its own',
    figure: 'the proxy sees what it should, and nothing else',
    tests: {
      'integration/http-proxy': [
        'sends the whole URL to it, with its own login and not to the server, on 1 connection for 20 calls',
        'loopback, and what NO_PROXY names, reach the server without the proxy seeing anything',
        'makes 1 tunnel for 20 calls, in which the proxy sees neither URL, token nor body, and the server not its login',
        'a proxy that dies in the middle of a call leaves it perhaps delivered, and the next call makes a new tunnel',
      ],
      'e2e/proxy': [
        'a call gets through, TLS within TLS, on 2 connections at most, and nothing that is printed or written down has the password',
      ],
    },
  },
];
