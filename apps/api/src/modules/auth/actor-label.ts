import { isId } from '@millrace/kernel';
import type { RequestContext } from '../../request-context.ts';

/** Who an actor is, in words. Look-ups of one tick are merged into one statement, so that a page costs no more than its kinds of actors. */
export async function actorLabel(actor: string, { db, tenantId }: RequestContext): Promise<string> {
  const [kind, id] = actor.split(':') as [string, string | undefined];
  if (kind === 'system') return 'Millrace';
  if (isId('apiKey', id)) {
    const key = await db.apiKey.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { alias: true } });
    return key?.alias ?? actor;
  }
  if (!isId('person', id)) return actor;
  const member = await db.membership.findUnique({ where: { tenantId_personId: { tenantId, personId: id } }, select: { person: { select: { name: true } } } });
  return member?.person.name ?? actor;
}
