/** The person in a login: shown an address, and heard by whichever comes first, the browser or the prompt. */
import { cancelled, toMcpctlError } from '../core/errors.js';
import { type CallbackCode, isOtherLogin } from './callback.js';

/** Whoever asked for the login, and what can be done with them. */
export interface Person {
  readonly signal: AbortSignal;
  /** `isNeeded`: what they have to do; always shown. */
  readonly note: (text: string, options?: { isNeeded?: boolean }) => void;
  /** Absent: nobody is there to answer. */
  readonly ask?: ((question: string, options: { signal: AbortSignal }) => Promise<string>) | undefined;
  /** @returns whether a browser was started */
  readonly openUrl?: ((url: string) => Promise<boolean>) | undefined;
}

export interface AwaitAnswer {
  readonly url: string;
  readonly intro: string;
  readonly opensBrowser: boolean;
  readonly person: Person;
  readonly fromBrowser: (signal: AbortSignal) => Promise<CallbackCode>;
  /** @throws as `checkPasted` */
  readonly fromPaste: (text: string) => CallbackCode;
}

/** @throws what the first of the two ends with; `person.signal.reason` */
export async function awaitAnswer({
  url,
  intro,
  opensBrowser,
  person,
  fromBrowser,
  fromPaste,
}: AwaitAnswer): Promise<CallbackCode> {
  const over = new AbortController();
  const signal = AbortSignal.any([person.signal, over.signal]);
  person.note(`${intro}\n${url}`, { isNeeded: true });
  // Listening before the browser is there to come back.
  const ways = [fromBrowser(signal)];
  const opening = opensBrowser ? open(url, person) : Promise.resolve();
  if (person.ask) ways.push(opening.then(() => pasted(person, fromPaste, signal)));
  try {
    return await Promise.race(ways);
  } finally {
    over.abort(cancelled());
    // What lost ends now, and its reason interests nobody.
    await Promise.allSettled(ways);
  }
}

async function open(url: string, { openUrl, note }: Person): Promise<void> {
  const isStarted = await (openUrl?.(url) ?? Promise.resolve(false)).catch((error: unknown) => {
    note(`note: ${toMcpctlError(error).message}`);
    return false;
  });
  if (!isStarted) note('note: no browser could be started here: open the address yourself');
}

async function pasted(
  { ask, note }: Person,
  fromPaste: (text: string) => CallbackCode,
  signal: AbortSignal,
): Promise<CallbackCode> {
  for (;;) {
    const text = await ask!('If the browser ends at a page that does not load, paste its address here:', { signal });
    if (text.trim() === '') {
      note('waiting for the browser (Ctrl-C ends the login)');
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
    }
    try {
      return fromPaste(text);
    } catch (error) {
      if (!isOtherLogin(error)) throw error;
      note(`${error.message}\nhint: ${error.hint}`, { isNeeded: true });
    }
  }
}
