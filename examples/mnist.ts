/**
 * Trains a multilayer perceptron on the full MNIST: `deno task mnist`.
 *
 * Options: `--epochs N`, `--batch-size N`, `--device NAME`, `--executor NAME`, `--seed N`; `--plugin URL` loads a plugin,
 * and `--callback NAME`, `--metric NAME` and `--strategy NAME` use what it brings.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { loadPlugins, setRandomSeed, tf } from "@stride/stride";
import { earlyStopping } from "@stride/stride/callbacks";
import { mnist } from "@stride/stride/data";
import { oneDevice } from "@stride/stride/strategies";

const args = parseArgs(Deno.args, {
  string: ["epochs", "batch-size", "device", "executor", "seed", "plugin", "callback", "metric", "strategy"],
  collect: ["plugin", "callback", "metric"],
  default: { epochs: "5", "batch-size": "128", executor: "auto" },
  unknown: (option) => {
    console.error(`Unknown option ${option}. The first lines of examples/mnist.ts name them all.`);
    Deno.exit(2);
  },
});
if (args.strategy && args.device) {
  console.error("A strategy brings its own device: give --strategy or --device, not both.");
  Deno.exit(2);
}
if (args.seed !== undefined) setRandomSeed(Number(args.seed));

const { Model, registry } = await loadPlugins(args.plugin);
const { train, test } = await mnist();

class Perceptron extends Model {
  #flatten = tf.layers.flatten();
  #hidden = tf.layers.dense({ units: 128, activation: "relu" });
  #head = tf.layers.dense({ units: 10, activation: "softmax" });

  override call(x: tf.Tensor): tf.Tensor {
    return this.apply(this.#head, this.apply(this.#hidden, this.apply(this.#flatten, x)));
  }
}

const strategy = args.strategy
  ? registry.create("strategies", args.strategy)
  : oneDevice({ device: args.device ?? "auto" });
const model = strategy.scope(() => new Perceptron());
model.compile({
  optimizer: "adam",
  loss: "crossentropy",
  metrics: ["accuracy", ...args.metric],
  stepsPerExecution: "auto",
  executor: args.executor,
});
await model.fit(train, {
  epochs: Number(args.epochs),
  batchSize: Number(args["batch-size"]),
  validationSplit: 0.1,
  callbacks: [
    earlyStopping({ patience: 1, restoreBestWeights: true }),
    ...args.callback.map((name: string) => registry.create("callbacks", name)),
  ],
});
const { loss, accuracy } = await model.evaluate(test, { batchSize: 1000, verbose: 0 });
console.log(`Test: loss ${loss!.toFixed(4)}, accuracy ${(100 * accuracy!).toFixed(2)} %`);
