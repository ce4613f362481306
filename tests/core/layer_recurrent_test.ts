/**
 * Recurrent layers: states and dropout.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { applyLayer, layerVariables, resetStates } from "../../core/layers/mod.ts";
import { type Tensor, tf } from "../../core/tf.ts";

const TRAIN = { training: true, addLoss: () => {} };
const TEST = { training: false, addLoss: () => {} };
const x = tf.randomNormal([2, 6, 3], 0, 1, "float32", 11);

function half(index: number): Tensor {
  return x.slice([0, 3 * index, 0], [2, 3, 3]);
}

function assertClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-6): void {
  assertEquals(found.length, expected.length);
  Array.from(found).forEach((value, index) => assertAlmostEquals(value, expected[index]!, tolerance));
}

function stateful(): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.lstm({ units: 4, stateful: true, returnSequences: true, batchInputShape: [2, 3, 3] }),
      tf.layers.gru({ units: 2, stateful: true }),
    ],
  });
}

Deno.test("stateful layers go on where the batch before ended, until resetStates() when they are reset", async () => {
  const model = stateful();
  const whole = tf.sequential({
    layers: [tf.layers.lstm({ units: 4, returnSequences: true, inputShape: [6, 3] }), tf.layers.gru({ units: 2 })],
  });
  whole.setWeights(model.getWeights());
  const run = async (part: number) => await tf.tidy(() => applyLayer(model, [half(part)], TRAIN).outputs[0]!).data();
  const first = await run(0);
  assertClose(await run(1), await applyLayer(whole, [x], TRAIN).outputs[0]!.data());
  assertNotEquals(await run(0), first);
  resetStates(model);
  assertEquals(await run(0), first);
});

Deno.test("stateful layers hold their states in variables when they are built", () => {
  const model = stateful();
  applyLayer(model, [half(0)], TEST);
  const states = layerVariables(model, "").filter(({ role }) => role === "state");
  assertEquals(states.map(({ path, variable }) => `${path} ${variable.shape}`), [
    "lstm/state_0 2,4",
    "lstm/state_1 2,4",
    "gru/state_0 2,2",
  ]);
  assert(states.every(({ acrossReplicas, trainable }) => acrossReplicas === "first" && !trainable));
  const before = tf.memory().numTensors;
  for (let step = 0; step < 20; step++) tf.tidy(() => void applyLayer(model, [half(0)], TRAIN));
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("stateful layers refuse a batch of another size when they are built", () => {
  const layer = tf.layers.simpleRNN({ units: 2, stateful: true });
  applyLayer(layer, [half(0)], TEST);
  assertThrows(() => applyLayer(layer, [half(0).slice([0], [1])], TEST), Error, "2");
  const model = tf.sequential();
  assertThrows(
    () => {
      const unsized = tf.layers.simpleRNN({ units: 2, stateful: true, inputShape: [3, 3] });
      model.add(unsized);
    },
    Error,
    "batch size",
  );
});

Deno.test("stateful ConvLSTM2D and Bidirectional go on where the batch before ended", async () => {
  const film = tf.randomNormal([1, 2, 4, 4, 1], 0, 1, "float32", 2);
  const convolutional = tf.layers.convLstm2d({ filters: 2, kernelSize: 2, stateful: true });
  const both = tf.layers.bidirectional({
    layer: tf.layers.lstm({ units: 2, stateful: true }) as tf.RNN,
    mergeMode: "sum",
  });
  for (const [layer, input] of [[convolutional, film], [both, half(0)]] as const) {
    const first = await applyLayer(layer, [input], TEST).outputs[0]!.data();
    assertNotEquals(await applyLayer(layer, [input], TEST).outputs[0]!.data(), first);
    resetStates(layer);
    assertEquals(await applyLayer(layer, [input], TEST).outputs[0]!.data(), first);
  }
});

Deno.test("lstm() starts from initialState when one is given, by argument or in a graph", async () => {
  const layer = tf.layers.lstm({ units: 2, returnState: true });
  const [, h, c] = applyLayer(layer, [half(0)], TEST).outputs;
  const expected = await applyLayer(layer, [x], TEST).outputs[0]!.data();
  assertClose(await applyLayer(layer, [half(1)], { ...TEST, initialState: [h!, c!] }).outputs[0]!.data(), expected);
  const inputs = [tf.input({ shape: [3, 3] }), tf.input({ shape: [2] }), tf.input({ shape: [2] })];
  const outputs = layer.apply(inputs[0]!, { initialState: inputs.slice(1) }) as tf.SymbolicTensor[];
  const model = tf.model({ inputs, outputs: outputs[0]! });
  assertClose(await applyLayer(model, [half(1), h!, c!], TEST).outputs[0]!.data(), expected);
  assertThrows(() => applyLayer(layer, [half(1)], { ...TEST, initialState: [h!] }), TypeError, "1 initial states");
});

Deno.test("dropout in cells is drawn once for all steps of a sequence, and is gone when the call ends", async () => {
  const layer = tf.layers.simpleRNN({
    units: 8,
    dropout: 0.5,
    activation: "linear",
    kernelInitializer: "identity",
    recurrentInitializer: "zeros",
    returnSequences: true,
  });
  const steps = await applyLayer(layer, [tf.ones([1, 5, 8])], TRAIN).outputs[0]!.array() as number[][][];
  assert(steps[0]!.every((step) => step.join() === steps[0]![0]!.join()));
  assertEquals([...new Set(steps[0]![0])].sort(), [0, 2]);
  const plain = await applyLayer(layer, [tf.ones([1, 5, 8])], TEST).outputs[0]!.data();
  assert(plain.every((value) => value === 1));
});

Deno.test("gru() mixes the undropped state into the next when it has recurrent dropout", async () => {
  // With an update gate of one, the state must pass unchanged however much recurrent dropout there is.
  const layer = tf.layers.gru({ units: 4, recurrentDropout: 0.9, recurrentActivation: "sigmoid" });
  applyLayer(layer, [half(0)], TEST);
  const [kernel, recurrent, bias] = layer.getWeights();
  const open = tf.tensor1d([...Array(4).fill(50), ...Array(8).fill(0)]);
  layer.setWeights([tf.zerosLike(kernel!), tf.zerosLike(recurrent!), open]);
  assertEquals(bias!.shape, open.shape);
  const state = tf.tensor2d([[1, 2, 3, 4], [5, 6, 7, 8]]);
  const output = applyLayer(layer, [half(0)], { ...TRAIN, initialState: [state] }).outputs[0]!;
  assertClose(await output.data(), await state.data());
});

Deno.test("lstm() adopted after tfjs ran it drops what tfjs kept when it had dropout", async () => {
  const layer = tf.layers.lstm({ units: 2, dropout: 0.5, recurrentDropout: 0.5 });
  tf.tidy(() => void layer.apply(half(0), { training: true }));
  const before = tf.memory().numTensors;
  const output = tf.tidy(() => applyLayer(layer, [half(0)], TEST).outputs[0]!);
  // tfjs had kept a mask for each of four gates, for inputs and states.
  assertEquals(tf.memory().numTensors, before - 8 + 1);
  const again = tf.tidy(() => applyLayer(layer, [half(0)], TEST).outputs[0]!);
  assertEquals(await again.data(), await output.data());
});
