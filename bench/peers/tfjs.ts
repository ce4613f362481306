/**
 * tfjs as a contender, as it comes: `WORKLOAD BACKEND [STEPS]`, with backend `webgpu`, `cpu` or `wasm`.
 *
 * A round is one epoch of `LayersModel.fit` on tensors of the backend. tfjs has no `fit` for a model that is not made of
 * layers: the transformer is trained by a loop of `optimizer.minimize`, on batches that lie on the device already, with
 * one read-back at the end. None of Stride's devices is opened here, so kernels are tfjs's own.
 *
 * @module
 */
import { type HostArray, tf } from "@stride/stride";
import { transformerLogits, transformerWeights } from "../../examples/transformer_model.ts";
import { batchSizeOf, gpt, mostSteps, slicedBatches, trainingData, workloads } from "../workloads.ts";
import { type Contender, type Rounds, serve } from "./serve.ts";

const WASM = "npm:@tensorflow/tfjs-backend-wasm@4.22.0";

/** What is used of the WebAssembly backend, which is no dependency of the project. */
interface WasmBackend {
  setWasmPaths(folder: string): void;
}

const [name = "", backend = "", steps] = Deno.args;
const batchSize = batchSizeOf(name);

async function openBackend(): Promise<void> {
  if (backend === "webgpu") await import("@tensorflow/tfjs-backend-webgpu");
  if (backend === "wasm") {
    const { setWasmPaths } = await import(WASM) as WasmBackend;
    setWasmPaths(new URL(".", import.meta.resolve(`${WASM}/wasm-out/tfjs-backend-wasm.wasm`)).pathname);
  }
  if (backend === "wasm") registerSegmentSum();
  if (!await tf.setBackend(backend)) throw new Error(`tfjs could not set up its backend "${backend}".`);
}

/** tfjs's WebAssembly backend lacks the kernel that the gradient of `tf.gather` needs: a product does instead. */
function registerSegmentSum(): void {
  tf.registerKernel({
    kernelName: "UnsortedSegmentSum",
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs }) => {
      const { x, segmentIds } = inputs as Record<string, tf.Tensor>;
      const { numSegments } = attrs as { numSegments: number };
      const rows = segmentIds!.size;
      return tf.tidy(() => {
        const table = tf.oneHot(tf.reshape(tf.cast(segmentIds!, "int32"), [rows]), numSegments, 1, 0, "float32");
        const sums = tf.matMul(table as tf.Tensor2D, tf.reshape(x!, [rows, x!.size / rows]) as tf.Tensor2D, true);
        return tf.reshape(sums, [numSegments, ...x!.shape.slice(segmentIds!.rank)]);
      });
    },
  });
}

interface Tensors {
  readonly x: tf.Tensor;
  readonly y: tf.Tensor;
}

function tensors({ x, y }: { readonly x: HostArray; readonly y: HostArray }): Tensors {
  return {
    x: tf.tensor(x.values, [...x.shape], x.dtype as "float32" | "int32"),
    y: tf.tensor(y.values, [...y.shape], y.dtype as "float32" | "int32"),
  };
}

function layersRounds(): (steps: number) => Rounds {
  const { layers, optimizer, loss } = workloads[name]!;
  const model = layers();
  model.compile({ optimizer, loss });
  return (count) => {
    const data = tensors(trainingData(name, batchSize * count));
    return {
      run: async () => void await model.fit(data.x, data.y, { batchSize, epochs: 1, verbose: 0 }),
      close: () => Promise.resolve(tf.dispose([data.x, data.y])),
    };
  };
}

function loopRounds(): (steps: number) => Rounds {
  const weights = transformerWeights(gpt.transformer);
  const optimizer = tf.train.adam(0.001);
  const step = (x: tf.Tensor, y: tf.Tensor): tf.Scalar => {
    const loss = (): tf.Scalar => {
      const target = tf.oneHot(tf.cast(y, "int32"), gpt.transformer.vocabulary);
      return tf.losses.softmaxCrossEntropy(target, transformerLogits(x, weights)) as tf.Scalar;
    };
    return optimizer.minimize(loss, true)!;
  };
  return (count) => {
    const batches = slicedBatches(name, count).map(tensors);
    return {
      async run() {
        let last: tf.Scalar | undefined;
        for (const { x, y } of batches) {
          last?.dispose();
          last = step(x, y);
        }
        await last?.data();
        last?.dispose();
      },
      close: () => Promise.resolve(tf.dispose(batches.flatMap(({ x, y }) => [x, y]))),
    };
  };
}

let prepare: ((steps: number) => Rounds) | undefined;
const contender: Contender = {
  most: mostSteps(name),
  async first() {
    const started = performance.now();
    await openBackend();
    prepare = name === gpt.name ? loopRounds() : layersRounds();
    const rounds = prepare(1);
    await rounds.run();
    return performance.now() - started;
  },
  rounds: (count) => Promise.resolve(prepare!(count)),
};
await serve(contender, steps === undefined ? undefined : Number(steps));
