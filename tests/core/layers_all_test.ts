/**
 * What holds for every layer: gradients are those of finite differences, nothing leaks, nothing is read back.
 *
 * @module
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { applyLayer, layerVariables } from "../../core/layers/mod.ts";
import { hostRandomSource, uniformValues, withRandomSource } from "../../core/random.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { kerasLayer } from "../golden/keras_layers.ts";
import { caseName, LAYER_CASES, type LayerCase, RANDOM_CASES } from "./layer_cases.ts";

let stream = 0;

/** Uniform values in [-scale, scale). */
function draw(shape: readonly number[], scale = 1): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(uniformValues([++stream, 5], size).map((value) => (2 * value - 1) * scale), [...shape]);
}

function prepare({ config, inputs, mask }: LayerCase, training: boolean) {
  const layer = kerasLayer(config);
  const variables = inputs.map((shape) => tf.variable(draw(shape)));
  const masks = variables.map(() => mask === undefined ? null : tf.tensor2d(mask.map((row) => [...row])).cast("bool"));
  const run = () => applyLayer(layer, variables, { training, masks, addLoss: () => {} }).outputs[0]!;
  const shape = tf.tidy(() => run().shape);
  for (const { variable, role } of layerVariables(layer, "")) {
    if (role === "weight") tf.tidy(() => variable.assign(draw(variable.shape, 0.7)));
  }
  return { layer, variables, run, shape };
}

for (const layerCase of LAYER_CASES) {
  Deno.test(`applyLayer() has the gradient of finite differences when the layer is ${caseName(layerCase)}`, async () => {
    stream = 0;
    const { layer, variables, run, shape } = prepare(layerCase, true);
    const weights = layerVariables(layer, "").filter(({ trainable }) => trainable).map(({ variable }) => variable);
    const projection = draw(shape);
    const loss = () => tf.sum(tf.mul(run(), projection)) as tf.Scalar;
    const parameters = [...variables, ...weights];
    const { grads } = tf.variableGrads(loss, parameters);
    for (const parameter of parameters) {
      const gradient = await grads[parameter.name]!.data();
      const base = Float32Array.from(await parameter.data());
      const scale = Math.max(1, ...gradient.map(Math.abs));
      const at = (index: number, step: number) => {
        const moved = base.slice();
        moved[index]! += step;
        return tf.tidy(() => {
          parameter.assign(tf.tensor(moved, parameter.shape));
          return loss().dataSync()[0]!;
        });
      };
      const stride = Math.max(1, Math.floor(base.length / 6));
      for (let index = 0; index < base.length; index += stride) {
        const [near, wide] = [2e-3, 4e-3].map((step) => (at(index, step) - at(index, -step)) / (2 * step));
        // Where two widths disagree there is a kink between them, and no derivative to compare with.
        if (Math.abs(near! - wide!) > 0.02 * scale) continue;
        const error = Math.abs(near! - gradient[index]!) / scale;
        assert(error < 0.01, `element ${index} of [${parameter.shape}]: ${gradient[index]}, expected about ${near}`);
      }
      tf.tidy(() => parameter.assign(tf.tensor(base, parameter.shape)));
    }
  });
}

for (const layerCase of [...LAYER_CASES, ...RANDOM_CASES]) {
  Deno.test(`applyLayer() neither leaks nor reads back when the layer is ${caseName(layerCase)}`, () => {
    stream = 0;
    const engine = tf.engine();
    const { readSync, read } = engine;
    try {
      engine.readSync = engine.read = () => {
        throw new Error("read back");
      };
      for (const training of [true, false]) {
        const { run } = prepare(layerCase, training);
        const before = tf.memory().numTensors;
        for (let step = 0; step < 3; step++) tf.tidy(() => void run());
        assertEquals(tf.memory().numTensors, before);
      }
    } finally {
      engine.readSync = readSync;
      engine.read = read;
    }
  });
}

for (const layerCase of RANDOM_CASES) {
  Deno.test(`applyLayer() draws anew, and again from the same key, when the layer is ${caseName(layerCase)}`, async () => {
    stream = 0;
    const { run } = prepare(layerCase, true);
    const outputs = [1, 2, 1].map((key) => withRandomSource(hostRandomSource([key, 0]), () => tf.tidy(run)));
    const [first, other, again] = await Promise.all(outputs.map((output) => output.data()));
    assertNotEquals(first, other);
    assertEquals(first, again);
  });

  Deno.test(`applyLayer() draws nothing outside of training when the layer is ${caseName(layerCase)}`, async () => {
    stream = 0;
    const { run } = prepare(layerCase, false);
    const source = { uniform: fail, normal: fail, seed: fail };
    const output = withRandomSource(source, () => tf.tidy(run));
    assert((await output.data()).every(Number.isFinite));
  });
}

function fail(): never {
  throw new Error("drew a random number");
}
