/** Plain JSON of plain data: the same values, without the types. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON has no narrower type that both sides share
export const json = (value: unknown): any => JSON.parse(JSON.stringify(value));
