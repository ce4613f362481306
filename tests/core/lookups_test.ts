/** Numbers that an embedding has no row for. */
import { assertRejects } from "@std/assert";
import { type DataSource, Model, tf } from "@stride/stride";
import { cpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { webgpuTest } from "../webgpu.ts";

async function train(executor: string, device: string, data: DataSource): Promise<void> {
  const layers = [
    tf.layers.embedding({ inputDim: 5, outputDim: 3, inputLength: 2 }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 1 }),
  ];
  const model = oneDevice({ device }).scope(() => Model.from(tf.sequential({ layers })));
  model.compile({ loss: "mse", executor });
  try {
    await model.fit(data, { verbose: 0, ...(Array.isArray(data) ? {} : { batchSize: 2 }) });
  } finally {
    model.dispose();
  }
}

const right = [[0, 4], [1, 2], [3, 3]];
const y = [[0], [1], [0]];

async function check(executor: string, device: string): Promise<void> {
  const fails = async (data: DataSource, message: string) => {
    await assertRejects(() => train(executor, device, data), RangeError, message);
    await train(executor, device, { x: right, y });
  };
  await fails({ x: [[0, 4], [1, 2], [3, 5]], y }, "x[0] has 5 in sample 2, and is looked up in a table of 5");
  await fails({ x: [[0, -1], [1, 2], [3, 3]], y }, "x[0] has -1 in sample 0");
  const batches = [[[0, 4], [1, 2]], [[3, 7], [1, 1]]].map((x) => [tf.tensor2d(x, [2, 2]), tf.zeros([2, 1])]);
  await fails(batches as unknown as DataSource, "x[0] has 7 in sample 0");
}

Deno.test("fit() refuses numbers that an embedding has no row for, on wasm", () => check("wasm", "cpu"));

webgpuTest("fit() refuses numbers that an embedding has no row for, on webgpu", async () => {
  await check("webgpu", "webgpu");
  cpu().activate();
});
