import type { Secret } from './secret.ts';

const hidden = '(hidden)';
/** A shorter one may be an ordinary word, which would make holes in every line. */
const shortestSecret = 8;

/** Without one of these, in small letters, a line can hold nothing of the shapes below; nearly all lines have none. */
const marks = [
  'mr_', 'eyj', 'ses_', 'passw', 'passphrase', 'secret', 'token', 'pepper', 'authori', 'bearer', 'basic', 'apikey', 'api-key', 'api_key', 'cookie',
  'credential', 'private', 'recovery', 'hmac', 'code=', 'code%3d', 'state=', 'state%3d',
];

function isSuspicious(line: string): boolean {
  const small = line.toLowerCase();
  return marks.some((mark) => small.includes(mark)) || (small.includes('://') && small.includes('@'));
}

/** What can be known by its shape alone. Each matches in linear time, whatever a client makes a line hold. */
const shapes: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)(\s+|%20)(?!realm=)[\w.~+/=-]{8,}/gi, `$1$2${hidden}`],
  // API keys
  [/mr_(live|test)_[\w-]{4,}/g, `mr_$1_${hidden}`],
  // JSON in base64url, and what follows it behind dots: a JSON Web Token, whole or cut off
  [/eyJ[\w-]{8,}(?:\.[\w-]*)*/g, hidden],
  // refresh tokens: the session may be told
  [/(ses_[0-9a-z]{26})\.[\w-]{8,}(?:\.[\w-]*)?/g, `$1.${hidden}`],
  // in the query or the fragment of an address, or in a form: one-use links, codes of a sign-in elsewhere
  [/((?:[?#&]|%3f|%23|%26)(?:code|state)(?:=|%3d))[^\s&"'\\#]+/gi, `$1${hidden}`],
  [/((?:pass(?:word|wd|phrase)|secret|token|pepper|api[-_]?key|credential)\w{0,40}(?:=|%3d))[^\s&"'\\#;,]+/gi, `$1${hidden}`],
  // the password of a connection's address; a port may be followed by a path with an @
  [/(:\/\/[^\s/:@"\\]{0,200}:)(?!\d{1,5}[/?#"\\\s])[^\s"]{1,500}@/g, `$1${hidden}@`],
];

/** A name that promises a secret, then a quotation mark: of JSON, of JSON within JSON, of GraphQL, of an inspected object, of a list of headers. */
const namedValue = /(?:pass(?:word|wd|phrase)|secret|token|pepper|authori[sz]ation|api[-_]?key|cookie|credential|private[-_]?key|recovery[-_]?code|hmac)[\w-]{0,40}(?:\\{0,15}["'`])?\s{0,4}([:=,])\s{0,4}(\\{0,15})(["'`])/gi;

/**
 * For finished log lines, as the last thing before they are written: replaces whatever has the shape of a credential
 * and, wherever they occur, the secrets that this process was given. A line of JSON stays one.
 */
export function createLogScrubber(secrets: readonly Secret[] = []): (line: string) => string {
  const known = secrets.flatMap((secret) => spellingsOf(secret.reveal())).sort((a, b) => b.length - a.length);
  return (line) => {
    let scrubbed = line;
    for (const text of known) if (scrubbed.includes(text)) scrubbed = scrubbed.replaceAll(text, hidden);
    if (!isSuspicious(scrubbed)) return scrubbed;
    // By name first: a value that is named is hidden as a whole, be there a space or a quotation mark in it.
    scrubbed = hideNamedValues(scrubbed);
    for (const [shape, replacement] of shapes) scrubbed = scrubbed.replace(shape, replacement);
    return scrubbed;
  };
}

/** The ways in which a secret may stand in a line: as it is, as JSON, JSON within JSON or an address has it, and a password without its address. */
function spellingsOf(secret: string): string[] {
  const texts = [secret];
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^/@]*?:([^@]*)@/i.exec(secret)?.[1];
  if (password !== undefined) texts.push(password, decoded(password));
  const asJson = (text: string): string => JSON.stringify(text).slice(1, -1);
  const spellings = texts.flatMap((text) => [text, asJson(text), asJson(asJson(text)), encodeURIComponent(text)]);
  return [...new Set(spellings)].filter((text) => text.length >= shortestSecret);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function hideNamedValues(line: string): string {
  let result = '';
  let done = 0;
  namedValue.lastIndex = 0;
  for (let match = namedValue.exec(line); match; match = namedValue.exec(line)) {
    const begin = namedValue.lastIndex;
    const [, separator, backslashes, quote] = match as unknown as [string, string, string, string];
    const end = endOfValue(line, begin, backslashes.length, quote);
    if (separator === ',' && /^\\*["'`]\s*:/.test(line.slice(end, end + 20))) continue; // no value: the name of the next one
    result += line.slice(done, begin) + (end > begin ? hidden : '');
    done = end;
    namedValue.lastIndex = end;
  }
  return result + line.slice(done);
}

/**
 * Where a quoted value ends. A quotation mark inside JSON that lies in JSON carries one, three, seven … backslashes, and
 * those that the value itself holds come in front: the ones at the end of their count, written in binary, tell how deep
 * a mark lies. A value that was cut off ends where something around it ends.
 */
function endOfValue(line: string, begin: number, backslashes: number, quote: string): number {
  const depth = quote === '"' ? trailingOnes(backslashes) : 0;
  for (let i = begin; i < line.length; i++) {
    const character = line[i];
    if (character !== quote && character !== '"') continue;
    let escapes = 0;
    while (i - escapes > begin && line[i - escapes - 1] === '\\') escapes++;
    if (character !== '"') {
      if (escapes === backslashes) return i - escapes;
      continue;
    }
    const level = trailingOnes(escapes);
    if (level <= depth) return i - (2 ** level - 1);
  }
  return line.endsWith('\n') ? line.length - 1 : line.length;
}

function trailingOnes(count: number): number {
  let ones = 0;
  for (let rest = count; rest & 1; rest >>= 1) ones++;
  return ones;
}
