/**
 * Forward passes against Keras's: the weights that Keras ended with, the predictions that it made with them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { applyLayer } from "../../core/layers/mod.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { buildModel, kerasWeights, type ModelConfig } from "../golden/build_model.ts";

interface GoldenArray {
  readonly shape: number[];
  readonly dtype: "float32" | "int32";
  readonly values: number[];
}

interface Golden {
  readonly model: ModelConfig;
  readonly weightNames: readonly string[];
  readonly initialWeights: readonly GoldenArray[];
  readonly x: GoldenArray | Record<string, GoldenArray>;
  readonly expected: {
    finalWeights: readonly GoldenArray[];
    predictFirst5?: GoldenArray | Record<string, GoldenArray>;
  };
}

const folder = new URL("../../../shared/goldens/training/", import.meta.url);

async function goldens(): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).filter((name) =>
      name.endsWith(".json")
    )
      .sort();
  } catch {
    return [];
  }
}

function firstRows(array: GoldenArray): Tensor {
  return tf.tidy(() => {
    const tensor = tf.tensor(array.values, array.shape, array.dtype);
    return tensor.slice(0, Math.min(5, array.shape[0]!));
  });
}

for (const file of await goldens()) {
  const golden: Golden = JSON.parse(await Deno.readTextFile(new URL(file, folder)));
  const predictions = golden.expected.predictFirst5;
  if (predictions === undefined) continue;
  Deno.test(`applyLayer() predicts as Keras does when it has the weights of ${file}`, async () => {
    const model = buildModel(golden.model);
    const weights = kerasWeights(model);
    assertEquals(weights.map(({ shape }) => shape), golden.initialWeights.map(({ shape }) => shape));
    weights.forEach((weight, index) => {
      const { values, shape } = golden.expected.finalWeights[index]!;
      tf.tidy(() => weight.assign(tf.tensor(values, shape)));
    });
    const inputs = "values" in golden.x ? [golden.x as GoldenArray] : Object.values(golden.x);
    const tensors = inputs.map(firstRows);
    const before = tf.memory().numTensors;
    const outputs = tf.tidy(() => [...applyLayer(model, tensors, { training: false, addLoss: () => {} }).outputs]);
    assertEquals(tf.memory().numTensors, before + outputs.length);
    const expected = "values" in predictions
      ? [predictions as GoldenArray]
      : Object.values(predictions as Record<string, GoldenArray>);
    assertEquals(outputs.length, expected.length);
    for (const [index, output] of outputs.entries()) {
      const found = await output.data();
      expected[index]!.values.forEach((value, at) => {
        const error = Math.abs(found[at]! - value);
        assert(error <= 2e-4 * Math.abs(value) + 2e-5, `${file} output ${index}[${at}]: ${found[at]} for ${value}`);
      });
    }
    tf.dispose([tensors, outputs]);
  });
}
