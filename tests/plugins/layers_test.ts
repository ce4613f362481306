/**
 * Stride's layers against Keras: `layers_keras.json` holds what Keras 3.15.1 (JAX) printed for the same weights and
 * inputs. Then their gradients, traces, masks, dropout, files and training.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { Model, setRandomSeed, type Tensor, tf } from "@stride/stride";
import { executors } from "@stride/stride/executors";
import { applyLayer, layerVariables } from "../../core/layers/mod.ts";
import { hostRandomSource, uniformValues, withRandomSource } from "../../core/random.ts";
import {
  activation,
  activationFunction,
  activationIdentifier,
  type ActivationName,
  activationNames,
  groupNormalization,
  gru,
  gruCell,
  lstm,
  multiHeadAttention,
  positionalEmbedding,
  registerLayers,
  rmsNormalization,
  sinusoidalPositions,
} from "../../plugins/layers/mod.ts";
import { tracePhase } from "../../plugins/compiler/mod.ts";
import { makeBatch, makeStep, replay, runEagerly } from "../compiler/steps.ts";
import keras from "./layers_keras.json" with { type: "json" };

await tf.setBackend("cpu");

interface KerasArray {
  readonly shape: number[];
  readonly values: number[];
}

interface KerasCase {
  readonly name: string;
  readonly layer: string;
  readonly options: Record<string, unknown>;
  /** Query, value, key, and an attention mask. */
  readonly inputs: readonly KerasArray[];
  readonly masks?: readonly (KerasArray | null)[];
  readonly weightNames: readonly string[];
  readonly weights: readonly KerasArray[];
  readonly outputs: readonly KerasArray[];
}

const FACTORIES: Record<string, (options: never) => tf.layers.Layer> = {
  groupNormalization,
  gru,
  lstm,
  multiHeadAttention,
  positionalEmbedding,
  rmsNormalization,
};
const CASES = keras.cases as unknown as readonly KerasCase[];
const EXTRA: readonly KerasCase[] = [{
  name: "positionalEmbedding",
  layer: "positionalEmbedding",
  options: { sequenceLength: 5 },
  inputs: [{ shape: [2, 3, 2], values: Array.from({ length: 12 }, (_, index) => Math.cos(index)) }],
  weightNames: ["embeddings"],
  weights: [{ shape: [5, 2], values: Array.from({ length: 10 }, (_, index) => Math.sin(index)) }],
  outputs: [],
}];

const tensor = ({ shape, values }: KerasArray): Tensor => tf.tensor(values, shape);

function prepare({ layer: factory, options, inputs, masks, weights }: KerasCase) {
  const layer = FACTORIES[factory]!(options as never);
  const variables = inputs.map((input) => tf.tidy(() => tf.variable(tensor(input))));
  const maskTensors = inputs.map((_, index) => {
    const mask = masks?.[index];
    return mask ? tf.tidy(() => tensor(mask).cast("bool")) : null;
  });
  const run = (training = false) =>
    applyLayer(layer, variables, { training, masks: maskTensors, addLoss: () => {} }).outputs;
  tf.tidy(() => void run());
  const parameters = layerVariables(layer, "");
  parameters.forEach(({ variable }, index) => tf.tidy(() => variable.assign(tensor(weights[index]!))));
  const given = maskTensors.filter((mask) => mask !== null);
  const dispose = () => tf.dispose([variables, given, parameters.map(({ variable }) => variable)]);
  return { layer, variables, maskTensors, run, parameters, dispose };
}

function assertClose(found: ArrayLike<number>, expected: readonly number[], tolerance = 2e-5): void {
  assertEquals(found.length, expected.length);
  expected.forEach((value, index) =>
    assertAlmostEquals(found[index]!, value, tolerance * Math.max(1, Math.abs(value)), `element ${index}`)
  );
}

for (const given of CASES) {
  Deno.test(`${given.name}: gives what Keras gives`, () => {
    const { run, parameters, dispose } = prepare(given);
    // tfjs's cell is no step of a path here; Keras puts the cell's name before the weight's.
    assertEquals(parameters.map(({ path }) => path), given.weightNames.map((name) => name.replace(/^\w+_cell\//, "")));
    assertEquals(parameters.map(({ variable }) => variable.shape), given.weights.map(({ shape }) => shape));
    const outputs = run();
    assertEquals(outputs.map(({ shape }) => shape), given.outputs.map(({ shape }) => shape));
    outputs.forEach((output, index) => assertClose(output.dataSync(), given.outputs[index]!.values));
    tf.dispose([...outputs]);
    dispose();
  });
}

for (const given of [...CASES, ...EXTRA]) {
  Deno.test(`${given.name}: has the gradient of finite differences`, () => {
    const { run, variables, parameters, dispose } = prepare(given);
    // A mask is no input to differentiate.
    const inputs = variables.slice(0, 3);
    const projection = tf.tidy(() =>
      run(true).map(({ shape, size }) => tf.tensor(uniformValues([3, size], size), shape))
    );
    const loss = () => tf.addN(run(true).map((output, at) => tf.sum(tf.mul(output, projection[at]!)))) as tf.Scalar;
    const all = [...inputs, ...parameters.map(({ variable }) => variable)];
    const { value, grads } = tf.variableGrads(loss, all);
    for (const variable of all) {
      const gradient = grads[variable.name]!.dataSync();
      const base = Float32Array.from(variable.dataSync());
      const scale = Math.max(1, ...gradient.map(Math.abs));
      const at = (index: number, step: number) => {
        const moved = base.slice();
        moved[index]! += step;
        return tf.tidy(() => {
          variable.assign(tf.tensor(moved, variable.shape));
          return loss().dataSync()[0]!;
        });
      };
      for (let index = 0; index < base.length; index += Math.ceil(base.length / 5)) {
        const [near, wide] = [2e-3, 4e-3].map((step) => (at(index, step) - at(index, -step)) / (2 * step));
        // Where two widths disagree there is a kink between them, and no derivative to compare with.
        if (Math.abs(near! - wide!) > 0.02 * scale) continue;
        assertAlmostEquals(gradient[index]!, near!, 0.01 * scale, `element ${index} of [${variable.shape}]`);
      }
      tf.tidy(() => variable.assign(tf.tensor(base, variable.shape)));
    }
    tf.dispose([value, grads, projection]);
    dispose();
  });

  Deno.test(`${given.name}: is recorded by tracePhase()`, () => {
    const { layer, variables, maskTensors, parameters } = prepare(given);
    const rows = given.inputs[0]!.shape[0]!;
    const x = given.inputs.map(({ shape }) => ({ shape, dtype: "float32" as const }));
    const signature = { rows, globalRows: rows, columns: ["lr"], arrays: { x } };
    const weights = parameters.map(({ variable }) => variable);
    const step = makeStep({
      weights,
      loss: (batch) => {
        const inputs = batch.x as Tensor[];
        const { outputs } = applyLayer(layer, inputs, { training: true, masks: maskTensors, addLoss: () => {} });
        return tf.addN(outputs.map((output) => tf.sum(tf.square(output))));
      },
    });
    const { compute } = tracePhase(step, 0, signature);
    tf.tidy(() => {
      const batch = makeBatch(signature);
      const scalars = { lr: tf.scalar(0.1) };
      const expected = runEagerly(step, batch, scalars, [3, 4]);
      const byPath = Object.fromEntries(step.variables.map(({ path, variable }) => [path, variable as Tensor]));
      const computed = replay(compute, { variables: byPath, batch, scalars, key: [3, 4] });
      assertEquals(computed.gradients.map((gradient) => gradient && [...gradient.dataSync()]), expected.gradients);
      assertEquals([...computed.sums!.dataSync()], expected.sums);
    });
    step[Symbol.dispose]();
    tf.dispose([variables, maskTensors.filter((mask) => mask !== null)]);
  });

  Deno.test(`${given.name}: leaks nothing`, () => {
    const { run, parameters, dispose } = prepare(given);
    const before = tf.memory().numTensors;
    for (let step = 0; step < 3; step++) {
      const weights = parameters.map(({ variable }) => variable);
      const loss = () => tf.addN(run(true).map((output) => tf.sum(output))) as tf.Scalar;
      const { value, grads } = tf.variableGrads(loss, weights);
      tf.dispose([value, grads]);
    }
    assertEquals(tf.memory().numTensors, before);
    dispose();
  });
}

for (const name of Object.keys(keras.activations) as ActivationName[]) {
  Deno.test(`activation("${name}") gives what Keras gives, and its slope`, () => {
    const points = keras.points;
    const found = (activation(name).apply(tf.tensor2d([points])) as Tensor).dataSync();
    assertClose(found, keras.activations[name], 2e-6);
    const inDense = tf.layers.activation({ activation: activationIdentifier(name) }).apply(tf.tensor2d([points]));
    assertClose((inDense as Tensor).dataSync(), keras.activations[name], 2e-6);
    const weights = tf.tensor2d([points.map((_, index) => 1 + index / 7)]);
    const total = (x: Tensor) => tf.sum(tf.mul(activationFunction(name)(x), weights)) as tf.Scalar;
    const slopes = tf.grad(total)(tf.tensor2d([points])).dataSync();
    const scale = Math.max(1, ...slopes.map(Math.abs));
    points.forEach((_, index) => {
      const at = (step: number) =>
        total(tf.tensor2d([points.map((value, place) => place === index ? value + step : value)])).dataSync()[0]!;
      assertAlmostEquals(slopes[index]!, (at(4e-3) - at(-4e-3)) / 8e-3, 0.01 * scale, `at ${points[index]}`);
    });
  });
}

Deno.test("activation() computes in float32 when it is given integers, and keeps them where none can be cut", () => {
  const x = tf.tensor2d([[-1, 2, 3]], [1, 3], "int32");
  const exact: readonly ActivationName[] = ["linear", "relu"];
  for (const name of activationNames()) {
    const [found, expected] = [x, x.cast("float32")].map((input) => activation(name).apply(input) as Tensor);
    assertEquals([name, found!.dtype], [name, exact.includes(name) ? "int32" : "float32"]);
    assertEquals([...found!.dataSync()], [...expected!.dataSync()], name);
  }
});

Deno.test("activationNames() lists what Keras was asked for", () => {
  assertEquals([...activationNames()].sort(), Object.keys(keras.activations).sort());
  assertThrows(() => activation("nothing" as ActivationName), RangeError, 'Unknown activation "nothing". Known: celu');
});

Deno.test("multiHeadAttention() heeds and passes on the masks that an embedding attaches", () => {
  const embedding = tf.layers.embedding({ inputDim: 4, outputDim: 4, maskZero: true });
  const tokens = tf.tensor2d([[1, 2, 0], [3, 0, 0]], [2, 3], "int32");
  const call = { training: false, addLoss: () => {} };
  const { outputs, masks } = applyLayer(embedding, [tokens], call);
  const layer = multiHeadAttention({ numHeads: 1, keyDim: 2, returnAttentionScores: true });
  const attended = applyLayer(layer, outputs, { ...call, masks });
  assertEquals(attended.masks.map((mask) => mask && [...mask.dataSync()]), [[1, 1, 0, 1, 0, 0], null]);
  const scores = attended.outputs[1]!.arraySync() as number[][][][];
  scores.forEach(([head], row) =>
    head!.forEach((query, at) =>
      query.forEach((score, key) => {
        const counts = (step: number) => row === 0 ? step < 2 : step < 1;
        assertEquals(score > 0, counts(at) && counts(key));
      })
    )
  );
});

Deno.test("multiHeadAttention() drops attention in training alone, and the same again from the same key", () => {
  const layer = multiHeadAttention({ numHeads: 2, keyDim: 2, dropout: 0.5, kernelInitializer: "ones" });
  const x = tf.ones([2, 6, 3]);
  const run = (training: boolean, key: number) =>
    withRandomSource(
      hostRandomSource([key, 0]),
      () => tf.tidy(() => [...applyLayer(layer, [x], { training, addLoss: () => {} }).outputs[0]!.dataSync()]),
    );
  assertEquals(run(true, 1), run(true, 1));
  assertNotEquals(run(true, 1), run(true, 2));
  assertEquals(new Set(run(false, 1)).size, 1);
});

Deno.test("multiHeadAttention() keeps what is frozen out of training", () => {
  const layer = multiHeadAttention({ numHeads: 1, keyDim: 2 });
  const model = tf.sequential();
  model.add(tf.layers.inputLayer({ inputShape: [3, 4] }));
  model.add(layer);
  assertEquals([model.trainableWeights.length, model.nonTrainableWeights.length], [8, 0]);
  layer.trainable = false;
  assertEquals([model.trainableWeights.length, model.nonTrainableWeights.length], [0, 8]);
  assertEquals(layerVariables(layer, "mha").map(({ trainable }) => trainable), Array(8).fill(false));
});

Deno.test("gru() drops the same units at every step of a sequence, and others in the next", () => {
  // Every gate open: the state becomes the candidate, which is the input that was not dropped.
  const layer = gru({
    units: 8,
    activation: "linear",
    dropout: 0.5,
    useBias: false,
    kernelInitializer: tf.initializers.constant({ value: 0 }),
    recurrentInitializer: "zeros",
    returnSequences: true,
  });
  const x = tf.ones([1, 4, 8]);
  const run = () =>
    tf.tidy(() => applyLayer(layer, [x], { training: true, addLoss: () => {} }).outputs[0]!.arraySync());
  run();
  const identity = tf.concat([tf.zeros([8, 16]), tf.eye(8)], 1);
  layerVariables(layer, "")[0]!.variable.assign(identity as tf.Tensor);
  const held = tf.memory().numTensors;
  const sequence = (run() as number[][][])[0]!;
  const kept = (step: number[]) => step.map((value) => value > 0);
  assert(kept(sequence[0]!).includes(false) && kept(sequence[0]!).includes(true));
  sequence.forEach((step) => assertEquals(kept(step), kept(sequence[0]!)));
  const others = Array.from({ length: 4 }, () => kept((run() as number[][][])[0]![0]!).join());
  assert(new Set(others).size > 1);
  assertEquals(tf.memory().numTensors, held);
});

Deno.test("gru() drops nothing outside of training, and in Bidirectional draws anew with recurrent dropout", () => {
  const layer = tf.layers.bidirectional({
    layer: gru({ units: 6, dropout: 0.3, recurrentDropout: 0.3, returnSequences: true }),
    mergeMode: "concat",
  });
  const x = tf.tensor(uniformValues([1, 2], 24), [2, 4, 3]);
  const run = (training: boolean, key: number) =>
    withRandomSource(
      hostRandomSource([key, 0]),
      () => tf.tidy(() => [...applyLayer(layer, [x], { training, addLoss: () => {} }).outputs[0]!.dataSync()]),
    );
  run(false, 0);
  const held = tf.memory().numTensors;
  assertEquals(run(false, 1), run(false, 2));
  assertEquals(run(true, 1), run(true, 1));
  assertNotEquals(run(true, 1), run(true, 2));
  assertEquals(tf.memory().numTensors, held);
});

Deno.test("gru() goes on from the last batch's states when it is stateful", () => {
  const options = { units: 3, kernelInitializer: "ones", recurrentInitializer: "ones" } as const;
  const x = tf.tensor(uniformValues([4, 2], 16), [2, 4, 2]);
  const [first, second] = tf.split(x, 2, 1);
  const call = { training: false, addLoss: () => {} };
  const output = (
    layer: tf.layers.Layer,
    input: Tensor,
  ) => [...applyLayer(layer, [input], call).outputs[0]!.dataSync()];
  const kept = gru({ ...options, stateful: true, batchInputShape: [2, null, 2] });
  output(kept, first!);
  assertClose(output(kept, second!), output(gru(options), x));
});

Deno.test("gruCell() stacks", () => {
  const layer = tf.layers.rnn({ cell: [gruCell({ units: 4 }), gruCell({ units: 2, dropout: 0.5 })] });
  const { outputs } = applyLayer(layer, [tf.ones([3, 5, 2])], { training: true, addLoss: () => {} });
  assertEquals(outputs[0]!.shape, [3, 2]);
  assertEquals(layerVariables(layer, "rnn").map(({ path }) => path), [
    "rnn/cell_0/kernel",
    "rnn/cell_0/recurrent_kernel",
    "rnn/cell_0/bias",
    "rnn/cell_1/kernel",
    "rnn/cell_1/recurrent_kernel",
    "rnn/cell_1/bias",
  ]);
});

Deno.test("sinusoidalPositions() gives sines and cosines of growing wavelengths", () => {
  const [, second] = sinusoidalPositions(2, 4).arraySync() as number[][];
  assertClose(second!, [Math.sin(1), Math.cos(1), Math.sin(0.01), Math.cos(0.01)], 1e-6);
});

Deno.test("layers refuse what they cannot be made or built with", () => {
  assertThrows(() => multiHeadAttention({ numHeads: 0, keyDim: 2 }), RangeError, "numHeads = 0");
  assertThrows(() => multiHeadAttention({ numHeads: 1, keyDim: 2, dropout: 1 }), RangeError, "dropout = 1");
  assertThrows(
    () =>
      multiHeadAttention({ numHeads: 1, keyDim: 2 }).apply([
        tf.ones([1, 2, 3]),
        tf.ones([1, 2, 3]),
        tf.ones([1, 4, 3]),
      ]),
    TypeError,
    "the same but for the last axis",
  );
  assertThrows(
    () =>
      multiHeadAttention({ numHeads: 1, keyDim: 2 }).apply([
        tf.ones([1, 2, 3]),
        tf.ones([1, 2, 3]),
        tf.ones([1, 2, 3]),
        tf.ones([1, 3, 2]),
      ]),
    TypeError,
    "expected [batch, 2,2]",
  );
  assertThrows(
    () => groupNormalization({ groups: 3 }).apply(tf.ones([2, 4])),
    RangeError,
    "3 groups do not divide them",
  );
  assertThrows(() => groupNormalization({ groups: 0 }), RangeError, "groups = 0");
  assertThrows(() => gru({ units: 1.5 }), RangeError, "units = 1.5");
  assertThrows(() => positionalEmbedding({ sequenceLength: 2 }).apply(tf.ones([1, 3, 2])), RangeError, "on 3 steps");
});

Deno.test("apply() and applyAll() run multiHeadAttention() with several inputs in a Model of the user's own", async () => {
  class Attention extends Model {
    readonly #attention = multiHeadAttention({ numHeads: 2, keyDim: 2, returnAttentionScores: true });
    readonly #project = multiHeadAttention({ numHeads: 1, keyDim: 2, outputShape: 1, name: "project" });
    override call(x: readonly Tensor[]): Tensor {
      const [attended, scores] = this.applyAll(this.#attention, x);
      this.addLoss(tf.mean(tf.square(scores!)));
      return tf.mean(this.apply(this.#project, attended!), 1);
    }
  }
  const model = new Attention();
  model.compile({ optimizer: "adam", loss: "mse", executor: "trace" });
  const array = (...shape: number[]) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return { shape, dtype: "float32" as const, values: uniformValues([size, 1], size) };
  };
  const data = { x: [array(8, 3, 4), array(8, 5, 4)], y: array(8, 1) };
  const { history } = await model.fit(data, { batchSize: 4, epochs: 3, verbose: 0 });
  assert(history.loss![2]! < history.loss![0]!);
  assertEquals(model.variables.map(({ path }) => path).slice(6, 10), [
    "multi_head_attention/attention_output/kernel",
    "multi_head_attention/attention_output/bias",
    "project/query/kernel",
    "project/query/bias",
  ]);
});

/** A transformer block over tokens, and a GRU. */
function textLayers(): tf.LayersModel {
  const tokens = tf.input({ shape: [6], dtype: "int32" });
  const embedded = tf.layers.embedding({ inputDim: 8, outputDim: 4, maskZero: true }).apply(
    tokens,
  ) as tf.SymbolicTensor;
  const placed = positionalEmbedding({ sequenceLength: 6 }).apply(embedded) as tf.SymbolicTensor;
  const attended = multiHeadAttention({ numHeads: 2, keyDim: 2, dropout: 0.2, useCausalMask: true })
    .apply(placed) as tf.SymbolicTensor;
  const added = tf.layers.add().apply([placed, attended]) as tf.SymbolicTensor;
  const normalized = rmsNormalization().apply(added) as tf.SymbolicTensor;
  const wide = tf.layers.dense({ units: 8, activation: activationIdentifier("hardSwish") })
    .apply(normalized) as tf.SymbolicTensor;
  const gelu = activation("gelu").apply(groupNormalization({ groups: 2 }).apply(wide)) as tf.SymbolicTensor;
  const last = gru({ units: 3, dropout: 0.1, recurrentActivation: "hardSigmoid" }).apply(gelu) as tf.SymbolicTensor;
  return tf.model({ inputs: tokens, outputs: tf.layers.dense({ units: 1 }).apply(last) as tf.SymbolicTensor });
}

Deno.test("a model of Stride's layers comes back with the same outputs when it is saved and loaded", async () => {
  registerLayers();
  const model = textLayers();
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(tf.io.withSaveHandler((artifacts) => {
    saved = JSON.parse(JSON.stringify({ ...artifacts, weightData: undefined }));
    saved!.weightData = artifacts.weightData;
    return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } });
  }));
  const copy = await tf.loadLayersModel(tf.io.fromMemory(saved!));
  const x = tf.tensor2d([[1, 2, 3, 4, 0, 0], [7, 6, 5, 4, 3, 2]], [2, 6], "int32");
  const predict = async (layers: tf.LayersModel) => [...await (await Model.from(layers).predict(x)).data()];
  assertEquals(await predict(copy), await predict(model));
  // tfjs's own Embedding forgets its dtype, and what was undefined comes back as null.
  const configs = (layers: tf.layers.Layer[]) =>
    layers.filter((layer) => layer.getClassName() !== "Embedding")
      .map((layer) => JSON.stringify(layer.getConfig(), (_key, value) => value ?? undefined));
  assertEquals(configs(copy.layers), configs(model.layers));
});

for (const stepsPerExecution of [1, 3]) {
  Deno.test(`fit() trains Stride's layers the same when steps are traced, ${stepsPerExecution} an execution`, async () => {
    const rows = 12;
    const x = {
      shape: [rows, 6],
      dtype: "int32" as const,
      values: Int32Array.from({ length: rows * 6 }, (_, i) => i * i % 8),
    };
    const y = { shape: [rows, 1], dtype: "float32" as const, values: uniformValues([5, 5], rows) };
    const train = async (name: "eager" | "trace") => {
      setRandomSeed(7);
      try {
        const model = Model.from(textLayers());
        model.compile({ optimizer: "sgd", loss: "mse", executor: executors[name]!(), stepsPerExecution });
        return (await model.fit({ x, y }, { batchSize: 4, epochs: 2, shuffle: false, verbose: 0 })).history.loss!;
      } finally {
        setRandomSeed(null);
      }
    };
    const [eager, traced] = [await train("eager"), await train("trace")];
    assertEquals(traced, eager);
    assert(eager[1]! < eager[0]!);
  });
}
