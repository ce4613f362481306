/**
 * Products of square matrices, as compiled steps would compute them.
 *
 * @module
 */
import type { AdapterKind } from "@stride/stride/executors";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import type { Axis, Contraction, Expression } from "../../plugins/compiler/ir/types.ts";
import { canTime, timeShaders } from "../../plugins/executors/webgpu/kernel_timer.ts";
import type { Runtime } from "../../plugins/executors/webgpu/runtime.ts";
import { type ComputeShader, kernelAlternatives, printKernel } from "../../plugins/executors/webgpu/wgsl/mod.ts";

/** What was measured. */
export interface ProductTimes {
  /** Of the way that sizes speak for. */
  readonly gflops: number;
  /** Its shaders. */
  readonly chosen: string;
  /** Milliseconds of each way. */
  readonly ways: Readonly<Record<string, number>>;
}

const ROUNDS = 5;
const DISPATCHES = 5;

/** Times the product of two matrices. @param size Of their sides. @throws {TypeError} If the device has no clock. */
export async function timeProduct(runtime: Runtime, size: number, kernelsFor: AdapterKind): Promise<ProductTimes> {
  if (!canTime(runtime)) throw new TypeError('The adapter lacks "timestamp-query".');
  const expressions = new Expressions();
  const context = { expressions, columns: [], streams: 0, tuning: runtime.tuning(kernelsFor) };
  const kernel = product(expressions, size);
  const options = { rounds: ROUNDS, dispatches: DISPATCHES, columns: 0, streams: 0 };
  const time = (shaders: readonly ComputeShader[]) => runtime.pacer.turn(() => timeShaders(runtime, shaders, options));
  const shaders = printKernel(kernel, context);
  const chosen = shaders.map(({ label }) => label).join("; ");
  const ms = (await time(shaders)).reduce((sum, each) => sum + each);
  const alternatives = kernelAlternatives(kernel, context, Infinity).slice(0, 12);
  const times = alternatives.length === 0 ? [] : await time(alternatives.map(({ shader }) => shader));
  return {
    gflops: 2 * size ** 3 / ms / 1e6,
    chosen,
    ways: Object.fromEntries(alternatives.map(({ name }, i) => [name, times[i]!])),
  };
}

function product(pool: Expressions, size: number): Contraction {
  const axis = (): [Axis, Expression] => {
    const value = pool.axis(size);
    if (value.kind !== "axis") throw new RangeError(`A matrix has more than ${size} rows.`);
    return [value.axis, value];
  };
  const [[row, i], [column, j], [term, k]] = [axis(), axis(), axis()];
  const matrix = () => pool.buffer("f32", size * size, { kind: "scratch" });
  const result = pool.newResult();
  const at = (a: Expression, b: Expression) => pool.flatten([a, b], [size, size]);
  return {
    kind: "contraction",
    batch: [],
    rows: [row],
    columns: [column],
    inner: [term],
    left: pool.load(matrix(), at(i, k)),
    right: pool.load(matrix(), at(k, j)),
    result,
    stores: [{ buffer: matrix(), index: at(i, j), value: pool.result(result, "f32") }],
  };
}
