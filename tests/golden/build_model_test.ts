/** Goldens' models as models of tfjs's layers. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { applyLayer } from "../../core/layers/mod.ts";
import { tf } from "../../core/tf.ts";
import { buildModel, kerasWeights, type ModelConfig } from "./build_model.ts";
import { kerasActivation } from "./keras_activations.ts";
import type { Config } from "./keras_values.ts";

function sequential(inputShape: number[], ...layers: Config[]): ModelConfig {
  return { kind: "sequential", inputShape, layers };
}

function message(config: ModelConfig): string {
  return assertThrows(() => buildModel(config)).message;
}

Deno.test("buildModel() gives layers Keras 3's defaults when arguments are missing", () => {
  const model = buildModel(sequential(
    [3, 2],
    { type: "LSTM", units: 2, return_sequences: true },
    { type: "Softmax" },
    { type: "Dense", units: 1, activation: null },
  ));
  const [, lstm, softmax, dense] = model.layers.map((layer) => layer.getConfig()) as Record<string, unknown>[];
  assertEquals([lstm!.recurrentActivation, lstm!.activation, softmax!.axis, dense!.activation], [
    "sigmoid",
    "tanh",
    -1,
    "linear",
  ]);
});

Deno.test("kerasWeights() has Keras's order, without states, when layers are normalized, stacked or stateful", () => {
  const rnn = { type: "SimpleRNN", units: 2 };
  const config = sequential([3, 2], { type: "BatchNormalization" }, { type: "Bidirectional", layer: rnn }, {
    type: "Dense",
    units: 1,
    trainable: false,
  });
  const shapes = kerasWeights(buildModel(config)).map(({ shape }) => shape);
  const cell = [[2, 2], [2, 2], [2]];
  assertEquals(shapes, [[2], [2], [2], [2], ...cell, ...cell, [4, 1], [1]]);
  const stateful = { ...sequential([3, 2], { ...rnn, stateful: true }), batchSize: 4 };
  assertEquals(kerasWeights(buildModel(stateful)).map(({ shape }) => shape), cell);
});

Deno.test("buildModel() wires named layers when the model is functional, with models inside", () => {
  const model = buildModel({
    kind: "functional",
    inputs: { left: [4], right: [4] },
    layers: [
      { type: "Sequential", name: "encoder", inputShape: [4], from: "left", layers: [{ type: "Dense", units: 3 }] },
      { type: "Dense", name: "other", units: 3, from: "right", activity_regularizer: { class: "L2", l2: 0.1 } },
      { type: "Concatenate", name: "both", from: ["encoder", "other"] },
      { type: "ActivityRegularization", name: "quiet", l1: 0.1, from: "both" },
    ],
    outputs: ["quiet", "other"],
  });
  let losses = 0;
  const call = { training: true, addLoss: () => losses++ };
  const outputs = tf.tidy(() =>
    applyLayer(model, [tf.ones([2, 4]), tf.ones([2, 4])], call).outputs.map((o) => o.shape)
  );
  assertEquals([outputs, losses], [[[2, 6], [2, 3]], 2]);
});

Deno.test("buildModel() names what tfjs cannot express when a golden asks for it", () => {
  assertStringIncludes(message(sequential([4], { type: "Mystery" })), 'Unknown layer "Mystery"');
  assertStringIncludes(message(sequential([4], { type: "Dense", units: 1, magic: 2 })), "magic = 2");
  assertStringIncludes(message(sequential([4], { type: "ReLU", threshold: 1 })), "tfjs has 0 only");
  assertStringIncludes(message(sequential([4], { type: "Dense", units: 1, activation: "zap" })), 'activation "zap"');
  assertStringIncludes(
    message(sequential([4], { type: "Dense", units: 1, kernel_regularizer: { class: "Odd" } })),
    "Dense.kernel_regularizer",
  );
  const dangling: ModelConfig = { kind: "functional", inputShape: [4], layers: [{ type: "Flatten", from: "nowhere" }] };
  assertStringIncludes(message(dangling), '"nowhere"');
});

Deno.test("kerasActivation() computes what Keras 3 does when tfjs's activation of that name does not", async () => {
  const model = buildModel(sequential([4], { type: "Activation", activation: "hard_sigmoid" }));
  const x = tf.tensor2d([[-4, -1.5, 0, 3]]);
  const [y] = applyLayer(model, [x], { training: false, addLoss: () => {} }).outputs;
  assertEquals([...await y!.data()], [0, 0.25, 0.5, 1]);
  assertEquals([kerasActivation(null), kerasActivation("silu")], ["linear", "swish"]);
});
