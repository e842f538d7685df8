import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { watchConnections } from './open-connections.ts';

/** Answers when told to. */
async function listening(): Promise<{ server: Server; responses: ServerResponse[]; open(): Promise<Socket>; close(): Promise<unknown> }> {
  const responses: ServerResponse[] = [];
  const server = createServer((_request, response) => void responses.push(response));
  const connections = watchConnections(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    responses,
    async open() {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      await Promise.all([once(socket, 'connect'), once(server, 'connection')]);
      return socket;
    },
    close() {
      const closed = once(server, 'close');
      connections.endSilent(20);
      server.close();
      return closed;
    },
  };
}

it.each(['', 'GET / HTTP/1.1\r\nHost: x\r\nX-Half: '])('a client that has sent %j does not hold up the server', async (sent) => {
  const { open, close } = await listening();
  const socket = await open();
  socket.write(sent);
  const ended = once(socket, 'close');
  await close();
  await ended;
});

it('a request that is under way is answered to its end', async () => {
  const { server, responses, open, close } = await listening();
  const [silent, asking] = [await open(), await open()];
  asking.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await once(server, 'request');
  const closed = close();
  await once(silent, 'close');
  responses[0]!.end('late');
  let answer = '';
  for await (const part of asking) answer += String(part);
  expect(answer).toMatch(/^HTTP\/1.1 200 OK[^]*late/);
  await closed;
});

it('a connection on which all has been answered is silent again', async () => {
  const { server, responses, open, close } = await listening();
  const socket = await open();
  socket.resume();
  // Two at once: as long as one of them is under way, it is not.
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2));
  while (responses.length < 2) await once(server, 'request');
  const finished = Promise.all(responses.map((response) => once(response, 'close')));
  for (const response of responses) response.end();
  await finished;
  socket.write('GET / HTTP/1.1\r\nX-Half: ');
  await close();
});

it('only the last of the requests on a connection may end it, even where it is answered at once', async () => {
  const last: boolean[] = [];
  const server = createServer((request, response) => {
    last.push(connections.isLast(request));
    response.end();
  });
  const connections = watchConnections(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.resume().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2));
  while (last.length < 2) await once(server, 'request');
  expect(last).toEqual([true, true]); // the second was not there yet
  const gone = connections.gone();
  socket.end();
  await gone;
  await connections.gone(); // none is left to wait for
  server.close();
});

it('a connection on which nobody asks any more keeps nothing of what was asked', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let asked: WeakRef<object> | undefined;
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    asked = new WeakRef(request);
    request.on('end', () => response.end('so')).resume();
  });
  const connections = watchConnections(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi');
  await once(socket, 'data');
  for (let i = 0; i < 5 && asked!.deref(); i++) {
    await new Promise((resolve) => setImmediate(resolve)); // what a reference was looked at in keeps it until then
    collect();
  }
  expect(asked!.deref()).toBeUndefined();
  const gone = connections.gone();
  socket.end();
  await gone;
  server.close();
});
