import { apiKeysRows } from './api-keys.ts';
import { auditRows } from './audit.ts';
import { datasetsRows } from './datasets.ts';
import { membersRows } from './members.ts';
import { plansRows } from './plans.ts';
import { quotaRows } from './quota.ts';
import { registryRows } from './registry.ts';
import type { Rows } from './row.ts';
import { sessionRows } from './session.ts';
import { ssoRows } from './sso.ts';
import { tenantsRows } from './tenants.ts';
import { trainingRows } from './training.ts';

/** Every root field has a row here: a field without one fails the access spec. */
export const accessTable: Rows = {
  ...sessionRows,
  ...apiKeysRows,
  ...auditRows,
  ...datasetsRows,
  ...trainingRows,
  ...registryRows,
  ...quotaRows,
  ...membersRows,
  ...plansRows,
  ...ssoRows,
  ...tenantsRows,
};
