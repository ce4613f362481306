/**
 * What every optimizer must do: a suite that a plugin's test runs in a few lines.
 *
 * @module
 */
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { Optimizer } from "../../core/optimizer.ts";
import type { StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";

/** A weight for tests. The caller disposes its variable. */
export function testWeight(path: string, values: readonly number[], shape: readonly number[]): StepVariable {
  const variable = tf.tidy(() => tf.variable(tf.tensor([...values], [...shape], "float32"), true));
  return { path, variable, role: "weight", acrossReplicas: "mirrored" };
}

/** The scalars of one step, made from the optimizer's row. The caller disposes them. */
export function testScalars(optimizer: Optimizer, iteration: number): Record<string, Tensor> {
  const row = optimizer.row(iteration);
  return Object.fromEntries(optimizer.columns.map((column, index) => [column, tf.scalar(row[index]!, "float32")]));
}

/** Takes one step and counts it, as an executor and a trainer do together. Gradients stay the caller's. */
export function takeStep(
  optimizer: Optimizer,
  gradients: readonly (Tensor | null)[],
  variables: readonly StepVariable[],
): void {
  tf.tidy(() => optimizer.apply(gradients, variables, testScalars(optimizer, optimizer.iterations)));
  optimizer.iterations++;
}

/** Runs the suite: `create` makes a new optimizer with a fixed learning rate that descends on `sum(w ** 2)`. */
export function testOptimizerContract(name: string, create: () => Optimizer): void {
  const test = (behaviour: string, body: () => void): void =>
    Deno.test(`${name} ${behaviour}`, async () => {
      await tf.ready();
      body();
    });

  test("build() makes slots with paths of their own and dispose() releases them", () => {
    const before = tf.memory().numTensors;
    const { optimizer, variables, slots, release } = setUp(create);
    const paths = slots.map(({ path }) => path);
    assertEquals(new Set(paths).size, paths.length);
    for (const { path, variable, role, acrossReplicas } of slots) {
      assert(
        isOwn(path, optimizer) || variables.some((weight) => path.startsWith(`${optimizer.name}/${weight.path}/`)),
        path,
      );
      assertEquals({ role, acrossReplicas, trainable: variable.trainable }, {
        role: "slot",
        acrossReplicas: "mirrored",
        trainable: false,
      });
    }
    assertEquals(tf.memory().numTensors, before + variables.length + slots.length);
    release();
    assertEquals(tf.memory().numTensors, before);
  });

  test("build() keeps slots of weights that stay and drops the others when called again", () => {
    const { optimizer, variables, slots, release } = setUp(create);
    takeSteps(optimizer, variables, 2);
    const count = tf.memory().numTensors;
    const again = optimizer.build(variables.slice(1));
    const kept = slots.filter(({ path }) => !path.startsWith(`${optimizer.name}/${variables[0]!.path}/`));
    assertEquals(again.map(({ path }) => path), kept.map(({ path }) => path));
    again.forEach((slot, i) => assertStrictEquals(slot.variable, kept[i]!.variable));
    assertEquals(tf.memory().numTensors, count - (slots.length - kept.length));
    const grown = optimizer.build(variables);
    assertEquals(grown.map(({ path }) => path), slots.map(({ path }) => path));
    for (const slot of grown.filter(({ path }) => !again.some((other) => other.path === path))) {
      assertNotStrictEquals(slot.variable, slots.find(({ path }) => path === slot.path)!.variable);
    }
    release();
  });

  test("build() makes new slots when a weight's shape has changed", () => {
    const { optimizer, slots, variables, release } = setUp(create);
    const reshaped = testWeight(variables[0]!.path, [1, 2, 3, 4], [4, 1]);
    const again = optimizer.build([reshaped]);
    for (const slot of again) {
      assertEquals(slots.some(({ variable }) => variable === slot.variable), isOwn(slot.path, optimizer), slot.path);
    }
    takeSteps(optimizer, [reshaped], 1);
    reshaped.variable.dispose();
    release();
  });

  test("row() depends on the iteration and the learning rate alone", () => {
    const optimizer = create();
    const rows = [0, 1, 2, 3, 50, 1000].map((iteration) => optimizer.row(iteration));
    optimizer.iterations = 77;
    assertEquals([1000, 50, 3, 2, 1, 0].map((iteration) => optimizer.row(iteration)), rows.reverse());
    assertEquals(create().row(50), optimizer.row(50));
    for (const row of rows) {
      assertEquals(row.length, optimizer.columns.length);
      assert(row.every(Number.isFinite), row.join());
    }
    optimizer.dispose();
  });

  test("row() follows a schedule and a learning rate assigned midway", () => {
    const optimizer = create();
    const seen: number[] = [];
    optimizer.learningRate = (step) => {
      seen.push(step);
      return 0.25 / (step + 1);
    };
    const scheduled = optimizer.row(4);
    assert(seen.length > 0 && seen.every((step) => step === 4), seen.join());
    optimizer.learningRate = 0.05;
    assertEquals(optimizer.row(4), scheduled);
    optimizer.learningRate = 0.5;
    assert(optimizer.row(4).some((value, column) => value !== scheduled[column]));
    assertThrows(() => optimizer.learningRate = -1, RangeError);
    assertThrows(() => optimizer.learningRate = NaN, TypeError);
    assertEquals(optimizer.learningRate, 0.5);
    optimizer.dispose();
  });

  test("apply() descends", () => {
    const { optimizer, variables, release } = setUp(create);
    const before = sumOfSquares(variables);
    takeSteps(optimizer, variables, 30);
    const after = sumOfSquares(variables);
    assert(after < before, `${after} is not below ${before}`);
    release();
  });

  test("apply() leaves a weight without gradient and its slots alone", () => {
    const { optimizer, variables, slots, release } = setUp(create);
    takeSteps(optimizer, variables, 3);
    const averages = new Set(optimizer.averages?.map((average) => average?.path));
    const path = `${optimizer.name}/${variables[1]!.path}/`;
    const watched = [variables[1]!, ...slots.filter((slot) => slot.path.startsWith(path) && !averages.has(slot.path))];
    const before = values(watched);
    for (let i = 0; i < 3; i++) {
      tf.tidy(() => takeStep(optimizer, gradientsOf(variables).map((g, j) => j === 1 ? null : g), variables));
    }
    assertEquals(values(watched), before);
    release();
  });

  test("apply() leaves as many tensors after 100 steps as before", () => {
    const { optimizer, variables, release } = setUp(create);
    takeSteps(optimizer, variables, 1);
    const { numTensors, numDataBuffers } = tf.memory();
    takeSteps(optimizer, variables, 100);
    assertEquals(tf.memory().numTensors, numTensors);
    assertEquals(tf.memory().numDataBuffers, numDataBuffers);
    release();
  });

  test("apply() runs the same kernels on the same constants in every step, without reading", () => {
    const { optimizer, variables, release } = setUp(create);
    const traces = [0, 1, 2, 5, 11].map((iteration) => {
      optimizer.iterations = iteration;
      return trace(() => takeStepUntraced(optimizer, variables));
    });
    for (const later of traces.slice(1)) assertEquals(later, traces[0]);
    assert(traces[0]!.length > 0);
    release();
  });

  test("apply() refuses gradients that do not fit", () => {
    const { optimizer, variables, release } = setUp(create);
    tf.tidy(() => {
      const gradients = gradientsOf(variables);
      assertThrows(() => takeStep(optimizer, gradients.slice(1), variables), TypeError);
      assertThrows(() => takeStep(optimizer, [tf.zeros([5, 5]), ...gradients.slice(1)], variables), TypeError);
      assertThrows(() => takeStep(optimizer, variables.map(() => null), variables), TypeError);
      assertThrows(() => optimizer.apply(gradients, variables, {}), TypeError);
    });
    release();
  });

  test("continues bit for bit when weights, slots and iterations are restored", () => {
    const whole = setUp(create);
    takeSteps(whole.optimizer, whole.variables, 4);
    const resumed = setUp(create);
    const saved = [...whole.variables, ...whole.slots];
    [...resumed.variables, ...resumed.slots].forEach(({ path, variable }, i) => {
      assertEquals(path, saved[i]!.path);
      tf.tidy(() => variable.assign(saved[i]!.variable.mul(1)));
    });
    resumed.optimizer.iterations = whole.optimizer.iterations;
    takeSteps(whole.optimizer, whole.variables, 5);
    takeSteps(resumed.optimizer, resumed.variables, 5);
    assertEquals(
      values([...resumed.variables, ...resumed.slots]),
      values([...whole.variables, ...whole.slots]),
    );
    whole.release();
    resumed.release();
  });

  test("finalize() replaces weights by their averages, where it keeps them", () => {
    const { optimizer, variables, release } = setUp(create);
    takeSteps(optimizer, variables, 5);
    const before = values(variables);
    const averages = optimizer.averages;
    optimizer.finalize?.(variables);
    variables.forEach((weight, i) => {
      const average = averages?.[i];
      assertEquals(values([weight]), average ? values([average]) : [before[i]!]);
    });
    takeSteps(optimizer, variables, 1);
    release();
  });

  test("never lets two variables share data, so that each can be updated in place", () => {
    const { optimizer, variables, slots, release } = setUp(create);
    const all = [...variables, ...slots].map(({ variable }) => variable);
    const distinct = (): number => new Set(all.map(({ dataId }) => dataId)).size;
    assertEquals(distinct(), all.length);
    takeSteps(optimizer, variables, 3);
    assertEquals(distinct(), all.length);
    optimizer.finalize?.(variables);
    assertEquals(distinct(), all.length);
    release();
  });
}

interface SetUp {
  readonly optimizer: Optimizer;
  readonly variables: readonly StepVariable[];
  readonly slots: readonly StepVariable[];
  readonly release: () => void;
}

function setUp(create: () => Optimizer): SetUp {
  const optimizer = create();
  const variables = [
    testWeight("dense/kernel", [0.9, -1.1, 0.7, 1.3, -0.8, 0.6], [2, 3]),
    testWeight("dense/bias", [0.5, -0.4, 1.2], [3]),
    testWeight("scale", [0.75], []),
  ];
  const slots = optimizer.build(variables);
  const release = (): void => {
    optimizer.dispose();
    for (const { variable } of variables) variable.dispose();
  };
  return { optimizer, variables, slots, release };
}

/** Whether a slot belongs to no weight, but to all: `sgd/loss_scale`. */
function isOwn(path: string, { name }: Optimizer): boolean {
  return path.startsWith(`${name}/`) && !path.slice(name.length + 1).includes("/");
}

function gradientsOf(variables: readonly StepVariable[]): Tensor[] {
  return variables.map(({ variable }) => variable.mul(2));
}

function takeSteps(optimizer: Optimizer, variables: readonly StepVariable[], steps: number): void {
  for (let i = 0; i < steps; i++) tf.tidy(() => takeStep(optimizer, gradientsOf(variables), variables));
}

/** One step of which only `apply` runs when the returned function is called. */
function takeStepUntraced(optimizer: Optimizer, variables: readonly StepVariable[]): TracedStep {
  const gradients = tf.tidy(() => gradientsOf(variables));
  const scalars = testScalars(optimizer, optimizer.iterations);
  return {
    run: () => optimizer.apply(gradients, variables, scalars),
    end: () => tf.dispose([gradients, scalars]),
  };
}

interface TracedStep {
  readonly run: () => void;
  readonly end: () => void;
}

/** Kernels with the shapes that they read, and constants made on the host, in order; reading throws. */
function trace(prepare: () => TracedStep): readonly string[] {
  const { run, end } = prepare();
  const engine = tf.engine();
  const { runKernel, makeTensor, makeVariable, read, readSync } = engine;
  const seen: string[] = [];
  const refuse = (): never => {
    throw new Error("apply() read a tensor on the host.");
  };
  Object.assign(engine, {
    runKernel(...args: Parameters<typeof runKernel>) {
      const shapes = Object.values(args[1]).flat().map((input) => `[${(input as Tensor).shape}]`);
      seen.push(`${args[0]} ${shapes.join(" ")} ${JSON.stringify(args[2] ?? {})}`);
      return runKernel.apply(engine, args);
    },
    makeTensor(...args: Parameters<typeof makeTensor>) {
      seen.push(`constant [${args[1]}] ${Array.from(args[0] as Float32Array).slice(0, 4)}`);
      return makeTensor.apply(engine, args);
    },
    makeVariable: () => {
      throw new Error("apply() created a variable.");
    },
    read: refuse,
    readSync: refuse,
  });
  try {
    run();
  } finally {
    Object.assign(engine, { runKernel, makeTensor, makeVariable, read, readSync });
    end();
  }
  return seen;
}

function values(variables: readonly StepVariable[]): number[][] {
  return variables.map(({ variable }) => [...variable.dataSync<"float32">()]);
}

function sumOfSquares(variables: readonly StepVariable[]): number {
  return values(variables).flat().reduce((sum, value) => sum + value * value, 0);
}
