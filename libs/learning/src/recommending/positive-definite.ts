/**
 * Solves A·x = b for a symmetric positive definite A [size, size], of which the lower triangle is read: Cholesky's A = L·Lᵀ, then
 * L·y = b and Lᵀ·x = y. Overwrites the lower triangle with L, and b with x.
 */
export function solvePositiveDefinite(matrix: Float64Array, right: Float64Array, size: number): void {
  for (let column = 0; column < size; column++) {
    for (let row = column; row < size; row++) {
      let sum = matrix[row * size + column]!;
      for (let at = 0; at < column; at++) sum -= matrix[row * size + at]! * matrix[column * size + at]!;
      matrix[row * size + column] = row === column ? Math.sqrt(sum) : sum / matrix[column * size + column]!;
    }
  }
  for (let row = 0; row < size; row++) {
    let sum = right[row]!;
    for (let at = 0; at < row; at++) sum -= matrix[row * size + at]! * right[at]!;
    right[row] = sum / matrix[row * size + row]!;
  }
  for (let row = size - 1; row >= 0; row--) {
    let sum = right[row]!;
    for (let at = row + 1; at < size; at++) sum -= matrix[at * size + row]! * right[at]!;
    right[row] = sum / matrix[row * size + row]!;
  }
}
