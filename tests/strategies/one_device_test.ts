import { assertEquals, assertRejects } from "@std/assert";
import { Model, tf } from "@stride/stride";
import { DeviceError } from "@stride/stride/core";
import { cpu, webgpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { capture } from "../callbacks/capture.ts";
import { strategyContract } from "../contracts/strategy_contract.ts";
import { twoReplicas } from "../contracts/two_replicas.ts";
import { webgpuTest } from "../webgpu.ts";

strategyContract("oneDevice", () => oneDevice({ device: "cpu" }));
strategyContract("twoReplicas", () => twoReplicas(cpu()));

const data = { x: [[1, 2], [3, 4]], y: [[1], [0]] };

function linear(): tf.LayersModel {
  return tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
}

Deno.test("oneDevice() with a device that is not registered is an error that lists the known ones", async () => {
  const model = oneDevice({ device: "tpu" }).scope(() => Model.from(linear()));
  model.compile({ loss: "mse" });
  await assertRejects(() => model.fit(data, { verbose: 0 }), RangeError, 'Unknown device "tpu". Known: ');
});

Deno.test("oneDevice() with a device that is not there is an error, never another device", async () => {
  const absent = webgpu({ gpu: { requestAdapter: () => Promise.resolve(null) } as unknown as GPU });
  const model = oneDevice({ device: absent }).scope(() => Model.from(linear()));
  model.compile({ loss: "mse" });
  await assertRejects(() => model.fit(data, { verbose: 0 }), DeviceError);
});

Deno.test('oneDevice() with device "auto" trains on what there is', async () => {
  const model = oneDevice().scope(() => Model.from(linear()));
  model.compile({ loss: "mse" });
  const { history } = await model.fit(data, { verbose: 0 });
  assertEquals(history.loss!.length, 1);
  model.dispose();
});

Deno.test('fit() says once what device and executor "auto" are, and why', async () => {
  const { logs } = await capture(async () => {
    for (let i = 0; i < 2; i++) {
      const model = oneDevice().scope(() => Model.from(linear()));
      model.compile({ loss: "mse" });
      await model.fit(data, { verbose: 2 });
      model.dispose();
    }
  });
  const { available, software, description } = await webgpu().probe();
  const expected = available && !software
    ? `Device "webgpu", executor "webgpu": ${description}.`
    : `Device "cpu", executor "wasm": device "webgpu" is ${
      available ? `emulated in software, by ${description}` : "not there, no WebGPU adapter"
    }.`;
  assertEquals(logs.filter((line) => line.startsWith("Device ")), [expected]);
});

webgpuTest("oneDevice() on webgpu gives the CPU's numbers", async () => {
  const fit = async (device: string): Promise<number[]> => {
    const layers = linear();
    layers.setWeights([tf.tensor2d([[0.5], [-0.25]]), tf.tensor1d([0.1])]);
    const model = oneDevice({ device }).scope(() => Model.from(layers));
    model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"] });
    const { history } = await model.fit(data, { epochs: 3, shuffle: false, verbose: 0 });
    model.dispose();
    return [...history.loss!, ...history.mae!];
  };
  const [onCpu, onGpu] = [await fit("cpu"), await fit("webgpu")];
  onGpu.forEach((value, index) => assertEquals(Math.abs(value - onCpu[index]!) < 1e-4, true));
});
