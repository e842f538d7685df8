import { createHmac, randomBytes } from 'node:crypto';

const prefix = 'whsec_';
const secretBytes = 24;

/** A new secret in the notation of Standard Webhooks: `whsec_` and 24 random bytes as base64. */
export const newWebhookSecret = (): string => `${prefix}${randomBytes(secretBytes).toString('base64')}`;

export interface SignedMessage {
  /** of the delivery: the same for every try */
  id: string;
  /** seconds since 1970 */
  timestamp: number;
  body: string;
}

/** The headers of Standard Webhooks 1.0.0: one signature (HMAC-SHA256 over id, timestamp and body) for each secret in force. */
export function signatureHeaders({ id, timestamp, body }: SignedMessage, secrets: readonly string[]): Record<string, string> {
  const signed = `${id}.${timestamp}.${body}`;
  const signatures = secrets.map((secret) => `v1,${createHmac('sha256', Buffer.from(secret.slice(prefix.length), 'base64')).update(signed).digest('base64')}`);
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') };
}
