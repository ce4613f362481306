/**
 * Trains until there is no memory: in a process of its own, whose memory is limited. Prints what it saw as JSON.
 *
 * @module
 */
import { type HostArray, Model, tf } from "@stride/stride";
import { webgpu } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";

const zeros = (...shape: number[]): HostArray => ({
  shape,
  dtype: "float32",
  values: new Float32Array(shape.reduce((product, each) => product * each)).fill(0.5),
});
const batch = (rows: number) => ({ x: zeros(rows, 4), y: zeros(rows, 1) });
const modelOf = (units: number, layers: number, kernelInitializer: "zeros" | "glorotUniform"): Model => {
  const hidden = Array.from(
    { length: layers },
    () => tf.layers.dense({ units, kernelInitializer, activation: "tanh" }),
  );
  const first = tf.layers.dense({ units, inputShape: [4] });
  const last = tf.layers.dense({ units: 1 });
  const model = oneDevice({ device: "webgpu" }).scope(() =>
    Model.from(tf.sequential({ layers: [first, ...hidden, last] }))
  );
  model.compile({ optimizer: "sgd", loss: "mse", executor: webgpu() });
  return model;
};
const weightsOf = async (model: Model) => [...await model.getWeights()[2]!.data()];
const model = modelOf(64, 8, "glorotUniform");
const seen: number[][] = [];
const look = {
  name: "look",
  async onTrainBatchEnd() {
    seen.push(await weightsOf(model));
  },
};
const fails = async (fit: () => Promise<unknown>): Promise<string> => {
  try {
    await fit();
    return "nothing";
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
};

/** The third batch's activations take 2 GiB. */
function* growing() {
  yield batch(32);
  yield batch(32);
  yield batch(1 << 20);
}
const scratch = await fails(() => model.fit(growing, { verbose: 0, callbacks: [look] }));
const kept = await weightsOf(model);
const again = await fails(() => model.fit(batch(64), { batchSize: 32, verbose: 0 }));
/** Variables of 64 MiB each. */
const large = modelOf(4096, 14, "zeros");
const variables = await fails(() => large.fit(batch(32), { batchSize: 32, verbose: 0 }));
console.log(JSON.stringify({ scratch, again, variables, kept, seen }));
