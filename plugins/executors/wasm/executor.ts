/**
 * The executor that runs steps as WebAssembly on worker threads.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import type { Executor } from "../../../core/executor.ts";
import { deferring } from "../../compiler/deferring.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { wasmFeatures } from "./features.ts";
import { type Compiler, WasmProgram } from "./program.ts";
import { MOST_THREADS } from "./pool.ts";
import { wasmRuntime } from "./runtime.ts";

/** Options of `wasm`. */
export interface WasmOptions {
  /**
   * How many threads a step may use; small steps use one. Numbers do not depend on it. All that the first step can use are
   * started with it, which takes some 65 ms each.
   *
   * @default `navigator.hardwareConcurrency`, each started when there has been enough work to make up for its start
   */
  readonly threads?: number;
  /**
   * Whether products are added without being rounded before, where the processor does that: a third faster, and more
   * exact. Numbers then differ by their last bits from one kind of processor to another.
   *
   * @default whether the runtime has such instructions
   */
  readonly relaxed?: boolean;
  /** Receives each plan before it is compiled: `explain(plan)` prints it. @default nothing is done with plans */
  readonly onPlan?: (plan: Plan) => void;
}

/**
 * An executor from a compiler.
 *
 * @throws {RangeError} If `threads` is no integer from 1 to 256.
 */
export function wasmExecutor(compiler: Compiler, options: WasmOptions = {}): Executor {
  const { threads = Math.min(navigator.hardwareConcurrency, MOST_THREADS), relaxed = wasmFeatures().relaxedSimd } =
    options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new RangeError(
      `Cannot make executor "wasm" with ${threads} threads: expected an integer from 1 to ${MOST_THREADS}.`,
    );
  }
  return {
    name: "wasm",
    sketch: deferring,
    load: (step, { device, replica }) => {
      if (device.backend !== "cpu") {
        return Promise.reject(
          new DeviceError(
            `Cannot run executor "wasm" on device "${device.name}": it computes on the CPU, and would copy all ` +
              'weights from the device and back. Use device "cpu", or another executor.',
          ),
        );
      }
      const activate = (): void => device.activate();
      return Promise.resolve(
        new WasmProgram(step, {
          ...compiler,
          runtime: wasmRuntime(),
          threads,
          allAtOnce: options.threads !== undefined,
          relaxed,
          replica: replica?.index ?? 0,
          activate,
        }),
      );
    },
  };
}
