import { jsonLengthHeader } from './binary-body.ts';
import type { Exchange } from './exchange.ts';

const methods = ['GET', 'POST'].join(', ');
const asked = ['authorization', 'x-api-key', 'content-type', 'content-encoding', jsonLengthHeader, 'accept', 'x-request-id', 'idempotency-key', 'prefer', 'x-millrace-model-version'].join(', ');
const told = [
  jsonLengthHeader, 'x-request-id', 'retry-after', 'x-millrace-error-code', 'x-millrace-prediction-id', 'x-millrace-model-version', 'x-millrace-variant',
  'x-millrace-cost-units', 'x-millrace-budget-remaining', 'x-millrace-quota-notice', 'idempotent-replayed', 'x-millrace-overhead-ms', 'x-millrace-warnings', 'x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests', 'ratelimit', 'ratelimit-policy',
].join(', ');
const rememberSeconds = 600;

/**
 * Pages of these origins may call with a key that they hold; nothing is ever sent along by the browser itself. Of others, no browser
 * shows a page what it was answered.
 * @returns whether a request is a browser's question whether a page may ask: the answer then has all that belongs into it, and no body
 */
export function createForeignPages(listed: readonly string[]): (exchange: Exchange) => boolean {
  const origins = new Set(listed);
  return (exchange) => {
    if (origins.size === 0) return false;
    const { headers: { origin, 'access-control-request-method': wanted }, method } = exchange;
    exchange.setHeader('vary', 'Origin');
    if (origin === undefined || !origins.has(origin)) return false;
    exchange.setHeader('access-control-allow-origin', origin).setHeader('access-control-expose-headers', told);
    if (method !== 'OPTIONS' || wanted === undefined) return false;
    exchange.setHeader('access-control-allow-methods', methods).setHeader('access-control-allow-headers', asked).setHeader('access-control-max-age', String(rememberSeconds));
    exchange.status = 204;
    return true;
  };
}
