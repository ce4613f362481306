import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Model, tf } from "@stride/stride";
import { DeviceError } from "@stride/stride/core";
import { type AdapterSource, cpu, webgpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { webgpuTest } from "../webgpu.ts";

interface Memory {
  readonly tensors: number;
  readonly buffers: number;
  readonly bytes: number;
  readonly allocated: number;
}

/** What tfjs holds once everything encoded has been submitted. */
async function memory(): Promise<Memory> {
  const probe = tf.tidy(() => tf.add(tf.scalar(1), 1));
  await probe.data();
  probe.dispose();
  const { numTensors, numDataBuffers, ...rest } = tf.memory();
  const { numBytesInGPU, numBytesAllocatedInGPU } = rest as unknown as Record<string, number>;
  return { tensors: numTensors, buffers: numDataBuffers, bytes: numBytesInGPU!, allocated: numBytesAllocatedInGPU! };
}

/** Without dropout where numbers are compared. */
function perceptron({ stepsPerExecution, rate }: { readonly stepsPerExecution: number; readonly rate: number }): Model {
  const layers = tf.sequential({
    layers: [
      tf.layers.dense({ units: 16, activation: "relu", inputShape: [8] }),
      tf.layers.batchNormalization(),
      tf.layers.dropout({ rate }),
      tf.layers.dense({ units: 3, activation: "softmax" }),
    ],
  });
  const model = oneDevice({ device: webgpu() }).scope(() => Model.from(layers));
  const metrics = ["accuracy"] as const;
  model.compile({ optimizer: "adam", loss: "crossentropy", metrics, executor: "eager", stepsPerExecution });
  return model;
}

const DATA = {
  x: Array.from({ length: 60 }, (_, i) => Array.from({ length: 8 }, (_, j) => Math.sin(i * 8 + j))),
  y: Array.from({ length: 60 }, (_, i) => [0, 1, 2].map((k) => Number(i % 3 === k))),
};

webgpuTest("fit() on webgpu keeps tensors and bytes flat over ten fits of ten steps", async () => {
  const model = perceptron({ stepsPerExecution: 4, rate: 0.2 });
  const fit = () => model.fit(DATA, { batchSize: 6, epochs: 1, verbose: 0 });
  for (let i = 0; i < 3; i++) await fit();
  const before = await memory();
  for (let i = 0; i < 10; i++) await fit();
  const after = await memory();
  assertEquals([after.tensors, after.buffers, after.bytes], [before.tensors, before.buffers, before.bytes]);
  // tfjs keeps free buffers for reuse: how many depends on where submissions fall, but they do not pile up.
  assert(after.allocated <= before.allocated * 1.5, `${before.allocated} bytes allocated, then ${after.allocated}`);
  model.dispose();
  cpu().activate();
});

webgpuTest("fit() on webgpu gives the same history for one and many steps an execution", async () => {
  const histories: number[][] = [];
  let weights: tf.Tensor[] | undefined;
  for (const stepsPerExecution of [1, 3, 40]) {
    const model = perceptron({ stepsPerExecution, rate: 0 });
    await model.evaluate(DATA, { batchSize: 6, verbose: 0 });
    weights ??= model.getWeights();
    model.setWeights(weights);
    const { history } = await model.fit(DATA, { batchSize: 6, epochs: 2, shuffle: false, verbose: 0 });
    histories.push([...history.loss!, ...history.accuracy!]);
    model.dispose();
  }
  const [one, ...others] = histories;
  for (const many of others) many.forEach((value, index) => assertAlmostEquals(value, one![index]!, 1e-6));
  tf.dispose(weights!);
  cpu().activate();
});

webgpuTest("uploads keep their values when buffers are reused before they are read", async () => {
  const device = webgpu();
  await device.open();
  device.activate();
  // Nothing is submitted between these: each upload must reach its own sum, whatever buffer it is given.
  const sums = Array.from({ length: 400 }, (_, i) => tf.tidy(() => tf.add(tf.scalar(i), tf.scalar(i * 2))));
  const values = await Promise.all(sums.map(async (sum) => (await sum.data())[0]));
  assertEquals(values, sums.map((_, i) => i * 3));
  tf.dispose(sums);

  const view = new Float32Array([9, 1, 2, 3, 9]).subarray(1, 4);
  const integers = tf.tensor1d([3, -4], "int32");
  const marks = tf.tensor1d([true, false, true], "bool");
  const nothing = tf.tensor2d([], [0, 3]);
  const large = tf.ones([600, 600]);
  const results = tf.tidy(() => [
    tf.mul(tf.tensor1d(view), 2),
    tf.neg(integers),
    tf.logicalNot(marks),
    tf.mul(nothing, 2),
    tf.sum(large),
  ]);
  // What was uploaded has been copied.
  view.fill(0);
  const read = await Promise.all(results.map(async (result) => [...await result.data()]));
  assertEquals(read, [[2, 4, 6], [-3, 4], [0, 1, 0], [], [360_000]]);
  tf.dispose([integers, marks, nothing, large, ...results]);
  cpu().activate();
});

webgpuTest("open() refuses an adapter that gives no device, and probe() forgets what failed", async () => {
  const refusing: AdapterSource = {
    requestAdapter: async (options) => {
      const adapter = await navigator.gpu.requestAdapter(options);
      adapter!.requestDevice = () => Promise.reject(new Error("out of memory."));
      return adapter;
    },
  };
  const before = tf.getBackend();
  const error = await assertRejects(() => webgpu({ gpu: refusing }).open(), DeviceError);
  assertStringIncludes(error.message, "out of memory");
  assertStringIncludes(error.message, 'device "cpu"');
  assertEquals(tf.getBackend(), before);

  let asked = 0;
  const failing = webgpu({ gpu: { requestAdapter: () => Promise.reject(new Error(`refused ${++asked}`)) } });
  await assertRejects(() => failing.probe(), Error, "refused 1");
  await assertRejects(() => failing.probe(), Error, "refused 2");
});

/** Trains without end in a process of its own, and destroys the device after some batches. */
const LOSE_DEVICE = `
import { Model, tf } from "@stride/stride";
import { webgpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
let device;
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (options) {
  return device = await request.call(this, options);
};
const layers = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
const gpu = webgpu();
const model = oneDevice({ device: gpu }).scope(() => Model.from(layers));
model.compile({ optimizer: "sgd", loss: "mse", executor: "eager", stepsPerExecution: Number(Deno.args[0]) });
const destroy = {
  name: "destroy",
  onTrainBatchEnd({ batch }) {
    if (batch >= 7) device.destroy();
  },
};
const x = Array.from({ length: 4000 }, () => [1, 2, 3, 4]);
try {
  await model.fit({ x, y: x.map(() => [1]) }, { batchSize: 4, epochs: 100, verbose: 0, callbacks: [destroy] });
  console.log("fit returned");
} catch (error) {
  console.log(error.name + ": " + error.message);
}
try {
  gpu.check();
} catch (error) {
  console.log("check " + error.name);
}
`;

for (const stepsPerExecution of [1, 8]) {
  webgpuTest(
    `fit() rejects with the reason when the device is lost, ${stepsPerExecution} steps an execution`,
    async () => {
      const root = new URL("../../", import.meta.url);
      const script = await Deno.makeTempFile({ suffix: ".js" });
      try {
        await Deno.writeTextFile(script, LOSE_DEVICE);
        const config = new URL("deno.json", root).pathname;
        const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-lock", "--config", config, script, `${stepsPerExecution}`],
          // It must end by itself.
          signal: AbortSignal.timeout(30_000),
        }).output();
        const [fit = "", check] = new TextDecoder().decode(stdout).trim().split("\n");
        const seen = `${fit}\n${new TextDecoder().decode(stderr)}`;
        assert(fit.startsWith("DeviceError: Lost the WebGPU device"), seen);
        assertStringIncludes(fit, 'reason "destroyed"');
        assertStringIncludes(fit, "checkpoint");
        assertEquals(check, "check DeviceError");
      } finally {
        await Deno.remove(script);
      }
    },
  );
}

/** Trains a dense layer for a step. @returns The loss. */
async function trained(units: number, inputs: number, rows = 2): Promise<number> {
  const layer = tf.layers.dense({ units, inputShape: [inputs], kernelInitializer: "zeros", useBias: false });
  const model = oneDevice({ device: "webgpu" }).scope(() => Model.from(tf.sequential({ layers: [layer] })));
  model.compile({ optimizer: "adam", loss: "mse" });
  const ones = (size: number) =>
    ({ shape: [rows, size], dtype: "float32", values: new Float32Array(rows * size).fill(1) }) as const;
  try {
    const { history } = await model.fit({ x: ones(inputs), y: ones(units) }, { batchSize: rows, verbose: 0 });
    return history.loss![0]!;
  } finally {
    model.dispose();
  }
}

webgpuTest("a layer that no binding can hold is refused by its size, and others train after it", async () => {
  await webgpu().open();
  webgpu().activate();
  const { device } = tf.backend() as unknown as { device: GPUDevice };
  const most = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
  const units = Math.floor(most / 4 / 8192) + 1;
  await assertRejects(
    () => trained(units, 8192),
    DeviceError,
    `it takes ${units * 8192 * 4} bytes, and kernels reach ${most} of one here. Use smaller layers or batches`,
  );
  assertEquals(await trained(3, 4), 1);
  cpu().activate();
});
