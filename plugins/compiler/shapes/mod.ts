/**
 * Shapes and dtypes of every kernel's results, as tfjs's own CPU kernels yield them. Imports core and the graph types.
 *
 * @module
 */
import { arrayRules } from "./arrays.ts";
import { elementwiseRules } from "./elementwise.ts";
import { productRules } from "./products.ts";
import { reductionRules } from "./reductions.ts";
import type { ShapeRules } from "./types.ts";
import { windowRules } from "./windows.ts";

export { type Refusal, REFUSED_KERNELS } from "./refused.ts";
export type { KernelCall, ShapeRule, ShapeRules } from "./types.ts";

/** Rules by kernel name: everything that can be traced. */
export const SHAPE_RULES: ShapeRules = {
  ...arrayRules,
  ...elementwiseRules,
  ...productRules,
  ...reductionRules,
  ...windowRules,
};
