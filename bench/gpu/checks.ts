/**
 * Whether training on kernels for a GPU gives the numbers that it should.
 *
 * @module
 */
import { setRandomSeed } from "@stride/stride";
import type { Executor } from "@stride/stride/core";
import { type AdapterKind, wasm, webgpu } from "@stride/stride/executors";
import type { Runtime } from "../../plugins/executors/webgpu/runtime.ts";
import { strideModel } from "../stride_model.ts";
import { batchSizeOf, trainingData } from "../workloads.ts";

/** What a check found. */
export interface Checked {
  /** Whether all is well. */
  readonly ok: boolean;
  /** The largest difference of a loss from WebAssembly's, in parts of the first one. */
  readonly worst: number;
  /** Whether a second run gave the same bits. */
  readonly sameAgain: boolean;
  /** Whether a run with the tuner did. */
  readonly sameMeasured: boolean;
  /** Products that the tuner measured. */
  readonly measured: number;
}

/** Steps of a check: later ones have the gradients of those before in them. */
const STEPS = 6;
/** Losses of few steps differ by less than this, in parts of the first one: sums are added in another order. */
const TOLERANCE = 1e-3;
/** The tuner may take as long as it likes, in ms. */
const BUDGET = 120_000;

/** Trains some steps in several ways. */
export async function check(workload: string, kernelsFor: AdapterKind, runtime: Runtime): Promise<Checked> {
  const expected = await losses(workload, wasm(), "cpu");
  const first = await losses(workload, webgpu({ kernelsFor }), "webgpu");
  const again = await losses(workload, webgpu({ kernelsFor }), "webgpu");
  const known = runtime.choices.size;
  const tuned = await losses(workload, webgpu({ kernelsFor, tuner: { force: true, budget: BUDGET } }), "webgpu");
  const scale = Math.abs(expected[0]!);
  const worst = Math.max(...first.map((loss, i) => Math.abs(loss - expected[i]!) / scale));
  const same = (other: readonly number[]) => other.every((loss, i) => Object.is(loss, first[i]));
  const [sameAgain, sameMeasured] = [same(again), same(tuned)];
  return {
    ok: worst < TOLERANCE && sameAgain && sameMeasured,
    worst,
    sameAgain,
    sameMeasured,
    measured: runtime.choices.size - known,
  };
}

/** The loss of each step, from weights that are the same every time. */
async function losses(workload: string, executor: Executor, device: string): Promise<readonly number[]> {
  setRandomSeed(1);
  const model = strideModel(workload, { executor, device, stepsPerExecution: 1 });
  const batchSize = batchSizeOf(workload);
  const data = trainingData(workload, batchSize);
  const { history } = await model.fit(data, { batchSize, epochs: STEPS, verbose: 0, shuffle: false });
  model.dispose();
  return history.loss as readonly number[];
}
