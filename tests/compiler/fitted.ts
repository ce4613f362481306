/** Fitting random cases, and how far from float64 what was fitted is. */
import { type Executor, Model, setRandomSeed } from "@stride/stride";
import type { Device, Tensor } from "@stride/stride/core";
import { oneDevice } from "@stride/stride/strategies";
import type { RandomCase } from "./random_models.ts";

/** What came of a fit, by name: weights and slots by path, losses, metrics, predictions. */
export type Fitted = ReadonlyMap<string, readonly number[]>;

/** How to fit. */
export interface FitOptions {
  readonly executor: Executor;
  /** @default "cpu" */
  readonly device?: string | Device;
  /** @default 1 */
  readonly stepsPerExecution?: number;
}

/** Weights and optimizer slots after two epochs, the history, and predictions. */
export async function fitted(
  { layers, loss, metric, optimizer, data, batchSize }: RandomCase,
  { executor, device = "cpu", stepsPerExecution = 1 }: FitOptions,
): Promise<Fitted> {
  setRandomSeed(7);
  const model = oneDevice({ device }).scope(() => Model.from(layers()));
  try {
    model.compile({ optimizer: optimizer(), loss, metrics: [metric], executor, stepsPerExecution });
    const { history } = await model.fit(data, { batchSize, epochs: 2, verbose: 0 });
    const predicted = await model.predict({ x: data.x }, { batchSize, verbose: 0 }) as Tensor;
    const named = await Promise.all(
      model.variables.map(async ({ path, variable }) => [path, [...await variable.data()]] as const),
    );
    const values = new Map<string, readonly number[]>(named);
    for (const [name, each] of Object.entries(history)) values.set(name, each as number[]);
    values.set("predictions", [...await predicted.data()]);
    predicted.dispose();
    return values;
  } finally {
    setRandomSeed(null);
    model.dispose();
  }
}
