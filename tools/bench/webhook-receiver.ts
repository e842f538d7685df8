import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedEvent {
  body: string;
  /** when each try of it came, in milliseconds */
  tries: number[];
  /** whether one of them was answered with 200 */
  isConfirmed: boolean;
}

export interface WebhookReceiver {
  url: string;
  /** by webhook-id */
  received: Map<string, ReceivedEvent>;
  /** how often it answered in which way */
  answers: Record<string, number>;
  faults: string[];
  tries(): number;
  /** From now on it answers well, and nobody looks at when something comes. */
  behave(): void;
  close(): void;
}

/** The first try again is after five seconds, a fifth less or more. */
const soonestAgainMs = 4_000;
const toleranceSeconds = 300;

/**
 * A partner's receiver on 127.0.0.2, which checks each delivery as Standard Webhooks 1.0.0 has it, by nothing but the secret that
 * it was given. One in four it does not take well: it answers 500, cuts off, takes its time, or never answers.
 */
export async function startReceiver(secret: string, random: () => number): Promise<WebhookReceiver> {
  const received = new Map<string, ReceivedEvent>();
  const answers: Record<string, number> = {};
  const faults: string[] = [];
  let behaves = false;

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    // A delivery whose sender dies while it sends is none.
    request.on('error', () => undefined).on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => take(request, Buffer.concat(chunks).toString(), response));
  }).listen(0, '127.0.0.2');
  await once(server, 'listening');

  function take({ headers }: IncomingMessage, body: string, response: ServerResponse): void {
    const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => String(headers[name] ?? '')) as [string, string, string];
    const expected = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64')).update(`${id}.${timestamp}.${body}`).digest();
    const isSigned = signatures.split(' ').some((each) => {
      const given = Buffer.from(each.replace('v1,', ''), 'base64');
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
    if (!isSigned) faults.push(`${id} has no signature of ours`);
    if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) < toleranceSeconds)) faults.push(`${id} has the timestamp ${timestamp}`);
    const event = received.get(id) ?? { body, tries: [], isConfirmed: false };
    received.set(id, event);
    if (event.body !== body) faults.push(`${id} came again with another body`);
    const now = performance.now();
    if (!behaves && event.tries.length && now - event.tries.at(-1)! < soonestAgainMs) faults.push(`${id} came again after ${Math.round(now - event.tries.at(-1)!)} ms`);
    event.tries.push(now);
    answer(event, response);
  }

  function answer(event: ReceivedEvent, response: ServerResponse): void {
    const luck = behaves ? 1 : random();
    const confirm = (): void => {
      event.isConfirmed = true;
      response.writeHead(200).end();
    };
    const note = (what: string): void => void (answers[what] = (answers[what] ?? 0) + 1);
    if (luck < 0.08) {
      note('500');
      response.writeHead(500).end('this is nobody’s business');
    } else if (luck < 0.12) {
      note('cut off');
      response.destroy();
    } else if (luck < 0.13) {
      note('never'); // the sender gives up, or dies before
    } else if (luck < 0.25) {
      note('200, late');
      setTimeout(confirm, random() * 1_000);
    } else {
      note('200');
      confirm();
    }
  }

  return {
    url: `http://127.0.0.2:${(server.address() as AddressInfo).port}`,
    received,
    answers,
    faults,
    tries: () => [...received.values()].reduce((total, { tries }) => total + tries.length, 0),
    behave: () => void (behaves = true),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
