/**
 * Learning rate schedules, as in Keras 3: functions of the step, computed in float64 on the host. Imports core only.
 *
 * @module
 */
export { cosineDecay, type CosineDecayOptions } from "./cosine_decay.ts";
export { cosineDecayRestarts, type CosineDecayRestartsOptions } from "./cosine_decay_restarts.ts";
export { exponentialDecay, type ExponentialDecayOptions } from "./exponential_decay.ts";
export { inverseTimeDecay, type InverseTimeDecayOptions } from "./inverse_time_decay.ts";
export { piecewiseConstantDecay, type PiecewiseConstantDecayOptions } from "./piecewise_constant_decay.ts";
export { polynomialDecay, type PolynomialDecayOptions } from "./polynomial_decay.ts";
