/** A fetch that says who we are: asks for the token of every request, and sends a refused request once more with a new one. */
import type { HttpFetch } from '../io/http-fetch.js';
import type { Credentials } from './connection.js';

export interface AuthorizedFetch extends HttpFetch {
  /** Whether the last request carried a token. */
  readonly hasSent: boolean;
}

/**
 * Puts the token of `credentials` on requests to the origin of `url`, and on no others. An answer of 401 proves that nothing was done:
 * the request is sent again, once, when the credentials have another token. What they throw is thrown.
 */
export function authorizedFetch(http: HttpFetch, credentials: Credentials, url: string): AuthorizedFetch {
  const { origin } = new URL(url);
  const closing = new AbortController();
  let last: string | undefined;

  const send = (target: string | URL, init: RequestInit, token: string | undefined): Promise<Response> => {
    last = token;
    if (token === undefined) return http.fetch(target, init);
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${token}`);
    return http.fetch(target, { ...init, headers });
  };

  /** @returns another token to send the request with */
  const refused = async (response: Response, token: string | undefined, signal: AbortSignal, isRepeat: boolean) => {
    const { status } = response;
    if (status !== 401 && status !== 403) return undefined;
    const challenge = response.headers.get('www-authenticate');
    try {
      const other = await credentials.refused({ token, status, challenge, isRepeat }, signal);
      return status === 401 && !isRepeat ? other : undefined;
    } catch (error) {
      await discard(response);
      throw error;
    }
  };

  return {
    get hasSent() {
      return last !== undefined;
    },
    async fetch(target, init = {}) {
      if (new URL(target).origin !== origin) return http.fetch(target, init);
      // The end of a session waits for nobody's login.
      if (init.method === 'DELETE') return send(target, init, last);
      const signal = init.signal ?? closing.signal;
      const token = await credentials.token(signal);
      const response = await send(target, init, token);
      const other = await refused(response, token, signal, false);
      if (other === undefined || !isRepeatable(init.body)) return response;
      await discard(response);
      const second = await send(target, init, other);
      await refused(second, other, signal, true);
      return second;
    },
    closeIdle: () => http.closeIdle(),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await http[Symbol.asyncDispose]();
    },
  };
}

/** A stream has been read by now; the SDK sends texts. */
function isRepeatable(body: RequestInit['body']): boolean {
  return body == null || typeof body === 'string' || body instanceof Uint8Array;
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}
