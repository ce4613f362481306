import * as core from "../../core/mod.ts";
import { losses } from "../../plugins/losses/mod.ts";
import { executors } from "../../plugins/executors/mod.ts";
import { strategies } from "../../strategies/mod.ts";
import { adam, sgd } from "./local_optimizers.ts";
export * from "../../core/mod.ts";
const { tf } = core;
export const cpu = (): core.Device => ({
  name: "cpu",
  backend: "cpu",
  probe: () => Promise.resolve({ available: true, software: false, description: "cpu" }),
  open: async () => {
    await tf.setBackend("cpu");
  },
  activate: () => {},
  check: () => {},
});
const acc = (name: string, f: core.MetricFunction) => () => core.meanMetric(name, f);
export const builtins = core.Registry.empty.use({
  name: "stride",
  losses,
  executors,
  strategies,
  devices: { cpu },
  optimizers: { sgd, adam, rmsprop: sgd },
  metrics: {
    binary_accuracy: acc(
      "binary_accuracy",
      (t, p) => tf.cast(tf.equal(t.reshape(p.shape), tf.cast(tf.greater(p, 0.5), "float32")), "float32"),
    ),
    sparse_categorical_accuracy: acc(
      "sparse_categorical_accuracy",
      (t, p) => tf.cast(tf.equal(tf.cast(t.reshape(p.shape.slice(0, -1)), "int32"), tf.argMax(p, -1)), "float32"),
    ),
    categorical_accuracy: acc(
      "categorical_accuracy",
      (t, p) => tf.cast(tf.equal(tf.argMax(t, -1), tf.argMax(p, -1)), "float32"),
    ),
  },
});
export class Model extends core.Model {
  static override readonly registry: core.Registry = builtins;
}
export type Batch = core.TensorBatch<core.Tensor, core.Tensor>;
