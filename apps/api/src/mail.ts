import type { Mail, MailMessage } from '@millrace/auth';
import { createTransport } from 'nodemailer';

export interface MailSettings {
  /** smtp:// or smtps://, with user and password if the server wants them */
  smtpUrl: string;
  /** the address that the mails come from */
  from: string;
  /** where people reach the console: the links lead there */
  publicUrl: string;
}

const timeoutMs = 15_000;

/** Writes the product's letters and hands them to a mail server. */
export function createMail({ smtpUrl, from, publicUrl }: MailSettings): Mail & { close(): void } {
  const url = new URL(smtpUrl);
  const isEncrypted = url.protocol === 'smtps:';
  const transport = createTransport({
    host: url.hostname,
    port: url.port ? Number(url.port) : isEncrypted ? 465 : 587,
    secure: isEncrypted,
    ...(url.username ? { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } } : {}),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send(message) {
      await transport.sendMail({ from, to: { name: message.name, address: message.to }, headers: { 'auto-submitted': 'auto-generated' }, ...letterOf(message, publicUrl) });
    },
    close: () => transport.close(),
  };
}

function letterOf({ name, token }: MailMessage, publicUrl: string): { subject: string; text: string } {
  // In the fragment, which browsers send to no server: it stands in no log.
  const link = `${publicUrl.replace(/\/+$/, '')}/reset#token=${token}`;
  return {
    subject: 'Choose a new password for Millrace',
    text: [
      `Hello ${name},`,
      'somebody, hopefully you, has asked for a new password for Millrace. Choose it here, once, within an hour:',
      link,
      'All your sessions end with it. If it was not you, do nothing: your password stays as it is.',
    ].join('\n\n'),
  };
}
