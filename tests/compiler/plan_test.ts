import { assert, assertEquals } from "@std/assert";
import { type Executor, Model, setRandomSeed } from "@stride/stride";
import type { Plan } from "@stride/stride/compiler";
import { eager } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { interpreted } from "./interpreted.ts";
import { type RandomCase, randomCase } from "./random_models.ts";

/** Weights after two epochs, and the last loss. */
async function fitted(
  { layers, loss, metric, optimizer, data, batchSize }: RandomCase,
  executor: Executor,
): Promise<number[]> {
  setRandomSeed(7);
  const model = oneDevice({ device: "cpu" }).scope(() => Model.from(layers()));
  model.compile({ optimizer, loss, metrics: [metric], executor });
  const { history } = await model.fit(data, { batchSize, epochs: 2, verbose: 0 });
  const weights = await Promise.all(model.variables.map(({ variable }) => variable.data()));
  const numbers = [...weights.flatMap((values) => [...values]), ...history.loss!, ...history[metric]!];
  setRandomSeed(null);
  return numbers;
}

function largestError(values: readonly number[], expected: readonly number[]): number {
  return values.reduce((largest, value, at) => {
    const error = Math.abs(value - expected[at]!) / (1 + Math.abs(expected[at]!));
    return Math.max(largest, Number.isNaN(error) ? Infinity : error);
  }, 0);
}

for (let seed = 1; seed <= 40; seed++) {
  const given = randomCase(seed);
  Deno.test(`planStep() gives eager's numbers when the model is ${given.name}`, async () => {
    const reference = await fitted(given, interpreted("float64"));
    const eagerly = largestError(await fitted(given, eager()), reference);
    const planned = largestError(await fitted(given, interpreted("float32")), reference);
    assert(planned <= 4 * eagerly + 1e-5, `plan ${planned}, eager ${eagerly} away from float64`);
    // Biases in front of a batch normalization move by rounding noise, which optimizers scale up.
    assert(eagerly < 5e-3, `eager is ${eagerly} away from the plan in float64`);
  });
}

Deno.test("planStep() merges a perceptron's step into a handful of kernels that update weights in place", async () => {
  const plans: Plan[] = [];
  const given = randomCase(1);
  await fitted(given, interpreted("float32", (plan) => plans.push(plan)));
  for (const plan of plans) {
    const copies = plan.kernels.filter((kernel) =>
      kernel.kind === "nest" && kernel.reductions.length === 0 &&
      kernel.stores.every(({ value, buffer }) => value.kind === "load" && buffer.role.kind === "variable")
    );
    assertEquals(copies.length, 0, "variables are written by what computes them");
  }
});
