/**
 * Trains a convolutional network on MNIST: `deno run -A examples/cnn.ts`. It prints how it does on the test images, and
 * draws some that it gets wrong.
 *
 * Options: `--epochs N`, `--batch-size N`, `--samples N` (how many of the 60,000 images to train on), `--device NAME`,
 * `--executor NAME`, `--seed N`. Uncompiled on a CPU (`--executor eager --device cpu`) a step takes seconds: ask for few
 * samples.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type HostArray, Model, setRandomSeed, tf } from "@stride/stride";
import { type LabelledImages, mnist } from "@stride/stride/data";
import { oneDevice } from "@stride/stride/strategies";

const args = parseArgs(Deno.args, {
  string: ["epochs", "batch-size", "samples", "device", "executor", "seed"],
  default: { epochs: "1", "batch-size": "64", samples: "60000", device: "auto", executor: "auto" },
  unknown: (option) => {
    console.error(`Unknown option ${option}. The first lines of examples/cnn.ts name them all.`);
    Deno.exit(2);
  },
});
if (args.seed !== undefined) setRandomSeed(Number(args.seed));
const samples = Number(args.samples);

/** The first so many images, without a copy. */
function first({ x, y }: LabelledImages, count: number): LabelledImages {
  const head = (array: HostArray): HostArray => {
    const [rows, ...shape] = array.shape;
    const kept = Math.min(count, rows!);
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    return { ...array, shape: [kept, ...shape], values: array.values.subarray(0, kept * size) };
  };
  return { x: head(x), y: head(y) };
}

const model = oneDevice({ device: args.device }).scope(() =>
  Model.from(tf.sequential({
    layers: [
      tf.layers.reshape({ targetShape: [28, 28, 1], inputShape: [28, 28] }),
      tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: "relu" }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.conv2d({ filters: 32, kernelSize: 3, activation: "relu" }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dropout({ rate: 0.25 }),
      tf.layers.dense({ units: 10, activation: "softmax" }),
    ],
  }))
);
model.compile({
  optimizer: "adam",
  loss: "sparse_categorical_crossentropy",
  metrics: ["accuracy"],
  stepsPerExecution: "auto",
  executor: args.executor,
});

const data = await mnist();
const train = first(data.train, samples);
// As many to test with as a sixth of those to train on: all 10,000 for all 60,000.
const test = first(data.test, Math.ceil(samples / 6));
await model.fit(train, { epochs: Number(args.epochs), batchSize: Number(args["batch-size"]) });
const { loss, accuracy } = await model.evaluate(test, { batchSize: 500, verbose: 0 });
console.log(`Test: loss ${loss!.toFixed(4)}, accuracy ${(100 * accuracy!).toFixed(2)} %`);

/** A 28×28 image of bytes as 14 lines: each character stands for two pixels, one above the other. */
function draw(pixels: ArrayLike<number>): string[] {
  const shade = (i: number): string => " .:-=+*#%@"[Math.floor((pixels[i]! + pixels[i + 28]!) / 2 / 25.6)]!;
  return Array.from({ length: 14 }, (_, row) => Array.from({ length: 28 }, (_, x) => shade(row * 56 + x)).join(""));
}

const shown = first(test, 500);
const predicted = await tf.argMax(await model.predict({ x: shown.x }, { batchSize: 500, verbose: 0 }) as tf.Tensor, 1)
  .data();
const wrong = [...predicted.keys()].filter((index) => predicted[index] !== shown.y.values[index]).slice(0, 3);
for (const index of wrong) {
  console.log(`\nA ${shown.y.values[index]} that was taken for a ${predicted[index]}:`);
  console.log(draw(shown.x.values.subarray(index * 784, (index + 1) * 784)).join("\n"));
}
