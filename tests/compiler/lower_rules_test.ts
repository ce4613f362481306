import { arrayRules } from "../../plugins/compiler/lower/arrays.ts";
import { convolutionRules } from "../../plugins/compiler/lower/convolutions.ts";
import { depthwiseRules } from "../../plugins/compiler/lower/depthwise.ts";
import { imageRules } from "../../plugins/compiler/lower/images.ts";
import { normalizationRules } from "../../plugins/compiler/lower/normalization.ts";
import { poolingRules } from "../../plugins/compiler/lower/pooling.ts";
import type { Rules } from "../../plugins/compiler/lower/rules.ts";
import { scanRules } from "../../plugins/compiler/lower/scans.ts";
import { scatterRules } from "../../plugins/compiler/lower/scatter.ts";
import { KERNEL_THUNKS } from "./kernel_table.ts";
import { assertAllChecked, checkOps, type CheckOptions } from "./lower_checks.ts";

const TABLES = {
  arrayRules,
  scatterRules,
  scanRules,
  convolutionRules,
  depthwiseRules,
  poolingRules,
  normalizationRules,
  imageRules,
};

async function checkTable(rules: Rules, options?: CheckOptions): Promise<void> {
  // Draws of their own cannot be compared.
  const compared = Object.fromEntries(Object.entries(rules).filter(([kernel]) => kernel !== "Multinomial"));
  const counts = [];
  for (const [thunk, body] of Object.entries(KERNEL_THUNKS)) {
    try {
      counts.push(await checkOps(compared, body, options));
    } catch (error) {
      throw new Error(`thunk "${thunk}"`, { cause: error });
    }
  }
  assertAllChecked(compared, counts);
}

for (const [name, rules] of Object.entries(TABLES)) {
  Deno.test(`${name} yield what the CPU kernels yield when every covered kernel runs`, () => checkTable(rules));
  Deno.test(`${name} yield what the CPU kernels yield when the compiler's passes have changed the kernels`, () =>
    checkTable(rules, { optimize: true }));
}
