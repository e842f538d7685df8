import { isUtf8 } from 'node:buffer';
import { parseByPieces } from './json-pieces.ts';
import { RequestError } from './request-error.ts';

const maxDepth = 32;

export interface JsonBody {
  value: unknown;
  /** holds NaN or Infinity, which JSON has not: kept so that the row and field can be named, never accepted */
  hasNonFinite: boolean;
}

/**
 * Reads a JSON text that a stranger sent: bounded depth, valid UTF-8, no `__proto__` key. A text that is JSON but for
 * bare NaN and Infinity (as Python writes them) is read with those numbers in place.
 */
export function parseJsonBody(bytes: Buffer): JsonBody {
  refuseEncoding(bytes);
  refuseDepth(bytes);
  const body: JsonBody = { value: null, hasNonFinite: false };
  body.value = parsePiece(bytes.toString('utf8'), 0, body);
  return body;
}

/** As `parseJsonBody`, piece by piece: a large body takes a thread for as long as a second if somebody means it to. */
export async function parseLargeJsonBody(bytes: Buffer, pieceBytes?: number): Promise<JsonBody> {
  refuseEncoding(bytes);
  const body: JsonBody = { value: null, hasNonFinite: false };
  body.value = await parseByPieces(bytes, {
    parse: (text, at) => parsePiece(text, at, body),
    broken: notJson,
    enter(depth) {
      if (depth > maxDepth) throw nestedTooDeeply();
    },
    ...(pieceBytes === undefined ? {} : { pieceBytes }),
  });
  return body;
}

function refuseEncoding(bytes: Buffer): void {
  if (bytes.length === 0) throw malformed('The body is empty.');
  if (!isUtf8(bytes)) throw malformed('The body is not UTF-8.');
}

function parsePiece(text: string, at: number, body: JsonBody): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    value = parseWithNonFinite(text, at, error as Error);
    body.hasNonFinite = true;
  }
  // A key can hide behind escapes, so any escaped text is looked through as well.
  if (text.includes('__proto__') || text.includes('\\u')) refusePrototypeKeys(value);
  return value;
}

export function nonFiniteJson(): RequestError {
  return malformed('The body is not JSON: it holds NaN or Infinity.');
}

function malformed(message: string): RequestError {
  return new RequestError(400, 'malformed_json', message, { remedy: 'Send a JSON text (RFC 8259); it knows neither NaN nor Infinity.' });
}

const notJson = (reason: string): RequestError => malformed(`The body is not JSON: ${reason}`);

const nestedTooDeeply = (): RequestError =>
  new RequestError(400, 'nested_too_deeply', `The body is nested more than ${maxDepth} levels deep.`, { remedy: 'Send rows as the documentation shows: GET /docs.' });

const quote = 0x22;
const backslash = 0x5c;

/** Looks at the bytes before anything is built from them: a million brackets cost a megabyte to send and much more to hold. */
function refuseDepth(bytes: Buffer): void {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inText) {
      if (byte === backslash) i++;
      else if (byte === quote) inText = false;
    } else if (byte === quote) {
      inText = true;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth) throw nestedTooDeeply();
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
    }
  }
}

const bareWords: Record<string, number> = { NaN, Infinity, '-Infinity': -Infinity };
const marker = '\u0000non-finite ';
/** Enough to name what is wrong; with more, the text is no JSON and that is all there is to say. */
const mostMarked = 1000;

function parseWithNonFinite(text: string, at: number, original: Error): unknown {
  const marked = markNonFinite(text);
  if (marked === text) throw notJson(describeSyntaxError(original, at));
  try {
    return JSON.parse(marked, (_key, value: unknown) =>
      typeof value === 'string' && value.startsWith(marker) ? bareWords[value.slice(marker.length)] : value,
    );
  } catch {
    throw notJson(describeSyntaxError(original, at));
  }
}

/** Goes through the text once. A pattern that knew texts in quotes would try every quote of one that never ends anew. */
function markNonFinite(text: string): string {
  const token = /"|-?\b(?:NaN|Infinity)\b/g;
  const parts: string[] = [];
  let copied = 0;
  for (let found = token.exec(text); found && parts.length < 2 * mostMarked; found = token.exec(text)) {
    if (found[0] === '"') {
      token.lastIndex = endOfText(text, found.index + 1);
    } else {
      parts.push(text.slice(copied, found.index), JSON.stringify(marker + found[0]));
      copied = token.lastIndex;
    }
  }
  return parts.join('') + text.slice(copied);
}

/** The position after the quote that closes a text, or the end of it all. */
function endOfText(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === backslash) i++;
    else if (code === quote) return i + 1;
  }
  return text.length;
}

/** The engine's message quotes the text; only the place is of use. */
function describeSyntaxError(error: Error, at: number): string {
  const position = /at position (\d+)/.exec(error.message)?.[1];
  return position === undefined ? 'it ends early or is no JSON at all.' : `it breaks off at byte ${at + Number(position)}.`;
}

function refusePrototypeKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Object.hasOwn(value, '__proto__')) {
    throw new RequestError(400, 'forbidden_key', 'The body has a key "__proto__".', { field: '__proto__', remedy: 'Leave it out, or rename the feature.' });
  }
  for (const item of Object.values(value)) refusePrototypeKeys(item);
}
