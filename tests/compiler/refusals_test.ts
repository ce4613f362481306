import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { TensorBatch } from "../../core/batch.ts";
import { TraceError, type TraceErrorCode } from "../../core/errors.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { traceStep } from "../../plugins/compiler/mod.ts";
import { weight } from "./models.ts";
import { makeStep, signature } from "./steps.ts";

await tf.setBackend("cpu");

interface Case {
  readonly code: TraceErrorCode;
  /** What the message names beside file and line. */
  readonly names: readonly string[];
  /** Does what cannot be traced; its line is the one that messages name. */
  readonly offend: (x: Tensor, weight: tf.Variable) => unknown;
}

let kept: Tensor | undefined;
let calls = 0;
const outsider = tf.variable(tf.tensor1d([1, 2]), true, "outsider");

const CASES: Readonly<Record<string, Case>> = {
  "dataSync()": { code: "host-read", names: ["dataSync()", "[3, 5]"], offend: (x) => x.dataSync() },
  "arraySync()": { code: "host-read", names: ["arraySync()"], offend: (x) => tf.relu(x).arraySync() },
  "data()": { code: "host-read", names: ["data()"], offend: (x) => x.data() },
  "print()": { code: "host-read", names: ["print()"], offend: (x) => x.print() },
  "a read of a weight": { code: "host-read", names: ["dataSync()", "[5, 2]"], offend: (_, w) => w.dataSync() },
  "a read that is caught": {
    code: "host-read",
    names: ["dataSync()"],
    offend: (x) => {
      try {
        x.dataSync();
      } catch { /* the step goes on regardless */ }
    },
  },
  "a read that is caught and reported as another error": {
    code: "host-read",
    names: ["dataSync()"],
    offend: (x) => {
      try {
        x.dataSync();
      } catch {
        throw new Error("the user's own");
      }
    },
  },
  "tf.unique": { code: "data-dependent-shape", names: ['"Unique"'], offend: (x) => tf.unique(x.flatten()) },
  "tf.booleanMaskAsync": {
    code: "data-dependent-shape",
    names: ["booleanMaskAsync()"],
    offend: (x) => tf.booleanMaskAsync(x, tf.tensor1d([1, 0, 1], "bool")),
  },
  "tf.whereAsync": {
    code: "data-dependent-shape",
    names: ["whereAsync()"],
    offend: (x) => tf.whereAsync(tf.cast(x, "bool")),
  },
  "non-maximum suppression": {
    code: "data-dependent-shape",
    names: ['"NonMaxSuppressionV3"'],
    offend: (x) =>
      tf.image.nonMaxSuppression(tf.slice(x, [0, 0], [3, 4]) as tf.Tensor2D, tf.ones([3]) as tf.Tensor1D, 2),
  },
  "text": { code: "unknown-kernel", names: ["strings"], offend: () => tf.tensor1d(["a"]) },
  "a kernel without a rule": {
    code: "unknown-kernel",
    names: ['"Homemade"'],
    offend: (x) => tf.engine().runKernel("Homemade", { x }),
  },
  "a tensor kept from step to step": {
    code: "stale-tensor",
    names: ["[3, 5]", "tf.variable"],
    offend: (x) => (kept = tf.keep(kept === undefined ? tf.relu(x) : tf.add(kept, x))),
  },
  "a chained op on a kept tensor": {
    code: "stale-tensor",
    names: ["[3, 5]", "tf.variable"],
    offend: (x) => (kept = tf.keep(kept === undefined ? x.relu() : kept.add(x))),
  },
  "tf.variable": {
    code: "variable-created",
    names: ['"fresh"', "[3, 5]"],
    offend: (x) => tf.variable(x, true, "fresh"),
  },
  "a layer that is built in the step": {
    code: "variable-created",
    names: ["kernel"],
    offend: (x) => tf.layers.dense({ units: 2 }).apply(x),
  },
  "a write to another variable": {
    code: "unlisted-write",
    names: ['"outsider"', "[2]"],
    offend: () => outsider.assign(tf.tensor1d([3, 4])),
  },
  "a weight written before the exchange": {
    code: "unlisted-write",
    names: ['"weight_0"', "role"],
    offend: (_, w) => w.assign(tf.mul(w, 2)),
  },
  "a variable disposed": {
    code: "unlisted-write",
    names: ['"outsider"', "disposed"],
    offend: () => outsider.dispose(),
  },
  "a read of another variable": {
    code: "unlisted-read",
    names: ['"outsider"', "[2]"],
    offend: () => tf.relu(outsider),
  },
  "a branch on Math.random": {
    code: "unrecognized-random",
    names: ["Math.random()"],
    offend: () => Math.random() < 2 && "drawn",
  },
  "tf.randomGamma": { code: "unrecognized-random", names: ["[5]"], offend: () => tf.randomGamma([5], 2) },
  "random integers": {
    code: "unrecognized-random",
    names: ["int32", "tf.floor"],
    offend: () => tf.randomUniform([5], 0, 9, "int32"),
  },
  "a count on the host": { code: "not-repeatable", names: ["constant"], offend: (x) => tf.mul(x, tf.scalar(calls++)) },
  "an attribute that counts": {
    code: "not-repeatable",
    names: ["ClipByValue"],
    offend: (x) => tf.clipByValue(x, 0, calls++),
  },
  "another op each time": {
    code: "not-repeatable",
    names: ["kernel"],
    offend: (x) => calls++ % 2 ? tf.relu(x) : tf.sigmoid(x),
  },
  "a step that is async": { code: "host-read", names: ["await"], offend: () => "async" },
};

for (const [name, { code, names, offend }] of Object.entries(CASES)) {
  Deno.test(`traceStep() throws ${code} and leaves everything as it was when a step has ${name}`, () => {
    kept = undefined;
    const kernel = weight(5, 2);
    using step = makeStep({
      weights: [kernel],
      compute: ({ x }: TensorBatch) => {
        const offence = offend(x as Tensor, kernel);
        const { value, grads } = tf.variableGrads(() => tf.sum(tf.matMul(x as Tensor, kernel)) as tf.Scalar, [kernel]);
        const output = { gradients: [grads[kernel.name]!], sums: value.reshape([1]) };
        return offence === "async" ? Promise.resolve(output) as never : output;
      },
    });
    const state = () => ({
      tensors: tf.memory().numTensors,
      buffers: tf.memory().numDataBuffers,
      bytes: tf.memory().numBytes,
      variables: Object.keys(tf.engine().registeredVariables).sort(),
      backend: tf.getBackend(),
      random: Math.random,
      weight: [...kernel.dataSync()],
      other: [...outsider.dataSync()],
      depth: tf.engine().state.gradientDepth + tf.engine().state.kernelDepth + tf.engine().state.scopeStack.length,
      limit: Error.stackTraceLimit,
    });
    const before = state();
    const { dataId } = kernel;
    const error = assertThrows(() => traceStep(step, signature(3, [5])), TraceError);
    assertEquals(error.code, code, error.message);
    for (const part of [...names, "Cannot trace the train step"]) assertStringIncludes(error.message, part);
    if (name !== "a step that is async") assertMatch(error.message, /refusals_test\.ts:\d+:\d+/);
    assertEquals(state(), before);
    assert(kernel.dataId === dataId);
    assertEquals(tf.tidy(() => tf.relu(tf.tensor1d([-1, 2])).arraySync()), [0, 2], "tfjs works as before");
  });
}

Deno.test("traceStep() names the line of the offending call when it refuses a step", () => {
  using step = makeStep({
    kind: "test",
    compute: ({ x }) => {
      const here = new Error().stack!.match(/refusals_test\.ts:(\d+)/)![1];
      try {
        (x as Tensor).dataSync(); // the line after `try`
      } finally {
        line = Number(here) + 2;
      }
      return {};
    },
  });
  let line = 0;
  const error = assertThrows(() => traceStep(step, signature(3, [5])), TraceError);
  assertNotEquals(line, 0);
  assertStringIncludes(error.message, `(refusals_test.ts:${line}:`);
});

Deno.test("a tensor says that its trace is over when it is read or disposed after it", () => {
  let leaked: Tensor | undefined;
  using step = makeStep({
    kind: "test",
    compute: ({ x }) => {
      leaked = tf.keep(tf.relu(x as Tensor));
      return {};
    },
  });
  const before = tf.memory().numTensors;
  traceStep(step, signature(3, [5]));
  assertEquals(tf.memory().numTensors, before);
  assertEquals(assertThrows(() => leaked!.dataSync(), TraceError).code, "stale-tensor");
  assertEquals(assertThrows(() => tf.add(leaked!, 1), TraceError).code, "stale-tensor");
  leaked!.dispose();
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("traceStep() lets errors of the user's own through when a step throws them", () => {
  using step = makeStep({ kind: "test", compute: ({ x }) => ({ sums: tf.matMul(x as Tensor, tf.ones([3, 3])) }) });
  const before = tf.memory().numTensors;
  const error = assertThrows(() => traceStep(step, signature(3, [5])), Error);
  assert(!(error instanceof TraceError));
  assertStringIncludes(error.message, "inner shapes");
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("traceStep() asks for a variable when a captured tensor lies where it cannot be read at once", () => {
  class FarBackend extends tf.KernelBackend {
    override write(): object {
      return {};
    }
    override disposeData(): boolean {
      return true;
    }
    override readSync(): never {
      throw new Error("only asynchronously");
    }
  }
  const engine = tf.engine();
  const far = engine.makeTensor(new Float32Array(5), [5], "float32", new FarBackend());
  using step = makeStep({
    kind: "test",
    compute: ({ x }) => ({ sums: tf.sum(tf.mul(x as Tensor, far)).reshape([1]) }),
  });
  const error = assertThrows(() => traceStep(step, signature(3, [5])), TraceError);
  assertEquals(error.code, "host-read");
  for (const part of ["tf.variable", "[5]", "refusals_test.ts:"]) assertStringIncludes(error.message, part);
  assertEquals((error.cause as Error).message, "only asynchronously");
  far.dispose();
});
