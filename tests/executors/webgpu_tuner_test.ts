import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { Model, setRandomSeed, tf } from "@stride/stride";
import type { Executor } from "@stride/stride/core";
import { webgpu as device } from "@stride/stride/devices";
import { webgpu } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { timeShaders } from "../../plugins/executors/webgpu/kernel_timer.ts";
import { type Runtime, runtimeOf } from "../../plugins/executors/webgpu/runtime.ts";
import { webGpuBackendOf } from "../../plugins/executors/webgpu/tfjs_backend.ts";
import { Tuner, type TunerOptions } from "../../plugins/executors/webgpu/tuner.ts";
import { kernelAlternatives, printKernel } from "../../plugins/executors/webgpu/wgsl/mod.ts";
import { webgpuTest } from "../webgpu.ts";
import { STAGED } from "./webgpu_staged.ts";
import { product } from "./wgsl_contractions.ts";
import { contextOf, setting } from "./wgsl_device.ts";

async function openRuntime(): Promise<Runtime> {
  const opened = device();
  await opened.open();
  opened.activate();
  const runtime = runtimeOf(webGpuBackendOf(opened));
  runtime.choices.clear();
  return runtime;
}

/** Just large enough to be measured, and one that is not. */
function products() {
  const where = setting({ tuning: STAGED });
  const [large] = product(where, { batch: 1, rows: 256, columns: 256, inner: 512 });
  const [small] = product(where, { batch: 1, rows: 64, columns: 64, inner: 64 });
  const context = contextOf(where);
  const ways = kernelAlternatives(large, context, 6);
  return { kernels: [small, large], large, context, ways };
}

function choose(runtime: Runtime, options: TunerOptions): Promise<ReadonlyMap<string, string>> {
  const { kernels, context } = products();
  return runtime.pacer.turn(() => new Tuner(runtime, options).choose(kernels, context));
}

webgpuTest("Tuner.choose() measures large kernels once, and keeps what it found in a file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const cache = `${folder}/choices.json`;
    const runtime = await openRuntime();
    const { ways, large, context } = products();
    const before = runtime.counts.submissions;
    const measured = await choose(runtime, { cache, force: true, budget: 60_000 });
    assertGreater(runtime.counts.submissions, before);
    assertEquals([...measured.keys()], [ways[0]!.shader.code]);
    assert(ways.some(({ name }) => name === measured.get(ways[0]!.shader.code)));
    const kept = JSON.parse(await Deno.readTextFile(cache));
    assertEquals(Object.values(kept), [...measured.values()]);
    assertEquals([...Deno.readDirSync(folder)].length, 1);
    // The next program of the process.
    const after = runtime.counts.submissions;
    assertEquals(await choose(runtime, { force: true }), measured);
    // The next process, where another way was the fastest.
    runtime.choices.clear();
    await Deno.writeTextFile(cache, JSON.stringify({ [Object.keys(kept)[0]!]: ways[2]!.name }));
    const choices = await choose(runtime, { cache, force: true });
    assertEquals(runtime.counts.submissions, after);
    assert(printKernel(large, { ...context, choices })[0]!.label.endsWith(ways[2]!.name));
    // A way that there is no more.
    const unknown = new Map([[ways[0]!.shader.code, "7×7×7 by 7×7"]]);
    assertEquals(printKernel(large, { ...context, choices: unknown })[0]!.code, ways[0]!.shader.code);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

webgpuTest("Tuner.choose() measures nothing on software adapters, nor when its time is over", async () => {
  const runtime = await openRuntime();
  const before = runtime.counts.submissions;
  assertEquals((await choose(runtime, {})).size, 0);
  assertEquals((await choose(runtime, { force: true, budget: 0 })).size, 0);
  assertEquals(runtime.counts.submissions, before);
});

webgpuTest("Tuner.choose() refuses a file that is not its own, and leaves it alone", async () => {
  const cache = await Deno.makeTempFile();
  try {
    const runtime = await openRuntime();
    for (const text of ["", "[]", "null", '{"a": 1}', "{"]) {
      await Deno.writeTextFile(cache, text);
      await assertRejects(() => choose(runtime, { cache, force: true }), TypeError, cache);
      assertEquals(await Deno.readTextFile(cache), text);
    }
  } finally {
    await Deno.remove(cache);
  }
});

webgpuTest("timeShaders() frees what it measured with", async () => {
  const runtime = await openRuntime();
  const { context, ways } = products();
  const create = runtime.device.createBuffer.bind(runtime.device);
  const alive = new Set<GPUBuffer>();
  runtime.device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    if (descriptor.label !== "a measurement") return buffer;
    alive.add(buffer);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      alive.delete(buffer);
      return destroy();
    };
    return buffer;
  };
  try {
    const options = { rounds: 1, dispatches: 1, columns: context.columns.length, streams: context.streams };
    const shaders = ways.slice(0, 2).map(({ shader }) => shader);
    const times = await runtime.pacer.turn(() => timeShaders(runtime, shaders, options));
    assertEquals(times.length, 2);
    assert(times.every((ms) => ms > 0 && Number.isFinite(ms)), `${times}`);
    assertEquals(alive.size, 0);
  } finally {
    runtime.device.createBuffer = create;
  }
});

async function train(executor: Executor): Promise<readonly number[]> {
  setRandomSeed(3);
  const units = 256;
  const dense = (seed: number) =>
    tf.layers.dense({ units, inputShape: [512], kernelInitializer: tf.initializers.glorotUniform({ seed }) });
  const layers = tf.sequential({ layers: [dense(1), tf.layers.dense({ units: 1 })] });
  const model = oneDevice({ device: device() }).scope(() => Model.from(layers));
  model.compile({ optimizer: "sgd", loss: "mse", executor });
  const rows = 512;
  const x = tf.tensor2d(Float32Array.from({ length: rows * 512 }, (_, i) => Math.sin(i * i)), [rows, 512]);
  const y = tf.ones([rows, 1]);
  const { history } = await model.fit({ x, y }, { batchSize: 256, epochs: 2, verbose: 0 });
  const weights = await Promise.all(model.getWeights().map(async (weight) => [...await weight.data()]));
  model.dispose();
  tf.dispose([x, y]);
  return [...history.loss as number[], ...weights.flat()];
}

webgpuTest("webgpu({ tuner }) trains to the same bits as without", async () => {
  const runtime = await openRuntime();
  const without = await train(webgpu({ kernelsFor: "discrete" }));
  assertEquals(runtime.choices.size, 0);
  const measured = await train(webgpu({ kernelsFor: "discrete", tuner: { force: true, budget: 60_000 } }));
  assertGreater(runtime.choices.size, 0);
  assertEquals(measured, without);
});
