import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { withinASecond } from '@millrace/testkit';
import { SMTPServer } from 'smtp-server';
import { createApiWorld, type Member, password, type World } from './api-world.ts';
import { codeOf } from './totp.ts';

const publicUrl = 'http://console.example';
const newPassword = 'a better horse battery';

let world: World;
let smtp: SMTPServer;
let mails: { to: string[]; text: string }[];
let arrived: () => void;
beforeAll(async () => {
  smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text: Buffer.concat(chunks).toString().replace(/=\r\n/g, '').replaceAll('=3D', '=') });
        done();
        arrived();
      });
    },
  });
  smtp.listen(0, '127.0.0.1');
  await once(smtp.server, 'listening');
  const { port } = smtp.server.address() as AddressInfo;
  world = await createApiWorld({ publicUrl, mail: { smtpUrl: `smtp://127.0.0.1:${port}`, from: 'Millrace <millrace@console.example>' } });
});
beforeEach(() => {
  mails = [];
  arrived = () => undefined;
});
afterAll(async () => {
  await world.close();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
});

const error = '__typename ... on Error { code message remedy }';
const problems = '... on InvalidInputError { problems { field code } }';
const signIn = `mutation ($email: String!, $password: String!, $code: String) { signIn(input: { email: $email, password: $password, code: $code }) {
  ${error} ... on SignInSuccess { accessToken viewer { hasSecondFactor } } ... on SecondFactorRequired { message } ... on TooManyAttemptsError { retryAfterSeconds } } }`;

const attempt = async (email: string, given: string, code?: string) => (await world.graphql(signIn, { email, password: given, code })).data!['signIn'];

describe('guessing', () => {
  it('is answered with 429 and when to come back, for accounts that are there and those that are not', async () => {
    const ana = await world.tenant('guessed');
    const answers = [];
    for (const email of [ana.email, 'nobody@guessed.test']) {
      for (let i = 0; i < 5; i++) expect((await attempt(email, 'wrong')).__typename).toBe('SignInRefusedError');
      answers.push(await world.graphql(signIn, { email, password }));
    }
    for (const { status, headers, data } of answers) {
      expect(status).toBe(429);
      expect(data!['signIn']).toMatchObject({ __typename: 'TooManyAttemptsError', code: 'too_many_attempts', retryAfterSeconds: Number(headers.get('retry-after')) });
      expect(data!['signIn'].retryAfterSeconds).toBeGreaterThan(20);
    }
  });
});

describe('the second factor', () => {
  it('is set up, asked for, used, and taken off', async () => {
    const ana = await world.tenant('factor');
    const begin = async (given: string) =>
      (await world.graphql(`mutation ($given: String!) { beginSecondFactor(input: { password: $given }) { ${error} ... on BeginSecondFactorSuccess { secret uri } } }`, { given }, ana.token)).data!['beginSecondFactor'];
    expect((await begin('not it')).__typename).toBe('SignInRefusedError');
    const { secret, uri } = await begin(password);
    expect(new URL(uri).searchParams.get('secret')).toBe(secret);
    expect(Object.fromEntries(new URL(uri).searchParams)).toMatchObject({ issuer: 'Millrace', algorithm: 'SHA1', digits: '6', period: '30' });
    const confirm = async (code: string) =>
      (await world.graphql(`mutation ($code: String!) { confirmSecondFactor(input: { code: $code }) { ${error} ${problems} ... on ConfirmSecondFactorSuccess { recoveryCodes } } }`, { code }, ana.token)).data!['confirmSecondFactor'];
    expect(await confirm('abcdef')).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'code', code: 'code_wrong' }] });
    const { recoveryCodes } = await confirm(codeOf(secret));
    expect(recoveryCodes).toHaveLength(10);
    expect(await confirm(codeOf(secret))).toMatchObject({ __typename: 'ConflictError', code: 'second_factor_not_begun' });

    expect(await attempt(ana.email, password)).toMatchObject({ __typename: 'SecondFactorRequired', message: expect.any(String) });
    expect(await attempt(ana.email, password, codeOf(secret, 0))).toEqual(await attempt(ana.email, 'wrong'));
    // The next one: that of this moment is used up.
    expect(await attempt(ana.email, password, codeOf(secret, Date.now() + 30_000))).toMatchObject({ __typename: 'SignInSuccess', viewer: { hasSecondFactor: true } });

    const remove = async (code: string) =>
      (await world.graphql(`mutation ($password: String!, $code: String!) { removeSecondFactor(input: { password: $password, code: $code }) { ${error} } }`, { password, code }, ana.token)).data!['removeSecondFactor'];
    expect(await remove('000000')).toMatchObject({ __typename: 'SignInRefusedError' });
    expect(await remove(recoveryCodes[0])).toMatchObject({ __typename: 'RemoveSecondFactorSuccess' });
    expect(await remove(recoveryCodes[1])).toMatchObject({ __typename: 'ConflictError', code: 'second_factor_off' });
    expect(await attempt(ana.email, password)).toMatchObject({ __typename: 'SignInSuccess', viewer: { hasSecondFactor: false } });
  });

  it('is taken off by an operator', async () => {
    const ana = await world.tenant('lost');
    const operator = await world.operator();
    const reset = async (email: string) =>
      (await world.graphql(`mutation ($email: String!) { resetSecondFactor(input: { email: $email }) { ${error} } }`, { email }, operator.token)).data!['resetSecondFactor'].__typename;
    expect([await reset(ana.email), await reset('nobody@lost.test')]).toEqual(['ResetSecondFactorSuccess', 'NotFoundError']);
  });
});

describe('a new password', () => {
  const request = (email: string) => world.graphql(`mutation ($email: String!) { requestPasswordReset(input: { email: $email }) { __typename ... on RequestPasswordResetSuccess { message } } }`, { email });
  const reset = async (token: string, next = newPassword) =>
    (await world.graphql(`mutation ($token: String!, $next: String!) { resetPassword(input: { token: $token, newPassword: $next }) { ${error} ${problems} } }`, { token, next })).data!['resetPassword'];

  it('is chosen with the link in a mail, which nobody is told of', async () => {
    const ana = await world.tenant('forgetful');
    const mail = new Promise<void>((resolve) => (arrived = resolve));
    const answer = await request(ana.email);
    await mail;
    expect((await request('nobody@forgetful.test')).data).toEqual(answer.data);
    expect(mails.map(({ to }) => to)).toEqual([[ana.email]]);
    expect(mails[0]!.text).toContain('From: Millrace <millrace@console.example>');
    const token = new RegExp(`${publicUrl}/reset#token=([\\w-]{43})`).exec(mails[0]!.text)![1]!;
    expect(await reset(token, 'password1')).toMatchObject({ __typename: 'InvalidInputError', problems: [{ field: 'newPassword', code: 'password_unfit' }] });
    expect(await reset(token)).toMatchObject({ __typename: 'ResetPasswordSuccess' });
    expect(await reset(token)).toMatchObject({ __typename: 'ResetLinkInvalidError', code: 'reset_link_invalid' });
    expect((await attempt(ana.email, newPassword)).__typename).toBe('SignInSuccess');
    expect(JSON.stringify(world.log)).not.toContain(token);
  });

  it('is chosen with a link that an operator has made', async () => {
    const ana = await world.tenant('offline');
    const operator = await world.operator();
    const create = async (email: string) =>
      (await world.graphql(`mutation ($email: String!) { createPasswordReset(input: { email: $email }) { ${error} ... on CreatePasswordResetSuccess { token expiresAt } } }`, { email }, operator.token)).data!['createPasswordReset'];
    const { token, expiresAt } = await create(ana.email);
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(3_590_000);
    expect((await create('nobody@offline.test')).__typename).toBe('NotFoundError');
    expect((await reset(token)).__typename).toBe('ResetPasswordSuccess');
  });

  it('is chosen with the old one; other sessions end, this one stays', async () => {
    const ana = await world.tenant('changer');
    const other = (await attempt(ana.email, password)).accessToken;
    const change = async (currentPassword: string, next: string) =>
      (await world.graphql(`mutation ($a: String!, $b: String!) { changePassword(input: { currentPassword: $a, newPassword: $b }) { ${error} ${problems} ... on ChangePasswordSuccess { endedSessions } } }`, { a: currentPassword, b: next }, ana.token)).data!['changePassword'];
    expect(await change('wrong', newPassword)).toMatchObject({ __typename: 'SignInRefusedError', code: 'sign_in_refused' });
    expect(await change(password, 'short')).toMatchObject({ __typename: 'InvalidInputError' });
    expect(await change(password, newPassword)).toMatchObject({ __typename: 'ChangePasswordSuccess', endedSessions: 1 });
    expect((await world.graphql('{ viewer { role } }', {}, ana.token)).status).toBe(200);
    await withinASecond(async () => (await world.graphql('{ viewer { role } }', {}, other)).status === 401);
  });
});

describe('the sessions', () => {
  const list = (member: Member, personId?: string) =>
    world.graphql('query ($id: ID) { sessions(personId: $id) { id tenantName method address userAgent isCurrent createdAt lastUsedAt expiresAt } }', { id: personId }, member.token);

  it('are listed and ended, one’s own and those of a member', async () => {
    const ana = await world.tenant('lister');
    const guest = await world.member(ana.actor.tenantId, 'VIEWER');
    await world.graphql(signIn, { email: ana.email, password }, undefined, { 'user-agent': 'another browser' });
    const { data } = await list(ana);
    expect(data!['sessions']).toEqual([
      expect.objectContaining({ isCurrent: false, address: '127.0.0.1', userAgent: 'another browser', method: 'PASSWORD', tenantName: 'lister' }),
      expect.objectContaining({ isCurrent: true, id: ana.actor.sessionId }),
    ]);
    expect((await list(guest, ana.actor.personId)).errors[0]!.extensions['code']).toBe('FORBIDDEN');
    expect((await list(ana, guest.actor.personId)).data!['sessions']).toHaveLength(1);

    const revoke = async (member: Member, id: string) =>
      (await world.graphql(`mutation ($id: ID!) { revokeSession(input: { id: $id }) { ${error} ... on RevokeSessionSuccess { sessionId } } }`, { id }, member.token)).data!['revokeSession'].__typename;
    expect(await revoke(guest, ana.actor.sessionId)).toBe('NotFoundError');
    expect(await revoke(ana, 'not an id')).toBe('NotFoundError');
    expect(await revoke(ana, guest.actor.sessionId)).toBe('RevokeSessionSuccess');
    const others = await world.graphql('mutation { revokeOtherSessions { ... on RevokeOtherSessionsSuccess { endedSessions } } }', {}, ana.token);
    expect(others.data!['revokeOtherSessions']).toEqual({ endedSessions: 1 });
    expect((await list(ana)).data!['sessions']).toHaveLength(1);
  });

  it('are nothing that an API key has', async () => {
    const ana = await world.tenant('keyed');
    const key = await world.apiKey(ana, ['ADMIN']);
    for (const query of ['{ sessions { id } }', 'mutation { revokeOtherSessions { __typename } }', 'mutation { beginSecondFactor(input: { password: "x" }) { __typename } }', 'mutation { signOut { __typename } }']) {
      const answer = await world.graphql(query, {}, key);
      expect([query, answer.errors[0]?.extensions['code']]).toEqual([query, 'BAD_USER_INPUT']);
    }
  });
});
