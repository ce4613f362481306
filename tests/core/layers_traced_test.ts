/**
 * Every layer in a step that is traced: the graph gives what the layer gives, masks, states and random numbers included.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { applyLayer, layerVariables } from "../../core/layers/mod.ts";
import type { StepContext } from "../../core/step.ts";
import type { TensorBatch } from "../../core/batch.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { tracePhase } from "../../plugins/compiler/mod.ts";
import { makeBatch, makeStep, replay, runEagerly } from "../compiler/steps.ts";
import { kerasLayer } from "../golden/keras_layers.ts";
import { caseName, LAYER_CASES, type LayerCase, RANDOM_CASES } from "./layer_cases.ts";

await tf.setBackend("cpu");

const STATEFUL: readonly LayerCase[] = [
  { config: { type: "LSTM", units: 2, stateful: true }, inputs: [[2, 4, 3]] },
  { config: { type: "Bidirectional", layer: { type: "SimpleRNN", units: 2, stateful: true } }, inputs: [[2, 4, 3]] },
];

function makeLayerStep({ config, inputs, mask }: LayerCase) {
  const layer = kerasLayer(config);
  const ones = inputs.map((shape) => tf.ones([...shape]));
  const masks = inputs.map(() => mask === undefined ? null : tf.tensor2d(mask.map((row) => [...row])).cast("bool"));
  tf.tidy(() => void applyLayer(layer, ones, { training: false, masks, addLoss: () => {} }));
  const variables = layerVariables(layer, "");
  const of = (role: string) => variables.filter((info) => info.role === role).map(({ variable }) => variable);
  const rows = inputs[0]![0]!;
  // A weight before the layer, so that every layer has a gradient to pass on.
  const gain = tf.variable(tf.scalar(1.5));
  const loss = (batch: TensorBatch, _context: StepContext) => {
    const scaled = (batch.x as Tensor[]).map((input) => tf.mul(input, gain));
    const { outputs } = applyLayer(layer, scaled, { training: true, masks, addLoss: () => {} });
    return tf.sum(tf.square(outputs[0]!));
  };
  const step = makeStep({ weights: [gain, ...of("weight")], states: of("state"), loss });
  const x = inputs.map((shape) => ({ shape: [...shape], dtype: "float32" as const }));
  return { step, signature: { rows, globalRows: rows, columns: ["lr"], arrays: { x } } };
}

for (const layerCase of [...LAYER_CASES, ...RANDOM_CASES, ...STATEFUL]) {
  Deno.test(`tracePhase() records what gives the same when the layer is ${caseName(layerCase)}`, () => {
    const { step, signature } = makeLayerStep(layerCase);
    using _ = step;
    const { compute } = tracePhase(step, 0, signature);
    tf.tidy(() => {
      const batch = makeBatch(signature);
      const scalars = { lr: tf.scalar(0.1) };
      const expected = runEagerly(step, batch, scalars, [3, 4]);
      const variables = Object.fromEntries(step.variables.map(({ path, variable }) => [path, variable as Tensor]));
      const computed = replay(compute, { variables, batch, scalars, key: [3, 4] });
      assertEquals(computed.gradients.map((gradient) => gradient && [...gradient.dataSync()]), expected.gradients);
      const writes = Object.entries(computed.writes).map(([path, value]) => [path, [...value.dataSync()]]);
      assertEquals({ ...expected.computed, ...Object.fromEntries(writes) }, expected.computed);
      assertEquals([...computed.sums!.dataSync()], expected.sums);
    });
  });
}
