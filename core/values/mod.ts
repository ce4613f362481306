/**
 * Functions `(yTrue, yPred) => values`, one value for each sample, that losses and metrics are both made of.
 *
 * They are differentiable in `yPred`, can be traced, and run inside a `tidy` of the caller's. Imports core only.
 *
 * @module
 */
export {
  binaryCrossentropy,
  categoricalCrossentropy,
  type CrossentropyOptions,
  isNotClass,
  klDivergence,
  sparseCategoricalCrossentropy,
  type SparseCrossentropyOptions,
} from "./crossentropy.ts";
export { categoricalHinge, hinge, squaredHinge } from "./hinge.ts";
export {
  type CosineOptions,
  cosineSimilarity,
  huber,
  type HuberOptions,
  logCosh,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
} from "./regression.ts";
