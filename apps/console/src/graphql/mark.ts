/** Tells one thing from another in this browser; no secret. `randomUUID` is missing where the page is not encrypted. */
export function newMark(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join('');
}
