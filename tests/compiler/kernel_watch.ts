/** Watches the kernels that tfjs's CPU backend runs, and lists which kernels the compiler knows. */
import { tf } from "../../core/tf.ts";
import { REFUSED_KERNELS, SHAPE_RULES } from "../../plugins/compiler/mod.ts";
import type { ValueInfo } from "../../plugins/compiler/mod.ts";

/** A kernel that ran: what it was given and what it yielded. */
export interface KernelRun {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, ValueInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly outputs: readonly ValueInfo[];
  /** Whether it yields a list. */
  readonly list: boolean;
}

interface Runner {
  runKernel(name: string, inputs: Record<string, tf.Tensor>, attrs?: Record<string, unknown>): tf.Tensor | tf.Tensor[];
}

/** Runs `body` on the CPU backend and returns the kernels that it ran. */
export function watchKernels(body: () => unknown): KernelRun[] {
  const engine = tf.engine() as unknown as Runner;
  const runs: KernelRun[] = [];
  const info = ({ shape, dtype }: tf.Tensor) => ({ shape, dtype }) as ValueInfo;
  const original = engine.runKernel;
  engine.runKernel = function (kernel, inputs, attrs) {
    const result = original.call(this, kernel, inputs, attrs);
    const given = Object.entries(inputs ?? {}).filter(([, tensor]) => tensor != null);
    runs.push({
      kernel,
      inputs: Object.fromEntries(given.map(([name, tensor]) => [name, info(tensor)])),
      attrs: { ...attrs },
      outputs: [result].flat().map(info),
      list: Array.isArray(result),
    });
    return result;
  };
  try {
    tf.tidy(() => void body());
  } finally {
    delete (engine as Partial<Runner>).runKernel;
  }
  return runs;
}

/** Every kernel that tfjs names, and what the compiler does with it. */
export function kernelCoverage(): Readonly<Record<string, "covered" | "refused" | "unknown">> {
  const names = Object.entries(tf).filter(([key, value]) => key === value).map(([key]) => key);
  const registered = tf.getKernelsForBackend("cpu").map(({ kernelName }) => kernelName);
  return Object.fromEntries(
    [...new Set([...names, ...registered])].sort().map((name) => [
      name,
      name in SHAPE_RULES ? "covered" : name in REFUSED_KERNELS ? "refused" : "unknown",
    ]),
  );
}

if (import.meta.main) {
  for (const [kernel, state] of Object.entries(kernelCoverage())) console.log(`${state.padEnd(8)} ${kernel}`);
}
