import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { type HostMetric, Model, type Tensor, tf } from "@stride/stride";
import { cpu } from "@stride/stride/devices";
import { exactAuc, medianAbsoluteError } from "@stride/stride/metrics";
import { sgd } from "@stride/stride/optimizers";
import { twoReplicas } from "../contracts/two_replicas.ts";
import { assertNoLeak } from "./helpers.ts";

class Same extends Model {
  override call(x: Tensor): Tensor {
    return tf.mul(x, 1);
  }
}

function compiled(metrics: (string | HostMetric)[], weightedMetrics: HostMetric[] = []): Model {
  const model = new Same();
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", metrics, weightedMetrics, stepsPerExecution: 2 });
  return model;
}

const x = [[0.1], [0.9], [0.4], [0.4], [0.8]];
const y = [[0], [1], [1], [0], [0]];

/** The chance that a positive is scored above a negative, by looking at all pairs. */
function byPairs(weights: readonly number[]): number {
  let [won, all] = [0, 0];
  for (const [i, [positive]] of y.entries()) {
    for (const [j, [negative]] of y.entries()) {
      if (positive !== 1 || negative !== 0) continue;
      const pair = weights[i]! * weights[j]!;
      all += pair;
      won += pair * (x[i]![0]! > x[j]![0]! ? 1 : x[i]![0] === x[j]![0] ? 0.5 : 0);
    }
  }
  return won / all;
}

Deno.test("evaluate() and fit() report metrics of all predictions, whatever the batches", async () => {
  for (const batchSize of [1, 2, 5]) {
    const model = compiled(["exact_auc", "mae", medianAbsoluteError()]);
    const values = await model.evaluate({ x, y }, { batchSize, verbose: 0 });
    assertEquals(Object.keys(values), ["loss", "mae", "exact_auc", "median_absolute_error"]);
    assertAlmostEquals(values.exact_auc!, byPairs([1, 1, 1, 1, 1]), 1e-9);
    assertAlmostEquals(values.median_absolute_error!, 0.4, 1e-6);
    const { history } = await model.fit({ x, y }, { batchSize, verbose: 0, epochs: 2, validationData: { x, y } });
    for (const value of [...history.exact_auc!, ...history.val_exact_auc!]) {
      assertAlmostEquals(value, values.exact_auc!, 1e-9);
    }
  }
});

Deno.test("exactAuc() and medianAbsoluteError() count sample weights where the metric is weighted", async () => {
  const sampleWeight = [1, 2, 0.5, 3, 1];
  const model = compiled(["exact_auc"], [exactAuc({ name: "weighted" }), medianAbsoluteError()]);
  const values = await model.evaluate({ x, y, sampleWeight }, { batchSize: 2, verbose: 0 });
  assertAlmostEquals(values.exact_auc!, byPairs([1, 1, 1, 1, 1]), 1e-9);
  assertAlmostEquals(values.weighted!, byPairs(sampleWeight), 1e-9);
  // Errors 0.1 (weights 1 and 2), 0.4 (3), 0.6 (0.5), 0.8 (1): half of 7.5 is passed at 0.4.
  assertAlmostEquals(values.median_absolute_error!, 0.4, 1e-6);
});

Deno.test("medianAbsoluteError() takes the middle of two, and NaN stays NaN", () => {
  const vector = (...values: number[]) =>
    ({ shape: [values.length], dtype: "float32", values: Float32Array.from(values) }) as const;
  const median = medianAbsoluteError();
  assertEquals(median.compute({ yTrue: vector(0, 0, 0, 0), yPred: vector(1, 2, 4, 8) }), 3);
  assertEquals(median.compute({ yTrue: vector(0, 0), yPred: vector(1, NaN) }), NaN);
  assertEquals(exactAuc().compute({ yTrue: vector(0, 1), yPred: vector(1, NaN) }), NaN);
});

Deno.test("fit() with a metric of all predictions leaves no tensors behind", async () => {
  const model = compiled(["exact_auc"]);
  await model.fit({ x, y }, { batchSize: 2, verbose: 0 });
  await assertNoLeak(() => model.fit({ x, y }, { batchSize: 2, verbose: 0, epochs: 3 }));
});

Deno.test("a metric of all predictions is refused where each replica sees only its part", async () => {
  const model = twoReplicas(cpu()).scope(() => new Same());
  model.compile({ optimizer: "sgd", loss: "mse", metrics: ["exact_auc"] });
  await assertRejects(() => model.evaluate({ x, y }, { verbose: 0 }), TypeError, "computed from all predictions");
});
