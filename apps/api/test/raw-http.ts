import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends bytes as they are, and returns what comes back until the server closes. */
export async function exchangeBytes(url: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined); // refused before all of it was sent
  socket.end(bytes);
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  await once(socket, 'close');
  return answer;
}
