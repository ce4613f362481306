import { assertEquals } from "@std/assert";
import { tf } from "@stride/stride";
import type { Plan } from "@stride/stride/compiler";
import { eager } from "@stride/stride/executors";
import { fitted } from "./fitted.ts";
import { interpreted } from "./interpreted.ts";
import { assertAsPrecise } from "./precision.ts";
import { type RandomCase, randomCase } from "./random_models.ts";
import { Choices } from "./random_numbers.ts";
import { seeds } from "./random_seeds.ts";

/** The first thirty seeds for which `assertAsPrecise` says something: in 28 nadam scales up noise. */
const SEEDS = Array.from({ length: 31 }, (_, index) => index + 1).filter((seed) => seed !== 28);

for (const seed of seeds(SEEDS)) {
  const given = randomCase(seed);
  Deno.test(`planStep() gives eager's numbers when the model is ${given.name}`, async () => {
    const reference = await fitted(given, { executor: interpreted("float64") });
    const eagerly = await fitted(given, { executor: eager() });
    assertAsPrecise(await fitted(given, { executor: interpreted("float32") }), eagerly, reference);
  });
}

/** A layer of a size that divides nothing, under Adam. */
const perceptron: RandomCase = {
  name: "a perceptron",
  layers: () =>
    tf.sequential({ layers: [tf.layers.dense({ units: 7, inputShape: [5] }), tf.layers.dense({ units: 1 })] }),
  loss: "mse",
  metric: "mae",
  optimizer: () => "adam",
  data: {
    x: { shape: [9, 5], dtype: "float32", values: new Choices(1).numbers(45, -1, 1) },
    y: { shape: [9, 1], dtype: "float32", values: new Choices(2).numbers(9, 0, 1) },
  },
  batchSize: 4,
};

Deno.test("planStep() keeps the loops of a reduction apart from those of what it reads, cut otherwise", async () => {
  // The repetition of rows has loops of its own inside those of the largest element's channel.
  const images: RandomCase = {
    ...perceptron,
    layers: () =>
      tf.sequential({
        layers: [
          tf.layers.conv2d({
            filters: 6,
            kernelSize: 1,
            activation: "elu",
            inputShape: [9, 8, 2],
            kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
          }),
          tf.layers.upSampling2d({ size: [2, 1] }),
          tf.layers.globalMaxPooling2d({}),
          tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }) }),
        ],
      }),
    data: {
      ...perceptron.data,
      x: { shape: [9, 9, 8, 2], dtype: "float32", values: new Choices(3).numbers(9 * 144, -1, 1) },
    },
  };
  const [reference, eagerly, planned] = [
    await fitted(images, { executor: interpreted("float64") }),
    await fitted(images, { executor: eager() }),
    await fitted(images, { executor: interpreted("float32") }),
  ];
  assertAsPrecise(planned, eagerly, reference);
});

Deno.test("planStep() merges a perceptron's step into a handful of kernels that update weights in place", async () => {
  const plans: Plan[] = [];
  await fitted(perceptron, { executor: interpreted("float32", (plan) => plans.push(plan)) });
  for (const plan of plans) {
    const copies = plan.kernels.filter((kernel) =>
      kernel.kind === "nest" && kernel.reductions.length === 0 &&
      kernel.stores.every(({ value, buffer }) => value.kind === "load" && buffer.role.kind === "variable")
    );
    assertEquals(copies.length, 0, "variables are written by what computes them");
  }
});
