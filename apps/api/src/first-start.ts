import type { Auth } from '@millrace/auth';
import { DomainError } from '@millrace/kernel';

export interface FirstOwner {
  tenantName: string;
  email: string;
  password: string;
  /** text of a key as `npm run new-key` makes it */
  apiKey?: string | undefined;
}

/**
 * Creates the first tenant and its owner, who is an operator too, unless there is one already, and registers the API key
 * unless it is known: for a headless start.
 * @throws DomainError INVALID when one of them is refused
 */
export async function setUpOnce(auth: Auth, { tenantName, email, password, apiKey }: FirstOwner): Promise<void> {
  if (!(await auth.isSetUp())) {
    const outcome = await auth.createTenant({ tenantName, name: email.split('@')[0]!, email, password, operator: true });
    if (outcome.type === 'invalid') {
      const [problem] = outcome.problems;
      throw new DomainError('INVALID', problem!.message, { field: problem!.field, remedy: problem!.remedy });
    }
  }
  if (apiKey === undefined) return;
  const { type } = await auth.keys.registerInitial(apiKey);
  if (type === 'registered' || type === 'known') return;
  throw new DomainError('INVALID', `MILLRACE_INIT_API_KEY cannot be registered: ${type}.`, {
    field: 'apiKey', remedy: 'Make another one with npm run new-key.',
  });
}
