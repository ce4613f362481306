/**
 * One process, one device: the default strategy.
 *
 * @module
 */
import type { Device } from "../core/device.ts";
import { DeviceError } from "../core/errors.ts";
import type { Program } from "../core/executor.ts";
import { Collected } from "../core/run/collected.ts";
import { Epochs } from "../core/run/epochs.ts";
import { EpochSums } from "../core/run/epoch_sums.ts";
import type { Logs } from "../core/step.ts";
import { reduceTensors } from "../core/per_replica.ts";
import {
  distributeBatches,
  type Execution,
  type Plan,
  replicaArgument,
  type Run,
  runInScope,
  type Strategy,
} from "../core/strategy.ts";
import type { Feed } from "../core/batch.ts";
import { WHOLE } from "../core/data/shard.ts";
import { chooseDevice } from "./choose_device.ts";

/** Options of `oneDevice`. */
export interface OneDeviceOptions {
  /**
   * Where to run: a device's name, or a device. `"auto"` takes a WebGPU adapter that is real hardware, else the CPU,
   * and says so.
   *
   * @default "auto"
   */
  readonly device?: string | Device;
}

/** How many executions may be waiting to be read: an epoch of fewer is read once. */
const SLOTS = 1024;

/**
 * Trains on one device.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { oneDevice } from "@stride/stride/strategies";
 * import { assertEquals } from "@std/assert";
 *
 * const strategy = oneDevice({ device: "cpu" });
 * const dense = tf.layers.dense({ units: 1, inputShape: [1], kernelInitializer: "zeros" });
 * const model = strategy.scope(() => Model.from(tf.sequential({ layers: [dense] })));
 * model.compile({ loss: "mse" });
 * assertEquals((await model.evaluate({ x: [[1], [2]], y: [[1], [3]] }, { verbose: 0 })).loss, 5);
 * ```
 *
 * @throws {DeviceError} From fit, evaluate and predict, if a device asked for by name is not there.
 */
export function oneDevice(options: OneDeviceOptions = {}): Strategy {
  const { device: choice = "auto" } = options;
  let device: Device | undefined;
  let why: string | undefined;
  let said: string | undefined;
  const strategy: Strategy = {
    name: "oneDevice",
    replicas: 1,
    get choice() {
      return said;
    },
    chief: true,
    scope: (create) => runInScope(strategy, create),
    async open(devices) {
      if (device === undefined) {
        if (typeof choice === "object") device = choice;
        else if (choice !== "auto") device = devices.create(choice);
        else ({ device, why } = await chooseDevice(devices));
      }
      await device.open();
      device.activate();
    },
    async prepare(plan) {
      if (device === undefined) throw new DeviceError("The strategy is not open: call open() before prepare().");
      const program = await plan.executor.load(plan.step, { device, slots: SLOTS });
      const executor = plan.executor.on?.(device);
      said = why && `Device "${device.name}"${executor ? `, executor "${executor.name}"` : ""}: ${why}.`;
      return new OneDeviceRun(plan, program, plan.data.open(WHOLE));
    },
    run: (body, ...args) => ({
      values: [body(...args.map((arg) => replicaArgument(arg, 0)) as unknown as typeof args)],
    }),
    reduce: (operation, values, axis) => Promise.resolve(reduceTensors(operation, values, axis)),
    distribute: (data) => distributeBatches(data, { first: 0, count: 1, of: 1 }),
    agree: (vote) => Promise.resolve(vote),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return strategy;
}

class OneDeviceRun implements Run {
  readonly #plan: Plan;
  readonly #program: Program;
  readonly #feed: Feed;
  readonly #epochs: Epochs;
  readonly #sums: EpochSums;
  readonly #collected: Collected;

  constructor(plan: Plan, program: Program, feed: Feed) {
    this.#plan = plan;
    this.#program = program;
    this.#feed = feed;
    this.#epochs = new Epochs(plan, feed);
    this.#collected = new Collected(plan.step);
    this.#sums = new EpochSums(plan.step, (slots) => program.sums(slots), SLOTS);
  }

  get steps(): number | undefined {
    return this.#epochs.steps;
  }

  get exhausted(): boolean {
    return this.#epochs.exhausted;
  }

  async *epoch(): AsyncGenerator<Execution> {
    this.#sums.reset();
    this.#collected.reset();
    for await (const { first, batches, queued } of this.#epochs.next()) {
      yield {
        first,
        steps: batches.length,
        start: async () => {
          const { step } = this.#plan;
          const slot = await this.#sums.allot();
          const { outputs } = await this.#program.run(batches, step.table(batches.length), slot);
          step.advance(batches.length);
          this.#collected.add(outputs);
          queued();
          return { logs: this.#sums.logs(), outputs };
        },
      };
    }
  }

  async settle(): Promise<Logs> {
    const logs = { ...await this.#sums.settle(), ...await this.#collected.logs() };
    await this.#program.settle();
    return logs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#feed[Symbol.asyncDispose]();
    await this.#program[Symbol.asyncDispose]();
  }
}
