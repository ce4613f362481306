/**
 * Printing the kernels of a plan: those that differ in nothing but their buffers only once.
 *
 * @module
 */
import { structureOf } from "../../compiler/ir/structure.ts";
import type { Buffer, Kernel } from "../../compiler/ir/types.ts";
import type { ComputeShader, PrintContext } from "./wgsl/mod.ts";

/** Prints a kernel as shaders. */
export type PrintKernel = (kernel: Kernel, context: PrintContext) => readonly ComputeShader[];

/** The shaders of each kernel. Of a model's equal layers one is printed, the others bind other buffers. */
export function printAll(
  kernels: readonly Kernel[],
  context: PrintContext,
  print: PrintKernel,
): readonly (readonly ComputeShader[])[] {
  const known = new Map<string, { readonly shaders: readonly ComputeShader[]; readonly buffers: readonly Buffer[] }>();
  return kernels.map((kernel) => {
    // How a buffer is bound, whether steps have parts of it, and whether it may be a texture, is in the text.
    const { key, buffers } = structureOf(
      kernel,
      ({ role, size, within }) => `${role.kind}${size}${within ? "part" : ""}`,
    );
    const named = `${kernel.from?.join() ?? ""}\n${key}`;
    const found = known.get(named);
    if (found === undefined) {
      const shaders = print(kernel, context);
      known.set(named, { shaders, buffers });
      return shaders;
    }
    const others = new Map(found.buffers.map((buffer, at) => [buffer, buffers[at]!]));
    for (const { scratch } of found.shaders) {
      for (const buffer of scratch) {
        others.set(buffer, context.expressions.buffer(buffer.type, buffer.size, buffer.role));
      }
    }
    const other = (buffer: Buffer): Buffer => others.get(buffer)!;
    return found.shaders.map((shader) => ({
      ...shader,
      operands: shader.operands.map((operand) => ({ ...operand, buffer: other(operand.buffer) })),
      scratch: shader.scratch.map(other),
    }));
  });
}
