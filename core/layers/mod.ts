/**
 * tfjs's layers, adopted: they run on real tensors and behave as in Keras 3. Imports from core only.
 *
 * @module
 */
export type * from "./types.ts";
export { adopt } from "./adopt.ts";
export { applyLayer } from "./apply.ts";
export { isContainer } from "./internals.ts";
export { layerPath } from "./naming.ts";
export { layerLosses, layerVariables, resetStates } from "./variables.ts";
