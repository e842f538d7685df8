import { createHmac, createPublicKey, createSign, createCipheriv, createHash, generateKeyPairSync, type KeyObject, randomBytes, sign as signWith } from 'node:crypto';
import { connect } from 'node:net';
import { crc32 } from 'node:zlib';

/**
 * Credentials that must be accepted nowhere. Both apps and the auth lib drive the same ones through every entry point.
 * What is checked here is written down a second time on purpose: a corpus that called the product's own code would move
 * with its mistakes.
 */
export interface BadCredential {
  name: string;
  text: string;
}

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function crcOf(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < 6; i++) {
    text = base62[rest % 62]! + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

const withCrc = (body: string): string => body + crcOf(body);
const reversed = (text: string): string => [...text].reverse().join('');
const otherCase = (text: string): string => text.replace(/[a-z]/gi, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));

/** Keys that are none, or not of whom they say. Each is as near to the valid key as its fault allows. */
export function malformedKeys(validKey: string): BadCredential[] {
  const [, id = '', rest = ''] = /^mr_live_([0-9A-Za-z]{10})_([0-9A-Za-z]{49})$/.exec(validKey) ?? [];
  if (!id) throw new Error('the corpus needs a key of the documented shape to start from');
  const [secret, crc] = [rest.slice(0, 43), rest.slice(43)];
  const body = `mr_live_${id}_${secret}`;
  const changed = (text: string): string => text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A');
  const [otherId, otherSecret] = ['Zz0'.repeat(4).slice(0, 10), 'Q9w'.repeat(15).slice(0, 43)];

  return Object.entries({
    // the prefix
    empty: '', 'prefix alone': 'mr_live_', 'prefix and separator': 'mr_live__', 'two letters': 'mr', 'no prefix': `${id}_${rest}`,
    'no id': withCrc(`mr_live__${secret}`),
    'prefix in capitals': withCrc(`MR_LIVE_${id}_${secret}`), 'kind in capitals': withCrc(`mr_LIVE_${id}_${secret}`),
    'capital first': withCrc(`Mr_live_${id}_${secret}`),
    'hyphens for underscores': withCrc(`mr-live-${id}-${secret}`), 'no separator': withCrc(`mr_live_${id}${secret}`),
    'two separators': withCrc(`mr_live_${id}__${secret}`),
    'another product': withCrc(`sk_live_${id}_${secret}`), 'another kind': withCrc(`mr_prod_${id}_${secret}`), 'kind left out': withCrc(`mr_${id}_${secret}`),
    'test for live': `mr_test_${id}_${rest}`, 'test for live, sum mended': withCrc(`mr_test_${id}_${secret}`), 'something before': `x${validKey}`,
    'prefix twice': `mr_live_${validKey}`,
    // lengths
    'last character missing': validKey.slice(0, -1), 'first character missing': validKey.slice(1), 'one character more': `${validKey}A`, 'no check sum': body,
    'short secret': withCrc(body.slice(0, -1)), 'long secret': withCrc(`${body}A`), 'no secret': withCrc(`mr_live_${id}_`),
    'half a secret': withCrc(`mr_live_${id}_${secret.slice(0, 21)}`),
    'short id': withCrc(`mr_live_${id.slice(1)}_${secret}`), 'long id': withCrc(`mr_live_${id}A_${secret}`), 'id alone': withCrc(`mr_live_${id}`),
    'twice in a row': validKey + validKey, 'a thousand times': validKey.repeat(1_000), 'a hundred thousand letters': `mr_live_${'A'.repeat(100_000)}`,
    'long tail': validKey + 'A'.repeat(8_000),
    // the alphabet
    ...Object.fromEntries([...'-+/=._~!$%*'].map((odd) => [`${odd} in the secret, sum mended`, withCrc(`mr_live_${id}_${odd}${secret.slice(1)}`)])),
    // the check sum
    'sum changed': changed(validKey), 'sum of zeros': `${body}000000`, 'sum of another key': body + crcOf(`mr_live_${otherId}_${otherSecret}`),
    'sum of the secret': body + crcOf(secret),
    'sum backwards': body + reversed(crc), 'sum in other case': body + (otherCase(crc) === crc ? '999999' : otherCase(crc)),
    'sum in hexadecimal': body + crc32(body).toString(16).slice(0, 6).padStart(6, '0'),
    'a character of the id changed': `mr_live_${changed(id)}_${rest}`, 'a character of the secret changed': `mr_live_${id}_${changed(secret)}${crc}`,
    // well-formed, but not of anybody
    'never made': withCrc(`mr_live_${otherId}_${otherSecret}`), 'right id, another secret': withCrc(`mr_live_${id}_${otherSecret}`),
    'another id, right secret': withCrc(`mr_live_${otherId}_${secret}`),
    'secret backwards': withCrc(`mr_live_${id}_${reversed(secret)}`), 'secret in other case': withCrc(`mr_live_${id}_${otherCase(secret)}`),
    'secret turned by one': withCrc(`mr_live_${id}_${secret.slice(1)}${secret[0]}`),
    'last character of the secret changed': withCrc(changed(body)), 'secret of zeros': withCrc(`mr_live_${id}_${'0'.repeat(43)}`),
    'id and secret swapped': withCrc(`mr_live_${secret.slice(0, 10)}_${id}${secret.slice(10)}`),
    'id in other case': withCrc(`mr_live_${otherCase(id)}_${secret}`),
    // case
    'all in lower case': validKey.toLowerCase(), 'all in capitals': validKey.toUpperCase(), 'all in other case': otherCase(validKey),
    // blanks
    'blank before': ` ${validKey}`, 'blank behind': `${validKey} `, 'tab before': `\t${validKey}`, 'tab behind': `${validKey}\t`,
    'line end behind': `${validKey}\n`, 'line end before': `\n${validKey}`,
    'CR LF behind': `${validKey}\r\n`, 'blank within': validKey.replace('_', '_ '), 'tab within': validKey.replace('_', '_\t'),
    'vertical tab behind': `${validKey}\u000b`, 'form feed behind': `${validKey}\f`,
    // NUL and other characters that some take for nothing
    'NUL before': `\0${validKey}`, 'NUL behind': `${validKey}\0`, 'NUL within': `${body}\0${crc}`, 'something behind NUL': `${validKey}\0admin`,
    'NUL percent-encoded': `${validKey}%00`, 'delete behind': `${validKey}\u007f`,
    'no-break space behind': `${validKey}\u00a0`, 'zero-width space within': validKey.replace('_', '_\u200b'),
    'zero-width joiner behind': `${validKey}\u200d`, 'byte order mark before': `\ufeff${validKey}`,
    'soft hyphen within': validKey.replace('_', '_\u00ad'), 'turned around': `\u202e${validKey}`, 'line separator behind': `${validKey}\u2028`,
    'half a surrogate pair behind': `${validKey}\ud800`,
    // look-alikes
    'Cyrillic e in live': withCrc(validKey.slice(0, -6).replace('live', 'liv\u0435')), 'Cyrillic i in live': validKey.replace('live', 'l\u0456ve'),
    'full-width m': validKey.replace('m', '\uff4d'),
    'full-width low line': validKey.replaceAll('_', '\uff3f'),
    'full-width all over': [...validKey].map((letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)).join(''),
    'combining mark within': validKey.replace('live', 'live\u0301'), 'dotless i': validKey.replace('live', 'l\u0131ve'),
    'long s for a letter': `${body.slice(0, -1)}\u017f${crc}`, 'Kelvin sign for a letter': `${body.slice(0, -1)}\u212a${crc}`,
    'Arabic digit in the secret': withCrc(`mr_live_${id}_\u0660${secret.slice(1)}`), 'an emoji': `${validKey}\u{1f511}`,
    // in other clothes
    'in quotes': `"${validKey}"`, 'in single quotes': `'${validKey}'`, 'in angle brackets': `<${validKey}>`, 'in brackets': `["${validKey}"]`,
    'as an object': JSON.stringify({ key: validKey }),
    'in base64': Buffer.from(validKey).toString('base64'), 'in base64url': Buffer.from(validKey).toString('base64url'),
    'in hexadecimal': Buffer.from(validKey).toString('hex'),
    'percent-encoded': validKey.replaceAll('_', '%5F'), 'backslashes': validKey.replaceAll('_', '\\_'), 'as a parameter': `key=${validKey}`,
    'with a fragment': `${validKey}#`, 'with a query': `${validKey}?admin=true`,
    'named Bearer': `Bearer ${validKey}`, 'named Bearer twice': `Bearer Bearer ${validKey}`,
    'named Basic': `Basic ${Buffer.from(`${validKey}:`).toString('base64')}`, 'as user and password': `${id}:${secret}`,
    'a list': `${validKey},${validKey}`, 'a list with a blank': `${validKey}, ${validKey}`,
    'a list with another': `${withCrc(`mr_live_${otherId}_${otherSecret}`)},${validKey}`, 'with a semicolon': `${validKey};${validKey}`,
    // for interpreters that are not there
    'SQL: always true': `' OR '1'='1`, 'SQL: comment': `${validKey}' --`, 'SQL: in the id': `mr_live_' OR 1=1 --_${rest}`,
    'SQL: another statement': `${validKey}'; DROP TABLE api_keys; --`,
    'SQL: union': `mr_live_' UNION SELECT secret_hmac FROM api_keys --`, 'SQL: wildcards': withCrc(`mr_live_${'%'.repeat(10)}_${'_'.repeat(43)}`),
    'a template': `\${${validKey}}`, 'a format': '%s%s%s%n', 'a path': `../../${validKey}`,
    'an operator': '{"$ne":null}', 'an object of nothing': '[object Object]', 'null': 'null', 'undefined': 'undefined', 'true': 'true', 'zero': '0',
    'a prototype': '__proto__', 'a shell': `$(echo ${validKey})`,
  }).map(([name, text]) => ({ name, text }));
}

/** Whether a text arrives as it is as the value of an HTTP header: line ends would end it, and blanks around it are no part of it. */
export const fitsIntoHeader = ({ text }: BadCredential): boolean => text !== '' && !/^[ \t]|[ \t]$|[\r\n]/.test(text);

export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** Ways to send a good credential that must get nobody in: in the wrong place, in the wrong words, or beside another one. */
export function confusedHeaders(valid: string, bad: string): { name: string; lines: HeaderLines }[] {
  const authorization = (value: string) => ['Authorization', value] as const;
  const key = (value: string) => ['X-API-Key', value] as const;
  const basic = `Basic ${Buffer.from(`${valid}:`).toString('base64')}`;
  return Object.entries<HeaderLines>({
    'two Authorization, the first good': [authorization(`Bearer ${valid}`), authorization(`Bearer ${bad}`)],
    'two Authorization, the second good': [authorization(`Bearer ${bad}`), authorization(`Bearer ${valid}`)],
    'two Authorization, both good': [authorization(`Bearer ${valid}`), authorization(`Bearer ${valid}`)],
    'two Authorization, one empty': [authorization(''), authorization(`Bearer ${valid}`)],
    'two Authorization in other case': [['authorization', `Bearer ${bad}`], ['AUTHORIZATION', `Bearer ${valid}`]],
    'Basic and Bearer': [authorization(basic), authorization(`Bearer ${valid}`)],
    'two X-API-Key, the first good': [key(valid), key(bad)],
    'two X-API-Key, the second good': [key(bad), key(valid)],
    'two X-API-Key, both good': [key(valid), key(valid)],
    'the headers disagree, Authorization is good': [authorization(`Bearer ${valid}`), key(bad)],
    'the headers disagree, X-API-Key is good': [authorization(`Bearer ${bad}`), key(valid)],
    'Basic beside a good X-API-Key': [authorization(basic), key(valid)],
    'empty Authorization beside a good X-API-Key': [authorization(''), key(valid)],
    'a list in Authorization': [authorization(`Bearer ${valid}, Bearer ${valid}`)],
    'a list in Authorization, the first good': [authorization(`Bearer ${valid}, Bearer ${bad}`)],
    'a list in Authorization, the second good': [authorization(`Bearer ${bad}, Bearer ${valid}`)],
    'a list in X-API-Key': [key(`${valid}, ${bad}`)],
    'a list in X-API-Key without a blank': [key(`${bad},${valid}`)],
    'no scheme': [authorization(valid)],
    'Basic': [authorization(basic)],
    'Basic with a plain key': [authorization(`Basic ${valid}`)],
    'Digest': [authorization(`Digest username="${valid}"`)],
    'Token': [authorization(`Token ${valid}`)],
    'ApiKey': [authorization(`ApiKey ${valid}`)],
    'Key': [authorization(`Key ${valid}`)],
    'DPoP': [authorization(`DPoP ${valid}`)],
    'Bearer alone': [authorization('Bearer')],
    'Bearer twice': [authorization(`Bearer Bearer ${valid}`)],
    'Bearer without a blank': [authorization(`Bearer${valid}`)],
    'Bearer with a colon': [authorization(`Bearer: ${valid}`)],
    'Bearer with an equals sign': [authorization(`Bearer=${valid}`)],
    'Bearer with a tab': [authorization(`Bearer\t${valid}`)],
    'Bearer with a no-break space': [authorization(`Bearer\u00a0${valid}`)],
    'Bearer in quotes': [authorization(`Bearer "${valid}"`)],
    'Bearer with a parameter': [authorization(`Bearer ${valid} realm="x"`)],
    'Bearer with a token68 list': [authorization(`Bearer ${valid} ${valid}`)],
    'Bearer folded': [authorization(`Bearer\r\n ${valid}`)],
    'Bearer within X-API-Key': [key(`Bearer ${valid}`)],
    'in Proxy-Authorization': [['Proxy-Authorization', `Bearer ${valid}`]],
    'in X-Authorization': [['X-Authorization', `Bearer ${valid}`]],
    'in Cookie': [['Cookie', `authorization=${valid}; token=${valid}; api_key=${valid}`]],
    'in a name with underscores': [['X_API_Key', valid]],
    'in Api-Key': [['Api-Key', valid]],
    'in X-Auth-Token': [['X-Auth-Token', valid]],
    'in Sec-WebSocket-Protocol': [['Sec-WebSocket-Protocol', valid]],
    'a blank before the colon': [['Authorization ', `Bearer ${valid}`]],
    'a blank before the name': [[' Authorization', `Bearer ${valid}`]],
    'in Referer': [['Referer', `https://example.com/?key=${valid}`]],
  }).map(([name, lines]) => ({ name, lines }));
}

type Json = Record<string, unknown>;

/** Of nobody whom the product knows: dear to make, and as good the next time. */
let strangersKeys: ReturnType<typeof makeKeys> | undefined;

function makeKeys() {
  return {
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ed: generateKeyPairSync('ed25519'),
  };
}

/**
 * Access tokens that are not ours, not any more, or of another kind. Most are signed with the right secret, as if it had
 * leaked or signed something else as well: then only what is checked beyond the signature stands in their way.
 * @param secret that signed the valid token
 * @param refreshToken of the same session
 */
export function forgedTokens(validToken: string, secret: string, refreshToken: string): BadCredential[] {
  const [head = '', payload = '', signature = ''] = validToken.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Json;
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Json;
  const now = Math.floor(Date.now() / 1000);
  const encode = (value: unknown): string => Buffer.from(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString('base64url');
  const hmac = (text: string, key: string | Buffer = secret, hash = 'sha256'): string => createHmac(hash, key).update(text).digest('base64url');
  /** As whoever has the secret would sign it. Texts are taken as JSON that is written out already. */
  const signed = (changedHeader: unknown, changedClaims: unknown, key: string | Buffer = secret, hash = 'sha256'): string => {
    const text = `${encode(changedHeader)}.${encode(changedClaims)}`;
    return `${text}.${hmac(text, key, hash)}`;
  };
  const claiming = (changes: Json): string => signed(header, { ...claims, ...changes });
  const headed = (changes: Json): string => signed({ ...header, ...changes }, claims);
  const without = (object: Json, name: string): Json => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
  const unsigned = (alg: unknown): string => `${encode({ ...header, alg })}.${payload}.`;

  const { rsa, ec, ed } = (strangersKeys ??= makeKeys());
  const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const publicJwk = createPublicKey(rsa.privateKey).export({ format: 'jwk' });
  const asymmetric = (changes: Json, sign: (text: string) => Buffer): string => {
    const text = `${encode({ ...header, ...changes })}.${payload}`;
    return `${text}.${sign(text).toString('base64url')}`;
  };
  const byRsa = (text: string): Buffer => createSign('sha256').update(text).sign(rsa.privateKey);
  const byKey = (key: KeyObject, hash: string | null) => (text: string): Buffer => signWith(hash, Buffer.from(text), hash ? { key, dsaEncoding: 'ieee-p1363' } : key);
  const encrypted = (): string => {
    const protectedHeader = encode({ alg: 'dir', enc: 'A256GCM', cty: 'JWT' });
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), iv).setAAD(Buffer.from(protectedHeader));
    const text = Buffer.concat([cipher.update(validToken), cipher.final()]);
    return [protectedHeader, '', iv.toString('base64url'), text.toString('base64url'), cipher.getAuthTag().toString('base64url')].join('.');
  };
  const lastOfSignature = base64urlNeighbour(signature.at(-1)!);
  const standard = (part: string): string => Buffer.from(part, 'base64url').toString('base64');
  const json = JSON.stringify(claims);

  const forgeries: Record<string, string> = {
    // no signature
    'alg none': unsigned('none'), 'alg None': unsigned('None'), 'alg NONE': unsigned('NONE'), 'alg nOnE': unsigned('nOnE'),
    'alg none with the old signature': `${encode({ ...header, alg: 'none' })}.${payload}.${signature}`,
    'alg left out': `${encode(without(header, 'alg'))}.${payload}.`, 'alg empty': unsigned(''), 'alg null': unsigned(null),
    'alg a list': headed({ alg: ['HS256'] }), 'alg with a blank': headed({ alg: 'HS256 ' }),
    'alg in lower case': headed({ alg: 'hs256' }), 'no signature': `${head}.${payload}.`, 'no signature and no dot': `${head}.${payload}`,
    // other algorithms
    HS384: signed({ ...header, alg: 'HS384' }, claims, secret, 'sha384'), HS512: signed({ ...header, alg: 'HS512' }, claims, secret, 'sha512'),
    'HS256 signed as HS512': signed(header, claims, secret, 'sha512'),
    'HS512 signed as HS256': headed({ alg: 'HS512' }), 'SHA-1': signed({ ...header, alg: 'HS1' }, claims, secret, 'sha1'),
    RS256: asymmetric({ alg: 'RS256' }, byRsa), 'RS256 signed with the secret': headed({ alg: 'RS256' }),
    'HS256 signed by RSA': asymmetric({}, byRsa), 'HS256 with a public key as secret': signed(header, claims, publicPem),
    'HS256 with a public JWK as secret': signed(header, claims, JSON.stringify(publicJwk)),
    PS256: asymmetric({ alg: 'PS256' }, byRsa), ES256: asymmetric({ alg: 'ES256' }, byKey(ec.privateKey, 'sha256')),
    EdDSA: asymmetric({ alg: 'EdDSA' }, byKey(ed.privateKey, null)), 'ES256 of zeros': asymmetric({ alg: 'ES256' }, () => Buffer.alloc(64)),
    // other secrets
    'another secret': signed(header, claims, 'another secret, which is long enough too'), 'empty secret': signed(header, claims, ''),
    'secret cut short': signed(header, claims, secret.slice(0, -1)), 'secret with a line end': signed(header, claims, `${secret}\n`),
    'secret in base64': signed(header, claims, Buffer.from(secret).toString('base64')),
    'secret in hexadecimal': signed(header, claims, Buffer.from(secret).toString('hex')),
    'secret hashed': signed(header, claims, createHash('sha256').update(secret).digest()),
    'secret in capitals': signed(header, claims, secret.toUpperCase()), 'the key id as secret': signed(header, claims, String(header['kid'])),
    'a common secret': signed(header, claims, 'secret'), 'a secret of one letter': signed(header, claims, 'a'.repeat(64)),
    // the key id
    'no kid': signed(without(header, 'kid'), claims), 'another kid': headed({ kid: '00000000' }), 'empty kid': headed({ kid: '' }),
    'kid null': headed({ kid: null }), 'kid a number': headed({ kid: 0 }), 'kid a list': headed({ kid: [header['kid']] }),
    'kid a path': signed({ ...header, kid: '../../../../dev/null' }, claims, ''),
    'kid SQL': signed({ ...header, kid: `' UNION SELECT 'secret` }, claims, 'secret'),
    'kid an address': headed({ kid: 'https://attacker.example/key' }),
    'kid a prototype': headed({ kid: '__proto__' }), 'kid a method': headed({ kid: 'constructor' }),
    'kid with NUL': headed({ kid: `${String(header['kid'])}\0` }), 'kid of ten thousand letters': headed({ kid: 'k'.repeat(10_000) }),
    // headers that lead somewhere
    jku: asymmetric({ alg: 'RS256', jku: 'https://attacker.example/jwks' }, byRsa),
    'jku, rightly signed': headed({ jku: 'https://attacker.example/jwks' }), x5u: headed({ x5u: 'https://attacker.example/cert' }),
    x5c: headed({ x5c: ['MIIB'] }),
    jwk: asymmetric({ alg: 'RS256', jwk: publicJwk }, byRsa), 'jwk, rightly signed': headed({ jwk: publicJwk }),
    'crit of exp': headed({ crit: ['exp'] }), 'crit of something unknown': headed({ crit: ['http://example.com/x'], 'http://example.com/x': true }),
    'crit empty': headed({ crit: [] }),
    'b64 false': headed({ b64: false, crit: ['b64'] }), zip: headed({ zip: 'DEF' }), 'cty JWT': headed({ cty: 'JWT' }),
    'an extra header': headed({ role: 'OWNER' }),
    // another kind of token
    'typ JWT': headed({ typ: 'JWT' }), 'no typ': signed(without(header, 'typ'), claims), 'typ in capitals': headed({ typ: 'AT+JWT' }),
    'typ spelled out': headed({ typ: 'application/at+jwt' }), 'typ of a refresh token': headed({ typ: 'rt+jwt' }),
    'typ of an id token': headed({ typ: 'id+jwt' }), 'typ null': headed({ typ: null }), 'typ a list': headed({ typ: ['at+jwt'] }),
    'a refresh token': refreshToken, 'a refresh token as payload': signed(header, refreshToken), 'the session’s id': String(claims['sid']),
    'an id token': signed({ alg: 'HS256', typ: 'JWT' }, { iss: 'millrace', aud: 'millrace', sub: claims['sub'], email: 'owner@example.com', iat: now, exp: now + 600 }),
    // time
    expired: claiming({ iat: now - 1_200, exp: now - 600 }), 'expired a second ago': claiming({ iat: now - 601, exp: now - 1 }),
    'issued in the future': claiming({ iat: now + 3_600, exp: now + 4_200 }), 'issued soon': claiming({ iat: now + 300, exp: now + 900 }),
    'not before an hour from now': claiming({ nbf: now + 3_600 }), 'not before now': claiming({ nbf: now - 1 }),
    'a longer life': claiming({ exp: now + 86_400 }), 'a life of a second more': claiming({ exp: Number(claims['exp']) + 1 }),
    'a shorter life': claiming({ exp: Number(claims['exp']) - 1 }), 'no end': signed(header, without(claims, 'exp')),
    'no beginning': signed(header, without(claims, 'iat')), 'end as text': claiming({ exp: String(claims['exp']) }),
    'beginning as text': claiming({ iat: String(claims['iat']) }),
    'end never': signed(header, json.replace(/"exp":\d+/, '"exp":1e999')), 'end null': claiming({ exp: null }),
    'end a list': claiming({ exp: [claims['exp']] }), 'end negative': claiming({ exp: -1 }), 'end in milliseconds': claiming({ exp: now * 1_000 }),
    'beginning with a fraction': claiming({ iat: Number(claims['iat']) - 0.5, exp: Number(claims['exp']) - 0.5 }),
    'beginning negative': claiming({ iat: -600, exp: 0 }), 'end written as 1.7e9': signed(header, json.replace(/"exp":(\d+)/, '"exp":$1.0')),
    // who issued it, and for whom
    'another issuer': claiming({ iss: 'https://accounts.example.com' }), 'no issuer': signed(header, without(claims, 'iss')),
    'issuer a list': claiming({ iss: ['millrace'] }), 'issuer in capitals': claiming({ iss: 'Millrace' }),
    'issuer with a slash': claiming({ iss: 'millrace/' }), 'issuer null': claiming({ iss: null }),
    'another audience': claiming({ aud: 'another' }), 'no audience': signed(header, without(claims, 'aud')),
    'audience a list': claiming({ aud: ['millrace'] }), 'audience among others': claiming({ aud: ['another', 'millrace'] }),
    'audience everything': claiming({ aud: '*' }), 'audience null': claiming({ aud: null }),
    // whom it names
    'no person': signed(header, without(claims, 'sub')), 'no tenant': signed(header, without(claims, 'ten')),
    'no session': signed(header, without(claims, 'sid')), 'person null': claiming({ sub: null }),
    'person an object': claiming({ sub: { $ne: null } }), 'person a list': claiming({ sub: [claims['sub']] }),
    'person a number': claiming({ sub: 1 }), 'another person': claiming({ sub: idLike(String(claims['sub'])) }),
    'another tenant': claiming({ ten: idLike(String(claims['ten'])) }), 'another session': claiming({ sid: idLike(String(claims['sid'])) }),
    'a tenant for a person': claiming({ sub: claims['ten'] }),
    'person in capitals': claiming({ sub: String(claims['sub']).toUpperCase() }),
    'person with a blank': claiming({ sub: `${String(claims['sub'])} ` }), 'person with NUL': claiming({ sub: `${String(claims['sub'])}\0` }),
    'person SQL': claiming({ sub: `' OR '1'='1` }), 'tenant everything': claiming({ ten: '*' }),
    'session true': claiming({ sid: true }), 'a role of its own choice': claiming({ role: 'OPERATOR' }),
    'an administrator': claiming({ admin: true }), 'a scope of its own choice': claiming({ scope: 'platform:write' }),
    'a grant of its own choice': claiming({ grantId: 'grt_00000000000000000000000000' }),
    'a prototype': signed(header, json.replace('{', '{"__proto__":{"admin":true},')),
    // claims that are no claims
    'no claims': signed(header, {}), 'claims in a list': signed(header, [claims]), 'claims as text': signed(header, JSON.stringify(json)),
    'claims null': signed(header, 'null'), 'claims a number': signed(header, '1'), 'claims no JSON': signed(header, 'sub=admin'),
    'claims empty': `${head}..${hmac(`${head}.`)}`,
    'header no JSON': signed('alg=HS256', claims), 'header a list': signed([header], claims), 'header null': signed('null', claims),
    'header empty': `.${payload}.${hmac(`.${payload}`)}`,
    'not UTF-8': signed(header, Buffer.concat([Buffer.from(json.slice(0, -1)), Buffer.from([0xff, 0xfe]), Buffer.from('}')])),
    // the same in other words
    'a claim twice': signed(header, json.replace('{', `{"sub":"${idLike(String(claims['sub']))}",`)),
    'the end twice': signed(header, json.replace('}', `,"exp":${Number(claims['exp'])}}`)),
    'alg twice': signed(JSON.stringify(header).replace('{', '{"alg":"none",'), claims),
    'blanks in the claims': signed(header, JSON.stringify(claims, null, 2)),
    'claims in another order': signed(header, Object.fromEntries(Object.entries(claims).reverse())),
    'headers in another order': signed(Object.fromEntries(Object.entries(header).reverse()), claims),
    'a claim escaped': signed(header, json.replace('"sub"', '"\\u0073ub"')), 'byte order mark before the claims': signed(header, `\ufeff${json}`),
    'a line end behind the claims': signed(header, `${json}\n`),
    'padding in the claims': repaired(`${head}.${payload}${'='.repeat((4 - (payload.length % 4)) % 4) || '===='}`),
    'claims in standard base64': repaired(`${head}.${standard(payload).replace(/=*$/, '+/')}`),
    'a line end in the claims': repaired(`${head}.${payload.slice(0, 20)}\n${payload.slice(20)}`),
    'a stray character in the claims': repaired(`${head}.!${payload}`), 'claims and header swapped': repaired(`${payload}.${head}`),
    // the signature
    'signature cut by one': validToken.slice(0, -1), 'half a signature': `${head}.${payload}.${signature.slice(0, 21)}`,
    'signature and one more': `${validToken}A`, 'signature padded': `${validToken}=`,
    'signature in another spelling': validToken.slice(0, -1) + lastOfSignature,
    'signature of zeros': `${head}.${payload}.${'A'.repeat(43)}`,
    'signature of another token': `${head}.${payload}.${claiming({ sub: 'x' }).split('.')[2]}`,
    'signature in hexadecimal': `${head}.${payload}.${Buffer.from(signature, 'base64url').toString('hex')}`,
    'signature backwards': `${head}.${payload}.${reversed(signature)}`, 'signature in other case': `${head}.${payload}.${otherCase(signature)}`,
    'claims of another, signature of this': `${head}.${encode({ ...claims, sub: idLike(String(claims['sub'])) })}.${signature}`,
    // the whole
    empty: '', 'a dot': '.', 'two dots': '..', 'no token': 'x', 'three letters': 'a.b.c', 'four parts': `${validToken}.${signature}`,
    'five parts': `${validToken}.x.y`, 'twice in a row': validToken + validToken, 'a list': `${validToken},${validToken}`,
    'blank before': ` ${validToken}`, 'blank behind': `${validToken} `, 'line end behind': `${validToken}\n`, 'NUL behind': `${validToken}\0`,
    'blank around a dot': validToken.replace('.', '. '), 'dots percent-encoded': validToken.replaceAll('.', '%2E'),
    'full-width dots': validToken.replaceAll('.', '\uff0e'),
    'in capitals': validToken.toUpperCase(), 'in quotes': `"${validToken}"`, 'named Bearer': `Bearer ${validToken}`,
    'in base64': Buffer.from(validToken).toString('base64url'), 'as JSON': JSON.stringify({ protected: head, payload, signature }),
    'zero-width space behind': `${validToken}\u200b`, 'Cyrillic e': validToken.replace('e', '\u0435'),
    'full-width letter': validToken.replace(/[A-Z]/, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
    'a hundred thousand letters': 'A'.repeat(100_000), 'a long tail': `${validToken}${'A'.repeat(8_000)}`, 'ten thousand dots': '.'.repeat(10_000),
    'a claim of eight thousand letters': claiming({ note: 'x'.repeat(8_000) }),
    // tokens within tokens
    'nested, rightly signed': signed({ ...header, cty: 'JWT' }, validToken), 'nested in a claim': signed(header, { jwt: validToken }),
    encrypted: encrypted(), 'SAML in clothes of a token': signed(header, '<saml:Assertion/>'),
  };
  return Object.entries(forgeries).map(([name, text]) => ({ name, text }));

  function repaired(text: string): string {
    return `${text}.${hmac(text)}`;
  }
}

/** The next character of the alphabet whose upper four of six bits are the same: the spare two are not part of 32 bytes. */
function base64urlNeighbour(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) ^ 1]!;
}

/** Another id of the same kind. */
const idLike = (id: string): string => id.slice(0, -1) + (id.endsWith('0') ? '1' : '0');

/**
 * Sends a request byte for byte, as no well-behaved client would: headers twice, not in ASCII, with NUL.
 * @returns the status of the answer; 0 if the connection was closed without one
 */
export async function sendRaw(url: string, { method, lines, body = '' }: { method: string; lines: HeaderLines; body?: string }): Promise<number> {
  const { hostname, port, pathname, search } = new URL(url);
  const head = [
    `${method} ${pathname}${search} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    'Connection: close',
    ...lines.map(([name, value]) => `${name}: ${value}`),
    ...(body && !lines.some(([name]) => name.toLowerCase() === 'content-type') ? ['Content-Type: application/json'] : []),
    ...(body ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
  ].join('\r\n');
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), hostname, () => socket.write(Buffer.from(`${head}\r\n\r\n${body}`)));
    const settle = (): void => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0));
    socket.setTimeout(60_000, () => socket.destroy(new Error(`no answer to ${method} ${pathname}`)));
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
      // The rest is of no interest, and a stream that was let in would not end.
      if (/^HTTP\/1\.1 \d{3}/.test(answer)) {
        settle();
        socket.destroy();
      }
    });
    socket.on('close', settle);
    // A server that has refused a request may reset the connection while the rest of it is still being sent.
    socket.on('error', (error: NodeJS.ErrnoException) => (['ECONNRESET', 'EPIPE'].includes(error.code ?? '') ? settle() : reject(error)));
  });
}

/** Asks again for as long as the answer is 503: whom a busy database kept from being looked at, nobody has refused yet. */
export async function onceLookedAt(ask: () => Promise<number>): Promise<number> {
  for (;;) {
    const status = await ask();
    if (status !== 503) return status;
  }
}

/** The answers that let nobody in: refused for the credential, or as no HTTP, or for its size. */
export const lettingNobodyIn: readonly number[] = [0, 400, 401, 431];
