import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { readWhole } from './whole-body.ts';

/** As one that the parser has read the head of, and so much of the body. */
function requestWith(headers: Record<string, string>, ...parts: string[]): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  Object.assign(request.headers, headers);
  for (const part of parts) request.push(Buffer.from(part));
  return request;
}
const length = (bytes: number) => ({ 'content-length': String(bytes) });
function complete(request: IncomingMessage): IncomingMessage {
  request.complete = true;
  request.push(null);
  return request;
}

it('a body that is there comes at once, in one piece; one that is under way by a promise', async () => {
  expect(readWhole(complete(requestWith(length(6), 'abc', 'def')), 6)).toEqual(Buffer.from('abcdef'));
  expect(readWhole(complete(requestWith({ 'content-type': 'application/json' })), 6)).toEqual(Buffer.alloc(0));
  expect(readWhole(complete(requestWith(length(0))), 6)).toBeNull();
  const late = requestWith(length(6), 'abc');
  const reading = readWhole(late, 6);
  late.push(Buffer.from('def'));
  complete(late);
  expect(await reading).toEqual(Buffer.from('abcdef'));
});

it('one byte too many is refused, however it comes', async () => {
  const refused = expect.objectContaining({ status: 413, code: 'body_too_large' });
  await expect(readWhole(requestWith(length(7)), 6)).rejects.toEqual(refused);
  await expect(readWhole(complete(requestWith({ 'transfer-encoding': 'chunked' }, 'abcd', 'efg')), 6)).rejects.toEqual(refused);
  const endless = requestWith({ 'transfer-encoding': 'chunked' }, 'abcd');
  const reading = readWhole(endless, 6);
  endless.push(Buffer.from('efg'));
  await expect(reading).rejects.toEqual(refused);
});

it('who hangs up half way is waited for no longer, and neither is who hung up before', async () => {
  const refused = expect.objectContaining({ status: 400, code: 'body_cut_off' });
  const meanwhile = requestWith(length(6), 'abc');
  const reading = readWhole(meanwhile, 6);
  meanwhile.destroy(new Error('aborted'));
  await expect(reading).rejects.toEqual(refused);
  const before = requestWith(length(6), 'abc');
  before.destroy();
  await new Promise((resolve) => before.once('close', resolve));
  await expect(readWhole(before, 6)).rejects.toEqual(refused);
});
