import { newWebhookSecret, signatureHeaders } from './webhook-signature.ts';

it('signs as the reference implementation of Standard Webhooks does, once for each secret', () => {
  // From the tests of that implementation.
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1614265330, body: '{"test": 2432232314}' };
  const signature = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
  expect(signatureHeaders(message, [secret])).toEqual({ 'webhook-id': message.id, 'webhook-timestamp': '1614265330', 'webhook-signature': signature });
  expect(signatureHeaders(message, [newWebhookSecret(), secret])['webhook-signature']).toMatch(new RegExp(`^v1,\\S{44} ${signature.replaceAll('+', '\\+')}$`));
});
