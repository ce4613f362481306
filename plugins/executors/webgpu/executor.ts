/**
 * The executor that runs steps as WebGPU compute shaders.
 *
 * @module
 */
import type { Device } from "../../../core/device.ts";
import type { Executor } from "../../../core/executor.ts";
import { deferring } from "../../compiler/deferring.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { reporting } from "../../compiler/planner.ts";
import { WebGpuProgram } from "./program.ts";
import type { Compiler } from "./program_options.ts";
import { type RuntimeCounts, runtimeOf } from "./runtime.ts";
import { chooseSingleStep, OTHER_BINDINGS } from "./single_step.ts";
import { webGpuBackendOf } from "./tfjs_backend.ts";
import { Tuner, type TunerOptions } from "./tuner.ts";
import type { AdapterKind } from "./wgsl/mod.ts";

/** Options of `webgpu`. */
export interface WebGpuExecutorOptions {
  /**
   * How many seconds of training may be lost with the device, when it is reset or unplugged: after that, variables have the
   * values of the last snapshot, which is read back no more often than this, and in at most a fiftieth of the time.
   * `Infinity`: none is taken, and they can no longer be read.
   *
   * @default 10
   */
  readonly snapshotSeconds?: number;
  /**
   * The kind of adapter that kernels are made for. Another kind adds numbers in another order: last bits differ.
   *
   * @default what the adapter says of itself
   */
  readonly kernelsFor?: AdapterKind;
  /**
   * Measures kernels that have much to do when a step is compiled, and takes the fastest of several ways to compute the same
   * bits. What was measured once is not measured again. `{}` turns it on: the first step then takes up to a second longer.
   *
   * @default sizes decide
   */
  readonly tuner?: TunerOptions;
  /**
   * Receives each plan before it is compiled, with a note that says whether one dispatch does whole steps, and why:
   * `explain(plan)` prints it.
   *
   * @default nothing is done with plans
   */
  readonly onPlan?: (plan: Plan) => void;
}

/** An executor from a compiler. */
export function webGpuExecutor(compiler: Compiler, options: WebGpuExecutorOptions = {}): Executor {
  const { snapshotSeconds = 10, kernelsFor, tuner, onPlan } = options;
  return {
    name: "webgpu",
    sketch: deferring,
    // Async, so that a refusal rejects as every other error of an executor does.
    // deno-lint-ignore require-await
    async load(step, { device, replica }) {
      const runtime = runtimeOf(webGpuBackendOf(device));
      const tuning = compiler.tuning ?? runtime.tuning(kernelsFor);
      const maxOperands = runtime.device.limits.maxStorageBuffersPerShaderStage - OTHER_BINDINGS;
      const report = (plan: Plan): void =>
        onPlan?.({ ...plan, notes: [chooseSingleStep(plan, tuning, maxOperands).text] });
      return new WebGpuProgram(step, {
        ...compiler,
        ...reporting(compiler, report),
        runtime,
        device,
        snapshotSeconds,
        ...(tuner ? { tuner: new Tuner(runtime, tuner) } : {}),
        tuning,
        ...(replica ? { replica } : {}),
      });
    },
  };
}

/**
 * What compiled programs hold on a device and have done with its queue so far: for tests and measurements.
 *
 * @throws {TypeError} If the device is not a WebGPU device that is open.
 */
export function webGpuCounts(device: Device): RuntimeCounts {
  return runtimeOf(webGpuBackendOf(device)).counts;
}
