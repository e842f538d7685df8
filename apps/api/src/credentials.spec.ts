import type { IncomingHttpHeaders } from 'node:http';
import { createCredentials } from './credentials.ts';

const host = 'millrace.local:4000';
const own = `http://${host}`;
const cookie = 'millrace_access=token';
const credentials = createCredentials(undefined);

describe('a download by a link', () => {
  const shown = (headers: IncomingHttpHeaders, method = 'GET') => credentials.ofDownload({ method, headers: { host, cookie, ...headers } }).credential;

  it('is taken by cookie when the browser says that a page of this server leads to it', () => {
    expect(shown({ 'sec-fetch-site': 'same-origin' })).toBe('token');
    expect(shown({ 'sec-fetch-site': 'same-origin', origin: own })).toBe('token');
    expect(shown({ 'x-millrace-session': 'cookie' })).toBe('token');
  });

  it.each([
    ['nothing', {}],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a neighbour', { 'sec-fetch-site': 'same-site' }],
    ['the address bar, or another program', { 'sec-fetch-site': 'none' }],
    ['two things at once', { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }],
  ] as [string, IncomingHttpHeaders][])('is nobody’s when the browser says %s', (_what, headers) => {
    expect(shown(headers)).toBeNull();
  });

  it('is for reading only', () => {
    expect(shown({ 'sec-fetch-site': 'same-origin' }, 'POST')).toBeNull();
  });

  it('is taken by a token in a header as ever', () => {
    expect(shown({ authorization: 'Bearer other', 'sec-fetch-site': 'same-origin' })).toBe('other');
    expect(shown({ authorization: 'Basic x', 'sec-fetch-site': 'same-origin' })).toBe(''); // a credential, though a bad one
  });
});

describe('the origin of a page', () => {
  const isTaken = (publicUrl: string | undefined, headers: IncomingHttpHeaders): boolean => {
    try {
      createCredentials(publicUrl).ofRequest({ method: 'POST', headers: { 'x-millrace-session': 'cookie', ...headers } });
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'FORBIDDEN' });
      return false;
    }
  };

  it('is the address that people use, or what the request itself names, and never less encrypted', () => {
    expect(isTaken(undefined, { host, origin: own })).toBe(true);
    expect(isTaken(undefined, { host, origin: `https://${host}` })).toBe(false);
    expect(isTaken('https://millrace.example/', { host: 'api:4000', origin: 'https://millrace.example' })).toBe(true);
    expect(isTaken('https://millrace.example', { host: 'millrace.example', origin: 'http://millrace.example' })).toBe(false);
    expect(isTaken('https://millrace.example', { host: 'api:4000', origin: 'http://api:4000' })).toBe(false);
    expect(isTaken('http://millrace.example', { host, origin: own })).toBe(true); // by another name of the same server
    expect(isTaken('https://millrace.example', { host: 'api:4000', origin: 'https://millrace.example.evil.test' })).toBe(false);
  });
});
