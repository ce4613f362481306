import { assert, assertEquals, assertThrows } from "@std/assert";
import { Model, type Tensor, tf } from "@stride/stride";
import { auto, eager, wasm } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { cpu } from "@stride/stride/devices";
import { deferring } from "../../plugins/compiler/deferring.ts";

await cpu().open();

/** How often a kernel runs on the CPU while `body` does. */
function runsOf(kernelName: string, body: () => void): number {
  const original = tf.getKernel(kernelName, "cpu");
  let runs = 0;
  const replace = (kernel: typeof original): void => {
    tf.unregisterKernel(kernelName, "cpu");
    tf.registerKernel(kernel);
  };
  replace({
    ...original,
    kernelFunc: (given) => {
      runs++;
      return original.kernelFunc(given);
    },
  });
  try {
    body();
  } finally {
    replace(original);
  }
  return runs;
}

const product = (): Tensor => tf.matMul(tf.ones([2, 3]), tf.fill([3, 4], 2));

Deno.test("deferring() runs no kernel whose values nobody asks for", () => {
  const shapes: number[][] = [];
  const runs = runsOf("BatchMatMul", () => {
    deferring(() =>
      tf.tidy(() => shapes.push(product().shape, ...tf.split(product(), 2, 1).map(({ shape }) => shape)))
    );
  });
  assertEquals(shapes, [[2, 4], [2, 2], [2, 2]]);
  assertEquals(runs, 0);
});

Deno.test("deferring() computes what is read, once", () => {
  const runs = runsOf("BatchMatMul", () => {
    deferring(() =>
      tf.tidy(() => {
        const x = product();
        assertEquals([...tf.add(x, 1).dataSync()], new Array(8).fill(7));
        assertEquals(tf.sum(x).arraySync(), 48 as unknown as number[]);
      })
    );
  });
  assertEquals(runs, 1);
});

Deno.test("deferring() computes what is kept and what variables hold, on the device", () => {
  const outside = tf.tidy(() => tf.variable(tf.zeros([2, 4])));
  const before = tf.memory();
  const [kept, variable] = deferring(() =>
    tf.tidy(() => {
      const x = product();
      const assigned = tf.mul(x, 2);
      outside.assign(assigned as tf.Tensor2D);
      return [tf.keep(x.clone()), tf.variable(tf.add(x, tf.scalar(1)))] as const;
    })
  );
  const info =
    (tf.engine() as unknown as { state: { tensorInfo: WeakMap<object, { backend: unknown }> } }).state.tensorInfo;
  for (const tensor of [kept, variable, outside]) assertEquals(info.get(tensor.dataId)!.backend, tf.findBackend("cpu"));
  assertEquals(tf.add(kept, 0).arraySync(), tf.tidy(() => product().arraySync()) as unknown as number[]);
  assertEquals([...variable.dataSync()], new Array(8).fill(7));
  assertEquals([...outside.dataSync()], new Array(8).fill(12));
  tf.dispose([kept, variable]);
  const after = tf.memory();
  // One is the sum that was not disposed.
  assertEquals([after.numTensors - before.numTensors, after.numDataBuffers - before.numDataBuffers], [1, 1]);
  assertEquals(tf.getBackend(), "cpu");
  outside.dispose();
});

Deno.test("deferring() leaves tensors from before as they are, also those that are disposed or assigned in it", () => {
  const before = tf.memory().numDataBuffers;
  const [x, y] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
  const state = tf.variable(tf.tensor1d([5, 6]));
  const late = deferring(() =>
    tf.tidy(() => {
      const sum = tf.add(tf.add(x, y), state);
      state.assign(x);
      y.dispose();
      return tf.keep(sum);
    })
  );
  assertEquals([...late.dataSync()], [9, 12]);
  assertEquals([...x.dataSync(), ...state.dataSync()], [1, 2, 1, 2]);
  tf.dispose([x, state, late]);
  // The tensor that the variable was made from.
  assertEquals(tf.memory().numDataBuffers - before, 1);
});

Deno.test("deferring() runs kernels whose results have shapes that depend on values", () => {
  const { values, indices } = deferring(() => tf.unique(tf.add(tf.tensor1d([1, 1, 2]), 1)));
  assertEquals([[...values.dataSync()], [...indices.dataSync()]], [[2, 3], [0, 0, 1]]);
  tf.dispose([values, indices]);
});

Deno.test("deferring() passes errors on, and keeps variables that were made before them", () => {
  let variable: tf.Variable | undefined;
  assertThrows(
    () =>
      deferring(() => {
        tf.tidy(() => {
          variable = tf.variable(tf.add(1, 1));
          tf.matMul(tf.ones([2, 3]), tf.ones([2, 3]));
        });
      }),
    Error,
    "inner shapes",
  );
  assertEquals(variable!.dataSync()[0], 2);
  assertEquals(tf.getBackend(), "cpu");
  variable!.dispose();
});

class Branching extends Model {
  readonly #small = tf.layers.dense({ units: 2, kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }) });
  readonly #large = tf.layers.dense({ units: 2, kernelInitializer: tf.initializers.orthogonal({ seed: 4 }) });
  override call(x: Tensor): Tensor {
    const hidden = this.apply(this.#small, x);
    return this.#large.built || x.shape[0]! > 1 ? this.apply(this.#large, hidden) : hidden;
  }
}

Deno.test("fit() builds a model the same on every executor, from a batch of its full size", async () => {
  const data = { x: [[1, 2], [3, 4]], y: [[1, 0], [0, 1]] };
  const built = await Promise.all([eager(), wasm(), auto()].map(async (executor) => {
    const model = oneDevice({ device: "cpu" }).scope(() => new Branching());
    model.compile({ loss: "mse", optimizer: "sgd", executor });
    await model.evaluate(data, { verbose: 0 });
    return model.variables.map(({ path, variable }) => [path, [...variable.dataSync()]]);
  }));
  assertEquals(built[1], built[0]);
  assertEquals(built[2], built[0]);
  assert(built[0]!.length === 4);
});
