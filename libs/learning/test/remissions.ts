/** Weeks of remission of 21 treated and 21 untreated patients (Freireich et al. 1963), the usual example of the field; 0: still in remission. */
export const remissions = [
  ...[6, 6, 6, 7, 10, 13, 16, 22, 23].map((weeks) => ({ weeks, observed: 1, treated: 1 })),
  ...[6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35].map((weeks) => ({ weeks, observed: 0, treated: 1 })),
  ...[1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23].map((weeks) => ({ weeks, observed: 1, treated: 0 })),
];
