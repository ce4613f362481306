import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type Device, DeviceError, type Tensor, tf } from "@stride/stride/core";
import { type AdapterSource, cpu, devices, webgpu } from "@stride/stride/devices";
import { webgpuTest } from "../webgpu.ts";

type Compute = () => Tensor | Tensor[];

await cpu().open();

/** Deterministic numbers in [-1, 1). */
function wave(shape: number[], seed = 1): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * 12.9898 * seed) * 43758.5 % 1),
    shape,
  );
}

/** What a device computes, read back. */
async function on(device: Device, compute: Compute): Promise<number[][]> {
  device.activate();
  const results = [tf.tidy(compute)].flat();
  const values = await Promise.all(results.map(async (tensor) => [...await tensor.data()]));
  tf.dispose(results);
  cpu().activate();
  return values;
}

/** The gradient at `x` by central differences, in the direction of each element. */
function differences(f: (x: Tensor) => Tensor, x: Tensor, step: number): number[] {
  const values = x.dataSync();
  const at = (index: number, change: number): number =>
    tf.tidy(() =>
      f(tf.tensor(Float32Array.from(values, (v, i) => i === index ? v + change : v), x.shape)).dataSync()[0]!
    );
  return Array.from(values, (_, index) => (at(index, step) - at(index, -step)) / (2 * step));
}

function assertClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = ""): void {
  assertEquals(found.length, expected.length, what);
  for (let i = 0; i < found.length; i++) assertAlmostEquals(found[i]!, expected[i]!, tolerance, `${what} element ${i}`);
}

interface Spied {
  readonly gpu: AdapterSource;
  readonly adapter: () => GPUAdapter;
  readonly device: () => GPUDevice;
  readonly adapters: () => number;
}

/** `navigator.gpu`, giving out the adapter and the device that it makes. @param shader Changes shaders. @default as they are */
function spied(shader: (given: GPUShaderModuleDescriptor) => GPUShaderModuleDescriptor = (given) => given): Spied {
  let adapter: GPUAdapter | null;
  let device: GPUDevice | undefined;
  let adapters = 0;
  const gpu = {
    requestAdapter: async (options?: GPURequestAdapterOptions) => {
      adapters++;
      adapter = await navigator.gpu.requestAdapter(options);
      const request = adapter!.requestDevice.bind(adapter);
      adapter!.requestDevice = async (descriptor) => {
        device = await request(descriptor);
        const create = device.createShaderModule.bind(device);
        device.createShaderModule = (given) => create(shader(given));
        return device;
      };
      return adapter;
    },
  };
  return { gpu, adapter: () => adapter!, device: () => device!, adapters: () => adapters };
}

Deno.test('devices lists webgpu before cpu, the order in which "auto" tries them', () => {
  assertEquals(Object.keys(devices), ["webgpu", "cpu"]);
});

Deno.test("cpu() prints nothing when it is imported or first used", async () => {
  const code = 'import { cpu } from "@stride/stride/devices"; import { tf } from "@stride/stride/core";' +
    "tf.ones([2]); const d = cpu(); await d.probe(); await d.open(); d.activate(); d.check();" +
    "tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).dataSync();";
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--config", new URL("../../deno.json", import.meta.url).pathname, code],
  }).output();
  assertEquals([new TextDecoder().decode(stdout), new TextDecoder().decode(stderr), success], ["", "", true]);
});

Deno.test("cpu() multiplies matrices as float64 does when operands are transposed or broadcast", () => {
  const cases: [number[], number[], boolean, boolean][] = [
    [[3, 5], [5, 7], false, false],
    [[5, 3], [5, 7], true, false],
    [[3, 5], [7, 5], false, true],
    [[5, 3], [7, 5], true, true],
    [[1, 1], [1, 1], false, false],
    [[2, 3, 5], [2, 5, 4], false, false],
    [[2, 3, 5], [5, 4], false, false],
    [[1, 3, 5], [4, 5, 2], false, false],
    [[2, 1, 3, 5], [1, 3, 5, 2], false, false],
    [[2, 1, 5, 3], [3, 2, 5], true, true],
  ];
  tf.tidy(() => {
    for (const [shapeA, shapeB, transposeA, transposeB] of cases) {
      const a = wave(shapeA);
      const b = wave(shapeB, 3);
      const found = tf.matMul(a, b, transposeA, transposeB);
      const batch = found.shape.slice(0, -2);
      // Every element by itself, from broadcast copies.
      const wide = (x: Tensor): number[] => [...tf.broadcastTo(x, [...batch, ...x.shape.slice(-2)]).dataSync()];
      const [valuesA, valuesB] = [wide(a), wide(b)];
      const [m, n] = found.shape.slice(-2) as [number, number];
      const k = shapeA.at(transposeA ? -2 : -1)!;
      const expected = Array.from({ length: found.size }, (_, index) => {
        const [j, i, part] = [index % n, Math.floor(index / n) % m, Math.floor(index / (m * n))];
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum += valuesA[part * m * k + (transposeA ? p * m + i : i * k + p)]! *
            valuesB[part * k * n + (transposeB ? j * k + p : p * n + j)]!;
        }
        return sum;
      });
      assertClose(found.dataSync(), expected, 1e-6, `[${shapeA}] × [${shapeB}]`);
    }
  });
});

Deno.test("cpu() adds the bias and applies the activation when a product is fused", () => {
  tf.tidy(() => {
    const [a, b, bias] = [wave([4, 9]) as tf.Tensor2D, wave([9, 6], 2) as tf.Tensor2D, wave([6], 5)];
    const linear = tf.add(tf.matMul(a, b), bias);
    const activations = { linear: linear.clone, relu: tf.relu, relu6: tf.relu6, sigmoid: tf.sigmoid, elu: tf.elu };
    for (const [activation, apply] of Object.entries(activations)) {
      const fused = tf.fused.matMul({ a, b, bias, activation: activation as "relu" });
      assertClose(fused.dataSync(), apply.call(linear, linear).dataSync(), 1e-6, activation);
    }
    const leaky = tf.fused.matMul({ a, b, bias, activation: "leakyrelu", leakyreluAlpha: 0.3 });
    assertClose(leaky.dataSync(), tf.leakyRelu(linear, 0.3).dataSync(), 1e-6, "leakyrelu");
  });
});

Deno.test("cpu() multiplies integers that were cast to floats", () => {
  tf.tidy(() => {
    const a = tf.cast(tf.tensor2d([[1, 2], [3, 4]], [2, 2], "int32"), "float32");
    assertEquals([...tf.matMul(a, tf.tensor2d([[0.5], [1]])).dataSync()], [2.5, 5.5]);
  });
});

Deno.test("cpu() keeps tfjs's message when shapes of a product do not fit", () => {
  assertThrows(() => tf.matMul(tf.ones([2, 3]), tf.ones([2, 3])), Error, "inner shapes");
});

for (
  const [name, shape, f] of [
    ["resizeNearestNeighbor", [2, 3, 4, 2], (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [6, 8])],
    [
      "resizeNearestNeighbor aligned",
      [2, 3, 4, 2],
      (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [5, 7], true),
    ],
    ["resizeBilinear", [2, 3, 4, 2], (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [5, 6])],
    ["maxPool3d", [1, 4, 6, 7, 2], (x) => tf.maxPool3d(x as tf.Tensor5D, [1, 2, 3], 2, "valid")],
    ["maxPool3d same", [1, 3, 4, 5, 1], (x) => tf.maxPool3d(x as tf.Tensor5D, [2, 2, 3], 2, "same")],
  ] as [string, number[], (x: Tensor) => Tensor][]
) {
  const weighted = (x: Tensor): Tensor => {
    const y = f(x);
    return tf.sum(tf.mul(y, wave(y.shape, 7)));
  };

  Deno.test(`cpu() has the gradient of ${name} that finite differences have`, () => {
    tf.tidy(() => {
      const x = wave(shape);
      assertClose(tf.grad(weighted)(x).dataSync(), differences(weighted, x, 1e-3), 2e-3);
    });
  });

  webgpuTest(`webgpu() has the gradient of ${name} that the CPU has`, async () => {
    const device = webgpu();
    await device.open();
    const compute = (): Tensor => tf.grad(weighted)(wave(shape));
    assertClose((await on(device, compute))[0]!, (await on(cpu(), compute))[0]!, 1e-5);
  });
}

Deno.test("webgpu() says how to get an adapter when there is none, and asks again the next time", async () => {
  let asked = 0;
  const device = webgpu({ gpu: { requestAdapter: () => Promise.resolve((asked++, null)) } });
  assertEquals((await device.probe()).available, false);
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(() => device.open(), DeviceError);
    assertStringIncludes(error.message, "mesa-vulkan-drivers");
    assertStringIncludes(error.message, 'device "cpu"');
  }
  assertEquals(asked, 3);
  assertThrows(() => device.activate(), DeviceError, "call open() first");
});

webgpuTest("webgpu() probes without opening, and says whether the adapter is software", async () => {
  const { gpu, device, adapters } = spied();
  const { available, software, description } = await webgpu({ gpu }).probe();
  assert(available);
  assertEquals(software, /llvmpipe/.test(description));
  assertEquals([adapters(), device()], [1, undefined]);
});

webgpuTest("webgpu() opens once for all devices, and leaves the current backend alone", async () => {
  const { gpu, adapters } = spied();
  cpu().activate();
  await Promise.all([webgpu({ gpu }).open(), webgpu({ gpu }).open()]);
  await webgpu({ gpu }).open();
  assertEquals(adapters(), 1);
  assertEquals(tf.getBackend(), "cpu");
});

webgpuTest("webgpu() has a backend of its own when it is asked for differently", () => {
  const { gpu } = spied();
  assertEquals(webgpu().backend, webgpu().backend);
  assert(webgpu({ gpu }).backend !== webgpu().backend);
  assert(webgpu({ gpu, powerPreference: "low-power" }).backend !== webgpu({ gpu }).backend);
  return Promise.resolve();
});

webgpuTest("webgpu() asks for the adapter's own limits", async () => {
  const { gpu, adapter, device } = spied();
  await webgpu({ gpu }).open();
  for (const limit of ["maxStorageBufferBindingSize", "maxBufferSize", "maxComputeInvocationsPerWorkgroup"] as const) {
    assertEquals(device().limits[limit], adapter().limits[limit]);
  }
});

webgpuTest("activate() switches at once, and keeps the values of tensors on either device", async () => {
  const device = webgpu();
  await device.open();
  cpu().activate();
  const a = tf.tensor1d([1, 2, 3]);
  device.activate();
  assertEquals(tf.getBackend(), device.backend);
  const b = tf.add(a, 1);
  assertEquals([...await b.data()], [2, 3, 4]);
  // Using a tensor on another device moves it: what lies on the GPU has to be read first.
  cpu().activate();
  assertEquals(tf.getBackend(), "cpu");
  assertThrows(() => tf.neg(a), DeviceError, "await tensor.data()");
  await a.data();
  const c = tf.mul(b, a);
  assertEquals([...c.dataSync()], [2, 6, 12]);
  tf.dispose([a, b, c]);
});

webgpuTest("dataSync() on webgpu is an error that names data()", async () => {
  const device = webgpu();
  await device.open();
  device.activate();
  const sum = tf.add(tf.tensor1d([1]), 1);
  assertThrows(() => sum.dataSync(), DeviceError, "await tensor.data()");
  assertEquals([...await sum.data()], [2]);
  sum.dispose();
  // What has never left the host can be read.
  assertEquals([...tf.tensor1d([3]).dataSync()], [3]);
  cpu().activate();
});

webgpuTest("data() on webgpu gives a variable's current value after assignments and reads", async () => {
  const device = webgpu();
  await device.open();
  device.activate();
  const variable = tf.variable(tf.tensor1d([1]));
  const before = variable.clone();
  for (let value = 2; value < 5; value++) {
    tf.tidy(() => variable.assign(tf.add(variable, 1) as tf.Tensor1D));
    assertEquals([...await variable.data()], [value]);
    assertEquals([...await before.data()], [1]);
  }
  tf.dispose([variable, before]);
  cpu().activate();
});

webgpuTest("check() throws, and so do reads and open(), when the device is lost", async () => {
  const { gpu, device } = spied();
  const lost = webgpu({ gpu });
  await lost.open();
  lost.activate();
  lost.check();
  const tensor = tf.add(tf.ones([4]), 1);
  device().destroy();
  const error = await assertRejects(() => tensor.data(), DeviceError);
  assertStringIncludes(error.message, 'reason "destroyed"');
  assertStringIncludes(error.message, "checkpoint");
  assertThrows(() => lost.check(), DeviceError, 'reason "destroyed"');
  await assertRejects(() => webgpu({ gpu }).open(), DeviceError, 'reason "destroyed"');
  cpu().activate();
});

webgpuTest("check() throws when the device reports an error that nobody caught", async () => {
  const { gpu, device } = spied();
  const failing = webgpu({ gpu });
  await failing.open();
  device().createShaderModule({ code: "not a shader" });
  await device().queue.onSubmittedWorkDone();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertThrows(() => failing.check(), DeviceError, "An error of the WebGPU device");
});

webgpuTest("open() refuses a device that computes wrongly, and names operation, found and expected", async () => {
  const { gpu } = spied(({ code }) => ({ code: code.replace("tanh(x)", "(tanh(x) + 0.01)") }));
  const error = await assertRejects(() => webgpu({ gpu }).open(), DeviceError);
  assert(/computes wrongly.*tanh.*element \d+ is -?[\d.]+; expected -?[\d.]+/.test(error.message), error.message);
  // The verdict stands, as long as the process.
  await assertRejects(() => webgpu({ gpu }).open(), DeviceError, "computes wrongly");
});

webgpuTest("data() refuses kernels of tfjs that compute wrongly, whichever it was that computed the data", async () => {
  await import("@tensorflow/tfjs-backend-webgpu");
  const right = tf.getKernel("Conv2D", "webgpu");
  tf.unregisterKernel("Conv2D", "webgpu");
  tf.registerKernel({
    ...right,
    kernelFunc: (given) =>
      tf.getKernel("Neg", "webgpu").kernelFunc({
        inputs: { x: right.kernelFunc(given) } as unknown as tf.NamedTensorInfoMap,
        attrs: {},
        backend: given.backend,
      }),
  });
  const { gpu } = spied();
  const device = webgpu({ gpu });
  await device.open();
  device.activate();
  const [ones, other] = [tf.add(tf.ones([4]), 1), tf.add(tf.ones([4]), 2)];
  device.check();
  const [error] = await Promise.all([
    assertRejects(() => ones.data(), DeviceError),
    assertRejects(() => other.data(), DeviceError, "computes wrongly"),
  ]);
  tf.unregisterKernel("Conv2D", "webgpu");
  tf.registerKernel(right);
  assert(
    /computes wrongly.*convolution.*element \d+ is -?[\d.]+; expected -?[\d.]+/.test(error.message),
    error.message,
  );
  assertThrows(() => device.check(), DeviceError, "computes wrongly");
  await assertRejects(() => webgpu({ gpu }).open(), DeviceError, "computes wrongly");
  cpu().activate();
});

webgpuTest("data() leaves no tensor behind when it checks kernels", async () => {
  const device = webgpu({ gpu: spied().gpu });
  await device.open();
  device.activate();
  const two = tf.add(tf.ones([2]), 1);
  const { numTensors } = tf.memory();
  await two.data();
  assertEquals(tf.memory().numTensors, numTensors);
  two.dispose();
  cpu().activate();
});

const INTEGERS = (): Tensor =>
  tf.add(tf.tensor3d(Array.from({ length: 24 }, (_, i) => i % 5 - 2), [2, 3, 4], "int32"), tf.scalar(0, "int32"));
const BOOLEANS = (): Tensor => tf.greater(wave([2, 3, 4]), 0);

/** What tfjs's WebGPU backend computes wrongly by itself. */
const CORRECTED: Readonly<Record<string, Compute>> = {
  "integers transposed": () => tf.transpose(INTEGERS(), [2, 0, 1]),
  "booleans transposed": () => tf.transpose(BOOLEANS(), [2, 0, 1]),
  "integers summed over the first axis": () => tf.sum(INTEGERS(), 0),
  "any and all over the first axis": () => [tf.any(BOOLEANS(), 0), tf.all(BOOLEANS(), 0)],
  "a mean of booleans cast to floats": () => tf.mean(tf.cast(BOOLEANS(), "float32"), 0),
  "moments of integers cast to floats": () => Object.values(tf.moments(tf.cast(INTEGERS(), "float32"), [0, 1])),
  "a reversed cumulative sum after one of another length": () => [
    tf.cumsum(wave([3, 5]), 1, false, true),
    tf.cumsum(wave([3, 9]), 1, false, true),
    tf.cumsum(wave([3, 4]), 1, true, true),
  ],
  "the gradient of a cumulative sum": () => [
    tf.grad((x: Tensor) => tf.sum(tf.square(tf.cumsum(x, 1))))(wave([2, 7])),
    tf.grad((x: Tensor) => tf.sum(tf.square(tf.cumsum(x, 1))))(wave([2, 3])),
  ],
  "argMax and argMin of equal elements": () => [tf.argMax(tf.ones([3, 90]), 1), tf.argMin(tf.ones([3, 90]), 1)],
  "the gradient of a maximum of equal elements": () =>
    tf.grad((x: Tensor) => tf.sum(tf.mul(tf.maxPool(x as tf.Tensor4D, 2, 2, "valid"), wave([1, 2, 2, 2]))))(
      tf.ones([1, 4, 4, 2]),
    ),
  "counts, with weights and as marks": () => {
    const x = tf.tensor2d([[1, 2, 2, 0], [3, 3, 3, 9]], [2, 4], "int32");
    const none = tf.tensor2d([], [0, 0]);
    return [
      tf.denseBincount(x, none, 4),
      tf.denseBincount(x, wave([2, 4]) as tf.Tensor2D, 4),
      tf.denseBincount(x, none, 4, true),
    ];
  },
  "a crop of a later image": () =>
    tf.image.cropAndResize(
      wave([2, 4, 5, 3]) as tf.Tensor4D,
      tf.tensor2d([[0, 0.2, 1, 0.9]]),
      tf.tensor1d([1], "int32"),
      [3, 3],
    ),
  "a NaN through relu6": () => [
    tf.relu6(tf.tensor1d([NaN, 7, -1])),
    tf.relu6(tf.tensor1d([NaN, 7, -1, 3])),
    tf.fused.matMul({ a: tf.fill([1, 2], NaN), b: tf.ones([2, 3]), activation: "relu6" }),
  ],
};

for (const [name, compute] of Object.entries(CORRECTED)) {
  webgpuTest(`webgpu() gives the CPU's ${name}`, async () => {
    const device = webgpu();
    await device.open();
    const [found, expected] = [await on(device, compute), await on(cpu(), compute)];
    device.check();
    assertEquals(found.length, expected.length);
    found.forEach((values, index) => assertClose(values, expected[index]!, 1e-5, `result ${index}`));
  });
}

webgpuTest("webgpu() sums a filter's gradient over more positions than a software adapter can loop over", async () => {
  const device = webgpu();
  await device.open();
  const gradient = (): Tensor =>
    tf.grad((filter: Tensor) =>
      tf.sum(
        tf.mul(
          tf.conv2d(wave([90, 28, 28, 1]) as tf.Tensor4D, filter as tf.Tensor4D, 1, "same"),
          wave([90, 28, 28, 1], 3),
        ),
      )
    )(tf.ones([2, 2, 1, 1]));
  assertClose((await on(device, gradient))[0]!, (await on(cpu(), gradient))[0]!, 2e-2);
});

webgpuTest("webgpu() keeps tensors, data and bytes flat over 100 steps", async () => {
  const device = webgpu();
  await device.open();
  device.activate();
  const weights = tf.variable(wave([8, 4]));
  const step = (): void =>
    tf.tidy(() => {
      const x = tf.cast(tf.greater(wave([16, 8]), 0), "float32") as tf.Tensor2D;
      const { grads } = tf.variableGrads(() => tf.mean(tf.square(tf.matMul(x, weights as tf.Tensor2D))), [weights]);
      weights.assign(tf.sub(weights, tf.mul(Object.values(grads)[0]!, 0.1)));
    });
  const memory = async (): Promise<number[]> => {
    const mean = tf.mean(weights);
    await mean.data();
    mean.dispose();
    const { numTensors, numDataBuffers, ...rest } = tf.memory();
    return [numTensors, numDataBuffers, (rest as unknown as { numBytesInGPU: number }).numBytesInGPU];
  };
  for (let i = 0; i < 20; i++) step();
  const before = await memory();
  for (let i = 0; i < 100; i++) step();
  const after = await memory();
  assertEquals(after, before);
  weights.dispose();
  cpu().activate();
});
