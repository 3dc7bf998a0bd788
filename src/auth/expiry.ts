/** The expiry clock of a login: when it is renewed, and what a person is told of it. Pure; wall clock. */

export interface Times {
  /** When the present token was given; ISO 8601, UTC. Null = not known. */
  readonly issuedAt: string | null;
  /** ISO 8601, UTC; null = nobody has said. */
  readonly expiresAt: string | null;
}

/** `due`: it still works, and is to be renewed; `over`: its time has passed. */
export type Stage = 'fresh' | 'due' | 'over';

const minuteMs = 60_000;
/** Whatever a provider says: a login that is renewed once a day notices that it was revoked. */
const maxPlannedMs = 24 * 60 * minuteMs;
/** A token that lives shorter than this is over before it arrives: whoever gives one means something else. */
const minLifeMs = 1_000;

/** A token without a stated life, or with none that makes sense, is fresh until the server refuses it. */
export function stageOf(times: Times, now: Date): Stage {
  const life = lifeOf(times);
  if (life === undefined || life.lifeMs < minLifeMs) return 'fresh';
  const leftMs = life.endsMs - now.getTime();
  if (leftMs <= 0) return 'over';
  const plannedMs = Math.min(life.lifeMs, maxPlannedMs);
  const plannedLeftMs = leftMs - (life.lifeMs - plannedMs);
  return plannedLeftMs < marginMs(plannedMs) ? 'due' : 'fresh';
}

/** What `auth` and `status` call it, for a login that the server has not refused. */
export function loginState(
  login: Times & { readonly renewable: boolean },
  now: Date,
): 'valid' | 'expiring' | 'expired' | 'required' {
  const life = lifeOf(login);
  if (life === undefined) return 'valid';
  const leftMs = life.endsMs - now.getTime();
  if (leftMs <= 0) return login.renewable ? 'expired' : 'required';
  return leftMs < marginMs(life.lifeMs) ? 'expiring' : 'valid';
}

/** Before its end by a minute or a tenth of its life, whichever is more; of a short life, by half of it. */
function marginMs(lifeMs: number): number {
  return Math.min(Math.max(minuteMs, lifeMs / 10), lifeMs / 2);
}

function lifeOf({ issuedAt, expiresAt }: Times): { lifeMs: number; endsMs: number } | undefined {
  const endsMs = Date.parse(expiresAt ?? '');
  if (Number.isNaN(endsMs)) return undefined;
  const startedMs = Date.parse(issuedAt ?? '');
  return { endsMs, lifeMs: Number.isNaN(startedMs) ? 60 * minuteMs : Math.max(endsMs - startedMs, 0) };
}
