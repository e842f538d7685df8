import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { subscribeOverHttp } from '../event-stream.ts';

/** What a subscription sends: results, and at the end how it ended. */
export type Follow = (url: string, query: string, variables: Record<string, unknown>, credential: string | undefined) => AsyncGenerator<object, void, void>;

async function* overEventStream(url: string, query: string, variables: Record<string, unknown>, credential: string | undefined): AsyncGenerator<object, void, void> {
  yield* subscribeOverHttp(url, query, variables, credential);
}

async function* overWebSocket(url: string, query: string, variables: Record<string, unknown>, credential: string | undefined): AsyncGenerator<object, void, void> {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    ...(credential ? { connectionParams: { authorization: `Bearer ${credential}` } } : {}),
    retryAttempts: 0,
  });
  try {
    for await (const result of client.iterate({ query, variables })) yield result;
  } catch (error) {
    const { code, reason } = error as { code?: number; reason?: string };
    yield { closed: code ?? String(error), reason };
  } finally {
    await client.dispose();
  }
}

export const transports: Record<string, Follow> = { 'event stream': overEventStream, WebSocket: overWebSocket };
