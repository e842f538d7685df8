import { type Actor, can, type RouteAccess } from '@millrace/auth';
import type { AnswerBody, Exchange } from './exchange.ts';
import type { Operation } from './openapi.ts';
import { RequestError } from './request-error.ts';

/** Who may call: anybody; whoever has a credential; whoever may look at models; whoever may predict; they, and whoever may send truths. */
export type Access = 'public' | 'signed-in' | 'describe' | 'predict' | 'feedback';

export interface Route {
  operation: Operation;
  access: Access;
  /** asked for free: does not count against the limits of a key */
  isUncounted?: boolean;
  /** @throws RequestError, or by its promise */
  handle(exchange: Exchange): AnswerBody | Promise<AnswerBody>;
}

/** What each of them stands for in the table of routes of libs/auth. */
const accessInTable: Record<Access, RouteAccess> = {
  public: 'public',
  'signed-in': 'signed-in',
  describe: ['endpoint:predict', 'model:read'],
  predict: ['endpoint:predict'],
  feedback: ['endpoint:predict', 'endpoint:feedback'],
};

/** The permission that a route asks for. @throws RequestError 403 */
export function requireAccess(actor: Actor, access: Access): void {
  const permissions = accessInTable[access];
  if (typeof permissions === 'string' || permissions.some((permission) => can(actor, permission))) return;
  const holder = actor.type === 'person' ? `The role ${actor.role}` : `A key with the scopes ${actor.scopes.join(', ') || '(none)'}`;
  throw new RequestError(403, 'forbidden', `${holder} may not ${access === 'feedback' ? 'send feedback' : 'call models'}.`, {
    limitSource: 'key',
    remedy: actor.type === 'person' ? 'Ask an administrator of your tenant.' : `Use a key that has the scope ${access === 'feedback' ? 'FEEDBACK or ' : ''}PREDICT.`,
  });
}
