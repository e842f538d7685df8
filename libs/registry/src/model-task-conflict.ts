/** Two runs of different tasks were accepted for one new model; the other one has made it. Undoes the transaction. */
export class ModelTaskConflict extends Error {
  constructor(modelName: string, task: string) {
    super(`The model ${modelName} is for ${task.toLowerCase().replaceAll('_', ' ')} since another run has ended.`);
  }
}
