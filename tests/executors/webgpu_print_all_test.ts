import { assert, assertEquals, assertLess } from "@std/assert";
import { Model, tf } from "@stride/stride";
import { type Plan, planStep } from "@stride/stride/compiler";
import { wasm } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { printAll } from "../../plugins/executors/webgpu/print_all.ts";
import {
  type ComputeShader,
  type Operand,
  type PrintContext,
  printKernel,
  TUNINGS,
} from "../../plugins/executors/webgpu/wgsl/mod.ts";

/** The plan of a train step, as the compiler makes it for WebGPU. */
async function planned(layers: tf.layers.Layer[], x: number[][], y: number[][]): Promise<Plan> {
  let plan: Plan | undefined;
  const executor = wasm();
  const model = oneDevice({ device: "cpu" }).scope(() => Model.from(tf.sequential({ layers })));
  model.compile({
    optimizer: "adam",
    loss: "mse",
    executor: {
      name: "planned",
      load: (step, options) => {
        const info = (width: number) => ({ shape: [x.length, width], dtype: "float32" }) as const;
        const inputs = (["x", "y"] as const).map((group) => ({ group, index: 0, dtype: "float32" }) as const);
        plan = planStep(step, {
          rows: x.length,
          globalRows: x.length,
          columns: step.table(1).columns,
          arrays: { x: info(x[0]!.length), y: info(y[0]!.length) },
        }, { inputs, maxOperands: 8 });
        return executor.load(step, options);
      },
    },
  });
  await model.fit({ x, y }, { verbose: 0 });
  model.dispose();
  return plan!;
}

Deno.test("printAll() gives each kernel the shaders that printKernel() gives, and prints equal ones once", async () => {
  const square = () => tf.layers.dense({ units: 64, activation: "tanh" });
  const layers = [tf.layers.dense({ units: 64, inputShape: [64] }), square(), square(), square(), square()];
  const batch = Array.from({ length: 96 }, (_, row) => Array.from({ length: 64 }, (_, i) => Math.sin(row + i)));
  const plan = await planned(layers, batch, batch);
  const { expressions, columns, streams } = plan;
  for (const tuning of Object.values(TUNINGS)) {
    const context: PrintContext = { expressions, columns, streams, tuning };
    let printed = 0;
    const all = printAll(plan.kernels, context, (kernel, context) => {
      printed++;
      return printKernel(kernel, context);
    });
    assertLess(printed, plan.kernels.length - 4);
    const own = new Set(all.flat().flatMap(({ scratch }) => scratch));
    // No two kernels share memory that is theirs alone.
    assertEquals(own.size, all.flat().flatMap(({ scratch }) => scratch).length);
    plan.kernels.forEach((kernel, at) => {
      const one = printKernel(kernel, context);
      const scratch = new Map(
        one.flatMap(({ scratch }) => scratch).map((buffer, i) =>
          [buffer, all[at]!.flatMap(({ scratch }) => scratch)[i]!] as const
        ),
      );
      const changed = (operands: readonly Operand[]) =>
        operands.map((operand) => ({ ...operand, buffer: scratch.get(operand.buffer) ?? operand.buffer }));
      const expected = one.map((shader) => ({
        ...shader,
        operands: changed(shader.operands),
        scratch: shader.scratch.map((buffer) => scratch.get(buffer)!),
      }));
      const withoutFunction = (shaders: readonly ComputeShader[]) =>
        shaders.map(({ inTextures: _, ...shader }) => shader);
      assertEquals(withoutFunction(all[at]!), withoutFunction(expected));
      expected.forEach(({ inTextures, operands }, i) => {
        const places = new Set(operands.keys().filter((place) => operands[place]!.texture !== undefined));
        assertEquals(all[at]![i]!.inTextures?.(places), inTextures?.(places));
      });
      for (const { operands } of all[at]!) assert(operands.every(({ buffer }) => buffer !== undefined));
    });
  }
});
