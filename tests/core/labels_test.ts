/** What crossentropy of class numbers makes of those that no class has. */
import { assertAlmostEquals } from "@std/assert";
import { Model, setRandomSeed, tf } from "@stride/stride";
import { cpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { webgpuTest } from "../webgpu.ts";

const ROWS = 6;

/** The loss of one epoch and of the next, of a softmax over three classes. */
async function losses(executor: string, device: string, labels: readonly number[]): Promise<readonly number[]> {
  setRandomSeed(3);
  const layer = tf.layers.dense({ units: 3, inputShape: [4], activation: "softmax", kernelInitializer: "zeros" });
  const model = oneDevice({ device }).scope(() => Model.from(tf.sequential({ layers: [layer] })));
  setRandomSeed(null);
  model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy", executor });
  const x = Array.from({ length: ROWS }, (_, row) => [row, 1, -row, 2]);
  const { history } = await model.fit({ x, y: [...labels] }, { epochs: 2, shuffle: false, verbose: 0 });
  model.dispose();
  return history.loss!;
}

for (const wrong of [3, -1, 1e6, -1e6]) {
  const labels = [0, 1, wrong, 2, 1, 0];
  const check = async (executor: string, device: string): Promise<void> => {
    const expected = await losses("eager", "cpu", labels);
    // One in six rows adds nothing.
    assertAlmostEquals(expected[0]!, Math.log(3) * 5 / 6, 1e-6);
    const found = await losses(executor, device, labels);
    expected.forEach((loss, epoch) => assertAlmostEquals(found[epoch]!, loss, 1e-6));
  };
  Deno.test(`a class number of ${wrong} of three adds nothing to the loss, on wasm as eagerly`, () =>
    check("wasm", "cpu"));
  webgpuTest(`a class number of ${wrong} of three adds nothing to the loss, on webgpu as eagerly`, async () => {
    await check("webgpu", "webgpu");
    cpu().activate();
  });
}
