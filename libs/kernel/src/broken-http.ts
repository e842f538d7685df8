import type { Socket } from 'node:net';

/** Why what came in never became a request. */
export interface BrokenHttp {
  code: 'request_timeout' | 'headers_too_large' | 'malformed_http';
  message: string;
  remedy: string;
}

const remedy = 'Send the whole request again, well-formed.';
const late = { status: '408 Request Timeout', fault: { code: 'request_timeout', message: 'The request did not arrive in time.', remedy } } as const;
const large = { status: '431 Request Header Fields Too Large', fault: { code: 'headers_too_large', message: 'The headers are too large.', remedy } } as const;
const malformed = { status: '400 Bad Request', fault: { code: 'malformed_http', message: 'This is no HTTP request, or it broke off half way.', remedy } } as const;

/**
 * Answers what is no HTTP, or no more of it than a part: on the bare socket, if that can be written to.
 * @param answerTo in the words of the server's other errors; its headers are fit for the wire
 */
export function createBrokenHttpRefusal(answerTo: (fault: BrokenHttp) => { body: object; headers?: Readonly<Record<string, string>> }) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const { status, fault } = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? late : error.code === 'HPE_HEADER_OVERFLOW' ? large : malformed;
    const { body, headers = {} } = answerTo(fault);
    const text = JSON.stringify(body);
    const lines = Object.entries({ 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text), ...headers, connection: 'close' });
    socket.end(`HTTP/1.1 ${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`);
  };
}
