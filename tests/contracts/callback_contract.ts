/**
 * What every callback must do, whatever it is for: call `callbackContract` in its test.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  type Callback,
  type CallbackContext,
  CallbackList,
  hookNames,
  type Logs,
  type Optimizer,
  type Pending,
  pending,
  type RunParams,
  type StepVariable,
  type Tensor,
  tf,
} from "@stride/stride/core";

/** A run for callbacks, without data: a context whose model has one weight, and what callbacks did to it. */
export interface FakeRun {
  readonly context: CallbackContext;
  /** The model's only weight, `[2]`; its path is `dense/kernel`. */
  readonly weight: tf.Variable;
  readonly optimizer: Optimizer;
  /** Whether a callback asked the run to stop. */
  readonly stopped: boolean;
  /** Releases the weight and what the optimizer keeps. */
  dispose(): void;
}

/** What may be chosen about a fake run. */
export interface FakeRunOptions {
  readonly params?: Partial<RunParams>;
  /** The weight's average, where the optimizer keeps one. */
  readonly average?: readonly number[];
  readonly learningRate?: Optimizer["learningRate"];
  readonly chief?: boolean;
}

/** Makes a context of plain objects. `loss` and what ends in `_loss` is better when smaller, `accuracy` when larger. */
export function fakeRun({ params, average, learningRate = 0.1, chief = true }: FakeRunOptions = {}): FakeRun {
  const weight: tf.Variable = tf.tidy(() => tf.variable<tf.Rank>(tf.tensor1d([1, 2])));
  const variable = (path: string, value: tf.Variable, role: StepVariable["role"]): StepVariable => ({
    path,
    variable: value,
    role,
    acrossReplicas: "mirrored",
  });
  const averages = average === undefined
    ? undefined
    : [variable("fake/dense/kernel/average", tf.tidy(() => tf.variable<tf.Rank>(tf.tensor1d([...average]))), "slot")];
  const optimizer: Optimizer = {
    name: "fake",
    learningRate,
    iterations: 0,
    columns: [],
    row: () => [],
    build: () => averages ?? [],
    apply: () => {},
    ...(averages === undefined ? {} : { averages }),
    dispose: () => averages?.forEach((slot) => slot.variable.dispose()),
  };
  let stopped = false;
  return {
    weight,
    optimizer,
    get stopped() {
      return stopped;
    },
    context: {
      model: {
        optimizer,
        trained: [variable("dense/kernel", weight, "weight")],
        getWeights: (): Tensor[] => [weight.clone()],
        setWeights: ([value]) => tf.tidy(() => weight.assign(value!.clone())),
        direction: (name) => /^(val_)?(.*_)?loss$/.test(name) ? "min" : /accuracy$/.test(name) ? "max" : undefined,
      },
      params: { epochs: 1, initialEpoch: 0, steps: undefined, verbose: 0, ...params },
      chief,
      stop: () => {
        stopped = true;
      },
    },
    dispose: () => {
      weight.dispose();
      optimizer.dispose();
    },
  };
}

/** Calls hooks as fit does: one training batch an epoch, then validation where the logs have values of it. */
export async function driveFit(
  callback: Callback,
  run: FakeRun,
  epochs: readonly Logs[],
  { firstEpoch = 0, reads = [] }: { readonly firstEpoch?: number; readonly reads?: Pending<Logs>[] } = {},
): Promise<Logs[]> {
  const list = new CallbackList([callback], run.context);
  const ended: Logs[] = [];
  await list.call("onTrainBegin", {});
  for (const [index, given] of epochs.entries()) {
    const epoch = firstEpoch + index;
    const logs = { ...given };
    await list.call("onEpochBegin", { epoch });
    await list.call("onTrainBatchBegin", { batch: 0 });
    const values = pending(() => Promise.resolve(trainingPart(logs)));
    reads.push(values);
    await list.call("onTrainBatchEnd", { batch: 0, logs: values });
    if (Object.keys(logs).some((name) => name.startsWith("val_"))) await driveTest(list);
    await list.call("onEpochEnd", { epoch, logs });
    ended.push(logs);
    if (run.stopped) break;
  }
  await list.call("onTrainEnd", { logs: ended.at(-1) ?? {} });
  return ended;
}

async function driveTest(list: CallbackList): Promise<void> {
  await list.call("onTestBegin", {});
  await list.call("onTestBatchBegin", { batch: 0 });
  await list.call("onTestBatchEnd", { batch: 0, logs: pending(() => Promise.resolve({ loss: 1 })) });
  await list.call("onTestEnd", { logs: { loss: 1 } });
}

async function drivePredict(list: CallbackList): Promise<void> {
  await list.call("onPredictBegin", {});
  await list.call("onPredictBatchBegin", { batch: 0 });
  await list.call("onPredictBatchEnd", { batch: 0, outputs: pending(() => Promise.resolve([])) });
  await list.call("onPredictEnd", {});
}

function trainingPart(logs: Logs): Logs {
  return Object.fromEntries(Object.entries(logs).filter(([name]) => !name.startsWith("val_")));
}

const HOOKS: ReadonlySet<string> = new Set(hookNames);

/** Registers the tests of the contract. @param create A new callback, silent. @param options Of the fake run. */
export function callbackContract(name: string, create: () => Callback, options: FakeRunOptions = {}): void {
  const quietly = async (body: () => Promise<void>): Promise<void> => {
    const { warn, log } = console;
    console.warn = console.log = () => {};
    try {
      await body();
    } finally {
      Object.assign(console, { warn, log });
    }
  };
  const epochs = (count: number): Logs[] => Array.from({ length: count }, (_, i) => ({ loss: 5 - i, val_loss: 5 + i }));

  Deno.test(`${name} is a callback with a name, and has no misspelt hook`, () => {
    const callback = create();
    assertEquals(typeof callback.name, "string");
    let keys: string[] = [];
    for (let object: object = callback; object !== Object.prototype; object = Object.getPrototypeOf(object)) {
      keys = [...keys, ...Object.getOwnPropertyNames(object)];
    }
    assertEquals(keys.filter((key) => /^on[A-Z]/.test(key) && !HOOKS.has(key)), []);
  });

  Deno.test(`${name} does not throw when logs are empty`, () =>
    quietly(async () => {
      const run = fakeRun(options);
      await driveFit(create(), run, [{}, {}]);
      run.dispose();
    }));

  Deno.test(`${name} does not throw when a model is only tested and predicts`, () =>
    quietly(async () => {
      const run = fakeRun(options);
      const list = new CallbackList([create()], run.context);
      await driveTest(list);
      await drivePredict(list);
      run.dispose();
    }));

  Deno.test(`${name} keeps no tensors and does the same again when it is used twice`, () =>
    quietly(async () => {
      const before = tf.memory().numTensors;
      const callback = create();
      const outcome = async (): Promise<unknown> => {
        const run = fakeRun(options);
        const logs = await driveFit(callback, run, epochs(6));
        const result = { logs, stopped: run.stopped, weight: [...await run.weight.data()] };
        run.dispose();
        return result;
      };
      const first = await outcome();
      assertEquals(tf.memory().numTensors, before);
      assertEquals(await outcome(), first);
      assertEquals(tf.memory().numTensors, before);
    }));

  if (create().state === undefined) return;

  for (const loadAt of ["before", "after"] as const) {
    Deno.test(`${name} goes on as if uninterrupted when its state is loaded ${loadAt} onTrainBegin`, () =>
      quietly(async () => {
        const before = tf.memory().numTensors;
        const all = epochs(5);
        const whole = fakeRun(options);
        const expected = await driveFit(create(), whole, all);

        const first = fakeRun(options);
        const interrupted = create();
        const saving: { state?: string } = {};
        const logs = await driveFit(
          withEnd(interrupted, async () => {
            saving.state = JSON.stringify(await interrupted.state!.save());
          }),
          first,
          all.slice(0, 2),
        );
        const second = fakeRun({ ...options, learningRate: first.optimizer.learningRate });
        const resumed = create();
        const load = (): void => resumed.state!.load(JSON.parse(saving.state!));
        if (loadAt === "before") load();
        const rest = first.stopped ? [] : await driveFit(
          loadAt === "before" ? resumed : withBegin(resumed, load),
          second,
          all.slice(2),
          { firstEpoch: 2 },
        );
        assertEquals([...logs, ...rest], expected);
        assertEquals(first.stopped || second.stopped, whole.stopped);
        for (const run of [whole, first, second]) run.dispose();
        assertEquals(tf.memory().numTensors, before);
      }));
  }
}

/** The same callback, and something after its `onTrainBegin`. */
function withBegin(callback: Callback, then: () => void): Callback {
  return overriding(callback, {
    async onTrainBegin(event, context) {
      await callback.onTrainBegin?.(event, context);
      then();
    },
  });
}

/** The same callback, and something before its `onTrainEnd`. */
function withEnd(callback: Callback, first: () => Promise<void>): Callback {
  return overriding(callback, {
    async onTrainEnd(event, context) {
      await first();
      await callback.onTrainEnd?.(event, context);
    },
  });
}

/** Private fields belong to the object itself, so that hooks are called on it. */
function overriding(callback: Callback, hooks: Partial<Callback>): Callback {
  return new Proxy(callback, {
    get(target, key) {
      const value = Reflect.get(hooks, key) ?? Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
