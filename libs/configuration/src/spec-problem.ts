/** Something in a training configuration that a person can mend: the field it is about, what is wrong, and what to do. */
export interface SpecProblem {
  /** path, such as `models[0].k` */
  field: string;
  message: string;
  remedy: string;
}
