/**
 * Muon.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import type { StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { adamStepSize, movingMean } from "./adam.ts";
import { checkInteger, checkNumber } from "./check.ts";
import type { Update, UpdateInput } from "./algorithm.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { matchesPath, type OptimizerOptions, type Settings, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode muon}. */
export interface MuonOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** Decay of the weights that Muon updates; `null` for none. @default 0.004 */
  readonly weightDecay?: number | null;
  /** Decay of the weights that Adam updates; `null` for none. @default 0.004 */
  readonly adamWeightDecay?: number | null;
  /** How much of the mean of gradients Adam keeps, in [0, 1). @default 0.9 */
  readonly adamBeta1?: number;
  /** How much of the mean of their squares Adam keeps, in [0, 1). @default 0.999 */
  readonly adamBeta2?: number;
  /** Adam's learning rate over Muon's. @default 1 */
  readonly adamLrRatio?: number;
  /** Keeps Adam's denominator from zero. @default 1e-7 */
  readonly epsilon?: number;
  /** Weights that Adam updates: their path contains a string, or matches an expression. @default none */
  readonly excludeLayers?: readonly (string | RegExp)[];
  /** Whether Adam updates weights with "embedding" in their path. @default true */
  readonly excludeEmbeddings?: boolean;
  /** Momentum in [0, 1]. @default 0.95 */
  readonly momentum?: number;
  /** Whether momentum looks one step ahead. @default true */
  readonly nesterov?: boolean;
  /** Newton-Schulz iterations. @default 5 */
  readonly nsSteps?: number;
  /** The factor of `x` in an iteration. @default 3.4445 */
  readonly muonA?: number;
  /** The factor of `x xᵀ x`. @default -4.775 */
  readonly muonB?: number;
  /** The factor of `x xᵀ x xᵀ x`. @default 2.0315 */
  readonly muonC?: number;
  /** The root mean square that updates have, so that Adam's learning rates fit; `null` for none. @default 0.2 */
  readonly rmsRate?: number | null;
}

type MuonSettings = Settings<MuonOptions>;
type Slots = "momentum" | "velocity";

/**
 * Orthogonalizes the momentum of matrices; every other weight is updated by Adam.
 *
 * Name the model's last dense layer in `excludeLayers`: Muon is meant for hidden layers.
 *
 * Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is scalable
 * for LLM training", 2025; Keras, `optimizers/muon.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { muon } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = muon({ learningRate: 0.02, excludeLayers: ["output"] });
 * assertEquals(optimizer.columns, ["learningRate", "adamStepSize"]);
 * ```
 */
export function muon(options: MuonOptions = {}): Optimizer {
  const settings = withDefaults("muon", options, {
    learningRate: 0.001,
    weightDecay: 0.004,
    adamWeightDecay: 0.004,
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamLrRatio: 1,
    epsilon: 1e-7,
    excludeLayers: [],
    excludeEmbeddings: true,
    momentum: 0.95,
    nesterov: true,
    nsSteps: 5,
    muonA: 3.4445,
    muonB: -4.775,
    muonC: 2.0315,
    rmsRate: 0.2,
  });
  checkSettings(settings);
  const { adamBeta1, adamBeta2, adamLrRatio, weightDecay, adamWeightDecay } = settings;
  const usesAdam = ({ path, variable }: StepVariable): boolean =>
    variable.rank !== 2 ||
    (settings.excludeEmbeddings && path.toLowerCase().includes("embedding")) ||
    matchesPath(path, settings.excludeLayers);
  return createOptimizer<Slots, "adamStepSize">({
    name: "muon",
    slots: (variable) => [{ name: "momentum" }, ...(usesAdam(variable) ? [{ name: "velocity" } as const] : [])],
    columns: ["adamStepSize"],
    row: (step, learningRate) => [adamStepSize(step, learningRate * adamLrRatio, adamBeta1, adamBeta2)],
    weightDecay: (variable) => usesAdam(variable) ? adamWeightDecay : weightDecay,
    update: (input) => usesAdam(input.variable) ? updateByAdam(input, settings) : updateByMuon(input, settings),
  }, settings);
}

function checkSettings(settings: MuonSettings): void {
  const what = 'create optimizer "muon"';
  checkNumber(what, "adamBeta1", settings.adamBeta1, "[0, 1)");
  checkNumber(what, "adamBeta2", settings.adamBeta2, "[0, 1)");
  checkNumber(what, "adamLrRatio", settings.adamLrRatio, "[0, Infinity)");
  checkNumber(what, "epsilon", settings.epsilon, "[0, Infinity)");
  checkNumber(what, "momentum", settings.momentum, "[0, 1]");
  checkInteger(what, "nsSteps", settings.nsSteps, 0);
  for (const name of ["muonA", "muonB", "muonC"] as const) checkNumber(what, name, settings[name], "finite");
  if (settings.rmsRate !== null) checkNumber(what, "rmsRate", settings.rmsRate, "[0, Infinity)");
  if (settings.adamWeightDecay !== null) {
    checkNumber(what, "adamWeightDecay", settings.adamWeightDecay, "[0, Infinity)");
  }
}

function updateByAdam(
  { gradient, weight, slots, scalars: { adamStepSize } }: UpdateInput<Slots, "adamStepSize">,
  { adamBeta1, adamBeta2, epsilon }: MuonSettings,
): Update<Slots> {
  const momentum = movingMean(slots.momentum, gradient, adamBeta1);
  const velocity = movingMean(slots.velocity, gradient.square(), adamBeta2);
  return {
    weight: weight.sub(momentum.mul(adamStepSize).div(velocity.sqrt().add(epsilon))),
    slots: { momentum, velocity },
  };
}

function updateByMuon(
  { gradient, weight, slots, scalars: { learningRate } }: UpdateInput<Slots, "adamStepSize">,
  settings: MuonSettings,
): Update<Slots> {
  const momentum = slots.momentum.mul(settings.momentum).add(gradient);
  const direction = settings.nesterov ? gradient.add(momentum.mul(settings.momentum)) : momentum;
  const scale = settings.rmsRate === null ? 1 : Math.sqrt(Math.max(...weight.shape)) * settings.rmsRate;
  const step = orthogonalize(direction, settings).mul(learningRate.mul(scale));
  return { weight: weight.sub(step), slots: { momentum } };
}

/** Brings the singular values of a matrix close to 1, by a Newton-Schulz iteration of fifth order. */
function orthogonalize(matrix: Tensor, { muonA: a, muonB: b, muonC: c, nsSteps }: MuonSettings): Tensor {
  const tall = matrix.shape[0]! > matrix.shape[1]!;
  let x = tall ? matrix.transpose() : matrix;
  // The Frobenius norm bounds the largest singular value, so the iteration starts within [0, 1].
  x = x.div(x.square().sum().sqrt().add(1e-7));
  for (let i = 0; i < nsSteps; i++) {
    const gram = tf.matMul<Tensor>(x, x, false, true);
    const polynomial = gram.mul(b).add(gram.mul(c).matMul(gram));
    x = x.mul(a).add(polynomial.matMul(x));
  }
  return tall ? x.transpose() : x;
}
