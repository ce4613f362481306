/**
 * All lowering rules.
 *
 * @module
 */
import { arrayRules } from "./arrays.ts";
import { convolutionRules } from "./convolutions.ts";
import { depthwiseRules } from "./depthwise.ts";
import { elementwiseRules } from "./elementwise.ts";
import { imageRules } from "./images.ts";
import { normalizationRules } from "./normalization.ts";
import { poolingRules } from "./pooling.ts";
import { productRules } from "./products.ts";
import { reductionRules } from "./reductions.ts";
import type { Rules } from "./rules.ts";
import { scanRules } from "./scans.ts";
import { scatterRules } from "./scatter.ts";

/** How tfjs's kernels are lowered, by name. */
export const RULES: Rules = {
  ...arrayRules,
  ...convolutionRules,
  ...depthwiseRules,
  ...elementwiseRules,
  ...imageRules,
  ...normalizationRules,
  ...poolingRules,
  ...productRules,
  ...reductionRules,
  ...scanRules,
  ...scatterRules,
};
