/** Whom a server takes us for: by the open connection, or else by what is stored for the next one. */

import { type AccountRecord, loginId } from '../config/accounts.js';

export class LoginInForce {
  /** Of the last connection that was opened. */
  #noted: { readonly id: string | undefined } | undefined;

  /** @param known the login that would be used now, as of the last look at the index */
  constructor(readonly known: () => (AccountRecord & { readonly account: string }) | undefined) {}

  /** Another process may store another login; this connection goes on with its own. */
  connectedWith(token: string | undefined): void {
    this.#noted = { id: token === undefined ? undefined : this.#stored() };
  }

  /** See `loginId`; undefined without a login. */
  id({ isConnected }: { isConnected: boolean }): string | undefined {
    return isConnected && this.#noted ? this.#noted.id : this.#stored();
  }

  #stored(): string | undefined {
    const known = this.known();
    return known && loginId(known);
  }
}
