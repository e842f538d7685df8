import { DomainError } from '@millrace/kernel';
import type { FastifyInstance } from 'fastify';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Bodies of JSON are UTF-8, and nothing in them is guessed: decoding as usual puts a question mark for every byte that it
 * does not know, and a name would be stored that nobody has sent. Keys that change prototypes are refused by the parser.
 */
export function acceptJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const charset = /;\s*charset\s*=\s*"?([^;"\s]*)/i.exec(request.headers['content-type'] ?? '')?.[1];
    if (charset !== undefined && charset.toLowerCase() !== 'utf-8') return done(notUtf8('The body is sent in another encoding than UTF-8.'));
    let text: string;
    try {
      text = utf8.decode(body);
    } catch {
      return done(notUtf8('The body is not UTF-8.'));
    }
    void parse(request, text, done);
  });
}

function notUtf8(message: string): DomainError {
  return new DomainError('INVALID', message, { field: 'body', remedy: 'Send JSON in UTF-8, with Content-Type: application/json.' });
}
