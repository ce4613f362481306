import { assert, assertEquals } from "@std/assert";
import { REFUSED_KERNELS, SHAPE_RULES } from "@stride/stride/compiler";
import { RULES } from "../../plugins/compiler/lower/table.ts";
import { KERNEL_PAGE, kernelPage } from "../../tools/kernel_table.ts";

Deno.test("docs/kernels.md says what the compiler's rules say", async () => {
  assertEquals(await Deno.readTextFile(KERNEL_PAGE), kernelPage());
});

Deno.test("RULES has a rule for every kernel that can be traced, but for complex numbers", () => {
  const without = Object.keys(SHAPE_RULES).filter((kernel) => !(kernel in RULES)).sort();
  assertEquals(without, ["Complex", "ComplexAbs", "FFT", "IFFT", "Imag", "Real"]);
  assert(Object.keys(RULES).every((kernel) => kernel in SHAPE_RULES && !(kernel in REFUSED_KERNELS)));
});
