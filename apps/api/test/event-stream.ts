import type { GraphqlAnswer } from './api-world.ts';

type Result = Partial<Pick<GraphqlAnswer, 'data' | 'errors'>>;

/** The results of a subscription over server-sent events. Ends with the stream; stopping early closes it. */
export async function* subscribeOverHttp(url: string, query: string, variables: object, credential?: string): AsyncGenerator<Result, void, void> {
  const aborted = new AbortController();
  const response = await fetch(`${url}/graphql/stream`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      ...(credential ? { authorization: `Bearer ${credential}` } : {}),
    },
    body: JSON.stringify({ query, variables }),
    signal: aborted.signal,
  });
  if (!response.headers.get('content-type')?.includes('text/event-stream')) {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    yield { errors: [{ message: error.message, extensions: { code: error.code } }] };
    return;
  }
  let buffer = '';
  try {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      buffer += chunk;
      const messages = buffer.split('\n\n');
      buffer = messages.pop()!;
      for (const message of messages) {
        const event = /^event: (.+)$/m.exec(message)?.[1];
        if (event === 'complete') return;
        if (event === 'next') yield JSON.parse(/^data: (.+)$/m.exec(message)![1]!) as Result;
      }
    }
  } finally {
    aborted.abort();
  }
}
