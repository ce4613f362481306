/**
 * What every executor must do. An executor's own test calls `executorContract` with a factory and a device.
 *
 * Steps are made by hand here, so that an executor is tested without the trainer.
 *
 * @module
 */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import {
  type Batch,
  type Device,
  type Executor,
  type HostArray,
  leaves,
  type PhaseOutput,
  type Program,
  type Step,
  type StepTable,
  type Tensor,
  tf,
} from "@stride/stride/core";

/** How tests are registered: `Deno.test`, or one that needs a device. */
export type Register = (name: string, body: () => Promise<void>) => void;

/** A column vector on the host. */
function column(values: readonly number[]): HostArray {
  return { shape: [values.length, 1], dtype: "float32", values: Float32Array.from(values) };
}

/** A batch of its own values. */
function batchOf(x: readonly number[], globalRows: number = x.length): Batch {
  return { rows: x.length, globalRows, arrays: { x: column(x), y: column(x.map((value) => 2 * value)) } };
}

/** A step that fits y = w·x with plain gradient descent, keeps a moving mean of x, and reports three sums. */
function linearStep(): { step: Step; weight: tf.Variable; state: tf.Variable } {
  const weight = tf.variable(tf.scalar(0.5));
  const state = tf.variable(tf.scalar(0));
  const variable = { path: "w", variable: weight, role: "weight", acrossReplicas: "mirrored" } as const;
  const step: Step = {
    kind: "train",
    variables: [variable, { path: "mean", variable: state, role: "state", acrossReplicas: "mean" }],
    sums: [{ size: 2, combine: "sum" }, { size: 1, combine: "max" }],
    phases: [{
      name: "train",
      variables: [variable],
      compute(batch, { rows, globalRows }): PhaseOutput {
        const x = batch.x as Tensor;
        const y = batch.y as Tensor;
        state.assign(tf.add(tf.mul(state, 0.9), tf.mul(tf.mean(x), 0.1)));
        const error = tf.sub(tf.mul(x, weight), y);
        const gradient = tf.mul(tf.mean(tf.mul(tf.mul(error, x), 2)), rows / globalRows) as Tensor;
        const sums = tf.concat1d([tf.tensor1d([rows]), tf.sum(tf.square(error)).as1D(), tf.max(x).as1D()]);
        return { gradients: [gradient], sums };
      },
      apply([gradient], { scalars }): void {
        tf.tidy(() => weight.assign(tf.sub(weight, tf.mul(gradient!, scalars["train/rate"]!))));
      },
    }],
    table: (steps) => table(Array.from({ length: steps }, () => 0.1)),
    advance: () => {},
    decode: (sums) => ({ rows: sums[0]!, squares: sums[1]!, max: sums[2]! }),
  };
  return { step, weight, state };
}

/** A step that returns x + 1 and draws nothing. */
function predictStep(): Step {
  return {
    kind: "predict",
    variables: [],
    sums: [],
    phases: [{ name: "predict", variables: [], compute: ({ x }) => ({ outputs: tf.add(x as Tensor, 1) }) }],
    table: (steps) => ({ ...table([]), columns: [], rows: Array.from({ length: steps }, () => []) }),
    advance: () => {},
    decode: () => ({}),
  };
}

function table(rates: readonly number[]): StepTable {
  return { columns: ["train/rate"], rows: rates.map((rate) => [rate]), first: 0, key: [1, 2] };
}

/** What `linearStep` computes, in float64. */
function reference(batches: readonly (readonly number[])[], rates: readonly number[]): {
  weight: number;
  state: number;
  sums: number[];
} {
  let weight = 0.5;
  let state = 0;
  const sums = [0, 0, -Infinity];
  batches.forEach((x, index) => {
    state = 0.9 * state + 0.1 * (x.reduce((a, b) => a + b, 0) / x.length);
    const errors = x.map((value) => weight * value - 2 * value);
    const gradient = errors.reduce((sum, error, i) => sum + 2 * error * x[i]!, 0) / x.length;
    sums[0]! += x.length;
    sums[1]! += errors.reduce((sum, error) => sum + error * error, 0);
    sums[2] = Math.max(sums[2]!, ...x);
    weight -= rates[index]! * gradient;
  });
  return { weight, state, sums };
}

/** Tests an executor against the contract. `make` is called once a test. */
export function executorContract(
  name: string,
  make: () => Executor,
  device: Device,
  register: Register = Deno.test,
): void {
  const load = async (step: Step, replica?: { index: number; count: number }): Promise<Program> => {
    await device.open();
    device.activate();
    return await make().load(step, { device, slots: 4, ...(replica ? { replica } : {}) });
  };
  const close = (actual: number, expected: number): void =>
    assertAlmostEquals(actual, expected, 1e-4 * (1 + Math.abs(expected)));

  register(`${name}: run() runs full and ragged batches in order, each with its own row of the table`, async () => {
    const { step, weight, state } = linearStep();
    await using program = await load(step);
    const batches = [[1, 2, 3], [0.5, -1, 2], [4]];
    const rates = [0.01, 0.05, 0.002];
    await program.run(batches.map((x) => batchOf(x)), table(rates), 0);
    const expected = reference(batches, rates);
    const [sums] = await program.sums([0]);
    expected.sums.forEach((value, index) => close(sums![index]!, value));
    close((await weight.data())[0]!, expected.weight);
    close((await state.data())[0]!, expected.state);
    tf.dispose([weight, state]);
  });

  register(`${name}: sums() reads several slots, and a slot starts afresh with each run`, async () => {
    const { step, weight, state } = linearStep();
    await using program = await load(step);
    await program.run([batchOf([1])], table([0]), 0);
    await program.run([batchOf([2]), batchOf([3])], table([0, 0]), 1);
    const [first, second] = await program.sums([0, 1]);
    assertEquals([first![0], second![0]], [1, 2]);
    assertEquals([first![2], second![2]], [1, 3]);
    await program.run([batchOf([5, 6])], table([0]), 0);
    assertEquals((await program.sums([0]))[0]![0], 2);
    tf.dispose([weight, state]);
  });

  register(`${name}: stepsPerExecution does not change a bit`, async () => {
    const batches = [[1, 2], [3, -1], [0.25, 0.75], [2]];
    const rates = [0.01, 0.02, 0.03, 0.04];
    const results: number[][] = [];
    for (const size of [1, 3, 4]) {
      const { step, weight, state } = linearStep();
      await using program = await load(step);
      for (let from = 0; from < batches.length; from += size) {
        const part = batches.slice(from, from + size);
        await program.run(part.map((x) => batchOf(x)), { ...table(rates.slice(from, from + size)), first: from }, 0);
      }
      await program.settle();
      results.push([(await weight.data())[0]!, (await state.data())[0]!]);
      tf.dispose([weight, state]);
    }
    assertEquals(results[1], results[0]);
    assertEquals(results[2], results[0]);
  });

  register(`${name}: compute() leaves variables as they are, and apply() does what run() does`, async () => {
    const whole = linearStep();
    const halves = linearStep();
    await using program = await load(whole.step);
    await using other = await load(halves.step);
    await program.run([batchOf([1, 2, 4])], table([0.01]), 0);
    const exchange = await other.compute(0, batchOf([1, 2, 4]), table([0.01]));
    assertEquals([(await halves.weight.data())[0], (await halves.state.data())[0]], [0.5, 0]);
    await other.apply(0, exchange, batchOf([1, 2, 4]), table([0.01]));
    close((await halves.weight.data())[0]!, (await whole.weight.data())[0]!);
    close((await halves.state.data())[0]!, (await whole.state.data())[0]!);
    assertEquals([...exchange.sums].slice(0, 1), [3]);
    tf.dispose([whole.weight, whole.state, halves.weight, halves.state]);
  });

  register(`${name}: parts of a batch add up to the batch, and an empty part to nothing`, async () => {
    const { step, weight, state } = linearStep();
    await using first = await load(step, { index: 0, count: 2 });
    await using second = await load(step, { index: 1, count: 2 });
    const whole = await first.compute(0, batchOf([1, 2, 4]), table([0.01]));
    const parts = [
      await first.compute(0, batchOf([1, 2], 3), table([0.01])),
      await second.compute(0, batchOf([4], 3), table([0.01])),
    ];
    whole.values.forEach((value, index) => close(parts[0]!.values[index]! + parts[1]!.values[index]!, value));
    const empty = await second.compute(0, batchOf([], 3), table([0.01]));
    assertEquals([...empty.values], [0, 0]);
    assertEquals([...empty.sums], [0, 0, 0]);
    tf.dispose([weight, state]);
  });

  register(`${name}: outputs come one a batch, in order`, async () => {
    await using program = await load(predictStep());
    const step = predictStep();
    const { outputs } = await program.run([batchOf([1, 2]), batchOf([3])], step.table(2), 0);
    const read = (await outputs.read()).map((output) => leaves(output).map((array) => [...array.values]));
    assertEquals(read, [[[2, 3]], [[4]]]);
  });

  register(`${name}: tensors stay flat over 100 steps, and nothing is left when a program is disposed`, async () => {
    await device.open();
    const { step, weight, state } = linearStep();
    const before = tf.memory().numTensors;
    {
      await using program = await load(step);
      await program.run([batchOf([1, 2]), batchOf([3])], table([0.01, 0.01]), 0);
      const running = tf.memory();
      for (let i = 0; i < 50; i++) await program.run([batchOf([1, 2]), batchOf([3])], table([0.01, 0.01]), 0);
      assertEquals(tf.memory().numTensors, running.numTensors);
      assertEquals(tf.memory().numBytes, running.numBytes);
    }
    assertEquals(tf.memory().numTensors, before);
    tf.dispose([weight, state]);
  });
}
