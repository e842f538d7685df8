import { type SystemTx, violatesUnique } from '@millrace/database';
import { newId, type Problem } from '@millrace/kernel';
import { recordAudit } from './audit.ts';
import { emailProblem, type Grounds, isEmail, isPlainText, normalEmail, textProblem } from './grounds.ts';
import { hashPassword, passwordProblem } from './password.ts';
import type { Role } from './permissions.ts';

export interface MemberInput {
  tenantId: string;
  name: string;
  email: string;
  password: string;
  role: Role;
}

/** The people of a tenant and what they may do. */
export function createMembers({ database }: Grounds) {
  return {
    /** Adds a member without an invitation: for a headless start and the demo, never reachable over the network. */
    async add(member: MemberInput): Promise<{ type: 'added'; personId: string } | { type: 'invalid'; problems: Problem[] }> {
      const problems = await personProblems(member);
      if (problems.length) return { type: 'invalid', problems };
      const passwordHash = await hashPassword(member.password);
      const added = database.system().transaction(async (tx) => ({ type: 'added' as const, personId: await insertMember(tx, member, passwordHash) }));
      return added.catch(emailTaken);
    },
  };
}

/** A new person who is a member from the start. */
export async function insertMember(tx: SystemTx, member: MemberInput, passwordHash: string): Promise<string> {
  const personId = newId('person');
  await tx.person.createMany({
    data: [{ id: personId, email: normalEmail(member.email), name: member.name.trim(), passwordHash }],
  });
  await tx.membership.createMany({ data: [{ tenantId: member.tenantId, personId, role: member.role }] });
  await recordAudit(tx, { type: 'system', tenantId: member.tenantId }, { action: 'member.add', subject: personId, details: { role: member.role } });
  return personId;
}

export function emailTaken(error: unknown): { type: 'invalid'; problems: Problem[] } {
  if (!violatesUnique(error, 'people_email_key')) throw error;
  return {
    type: 'invalid',
    problems: [{ code: 'email_taken', field: 'email', message: 'This e-mail address has an account already.', remedy: 'Sign in with it, or use another one.' }],
  };
}

export async function personProblems(input: { name: string; email: string; password: string; tenantName?: string }): Promise<Problem[]> {
  const problems: Problem[] = [];
  if (!isPlainText(input.name)) problems.push(textProblem('name', 'The name'));
  if (!isEmail(input.email)) problems.push(emailProblem());
  const password = await passwordProblem(input.password, { ...input, tenantNames: input.tenantName === undefined ? [] : [input.tenantName] });
  if (password) problems.push(password);
  return problems;
}
