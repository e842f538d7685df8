/** An explanation as the inference server writes it, with all that it may hold. */
export const sentExplanation = {
  output: { name: 'probabilities', class: 'worn' },
  answer: 0.9,
  base_value: 0.5,
  attributions: [{ name: 'x', value: 0.4, data: 7, standard_error: 0.01 }],
  additivity_error: 0,
  method: { name: 'permutation_sampling', evaluations: 1301, background_rows: 32, exact: false, converged: true },
  faithfulness: 0.8,
  faithfulness_reason: 'none',
  heat_map: [[0.4]],
  warnings: ['The package has no background rows.'],
};
