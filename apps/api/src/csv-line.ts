/** A line of CSV (RFC 4180). */
export function csvLineOf(cells: readonly (string | null)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** A spreadsheet would run what looks like a formula, and others choose some of these texts: an alias, a user agent. */
function csvCell(value: string | null): string {
  const harmless = /^[=+\-@\t\r]/.test(value ?? '') ? `'${value}` : (value ?? '');
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
