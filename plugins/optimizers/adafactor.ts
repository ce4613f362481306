/**
 * Adafactor.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { checkNumber } from "./check.ts";
import type { UpdateInput } from "./algorithm.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode adafactor}. */
export interface AdafactorOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** The power of the step with which means of squares decay, 0 or less. @default -0.8 */
  readonly beta2Decay?: number;
  /** Added to squared gradients. @default 1e-30 */
  readonly epsilon1?: number;
  /** The least root mean square that a weight is taken to have. @default 1e-3 */
  readonly epsilon2?: number;
  /** The largest root mean square of an update, before it is scaled. @default 1 */
  readonly clipThreshold?: number;
  /** In Keras, whether a fixed learning rate is limited to `1 / sqrt(step)`; as there, it is in any case. @default true */
  readonly relativeStep?: boolean;
}

type Slots = "row" | "column" | "velocity";
type Columns = "stepSize" | "keep";

/**
 * Adam in little memory: of the mean of squares of a matrix, only row and column means are kept.
 *
 * Weights with two or more axes keep slots of the shapes `[..., rows]` and `[..., columns]`; others one of their own.
 *
 * Source: Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018; Keras,
 * `optimizers/adafactor.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { adafactor } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = adafactor({ learningRate: 0.5 });
 * const stepSize = optimizer.columns.indexOf("stepSize");
 * assertEquals(optimizer.row(0)[stepSize], 0.5);
 * assertEquals(optimizer.row(99)[stepSize], 0.1);
 * ```
 */
export function adafactor(options: AdafactorOptions = {}): Optimizer {
  const settings = withDefaults("adafactor", options, {
    learningRate: 0.001,
    beta2Decay: -0.8,
    epsilon1: 1e-30,
    epsilon2: 1e-3,
    clipThreshold: 1,
    relativeStep: true,
  });
  const { beta2Decay, epsilon1, epsilon2, clipThreshold } = settings;
  const what = 'create optimizer "adafactor"';
  checkNumber(what, "beta2Decay", beta2Decay, "(-Infinity, 0]");
  checkNumber(what, "epsilon1", epsilon1, "[0, Infinity)");
  checkNumber(what, "epsilon2", epsilon2, "[0, Infinity)");
  checkNumber(what, "clipThreshold", clipThreshold, "(0, Infinity)");
  return createOptimizer<Slots, Columns>({
    name: "adafactor",
    slots({ variable: { shape } }) {
      if (shape.length < 2) return [{ name: "velocity" }];
      return [
        { name: "row", shape: shape.slice(0, -1) },
        { name: "column", shape: [...shape.slice(0, -2), shape.at(-1)!] },
      ];
    },
    columns: ["stepSize", "keep"],
    row: (step, learningRate) => [Math.min(learningRate, 1 / Math.sqrt(step)), 1 - step ** beta2Decay],
    update(input) {
      const { gradient, weight, scalars } = input;
      const square = gradient.square().add(epsilon1);
      const slots = weight.rank < 2 ? plain(input, square) : factored(input, square);
      const velocity = "velocity" in slots ? slots.velocity : outer(slots.row, slots.column);
      const direction = gradient.div(velocity.sqrt());
      const clipped = direction.div(rootMeanSquare(direction).div(clipThreshold).maximum(1));
      return {
        weight: weight.sub(clipped.mul(rootMeanSquare(weight).maximum(epsilon2).mul(scalars.stepSize))),
        slots,
      };
    },
  }, settings);
}

function plain({ slots, scalars }: UpdateInput<Slots, Columns>, square: Tensor): { readonly velocity: Tensor } {
  return { velocity: mean(slots.velocity, square, scalars.keep) };
}

function factored(
  { slots, scalars }: UpdateInput<Slots, Columns>,
  square: Tensor,
): { readonly row: Tensor; readonly column: Tensor } {
  return {
    row: mean(slots.row, square.mean(-1), scalars.keep),
    column: mean(slots.column, square.mean(-2), scalars.keep),
  };
}

/** The matrix with these row and column means, up to its scale. */
function outer(row: Tensor, column: Tensor): Tensor {
  return row.div(row.mean(-1, true)).expandDims(-1).mul(column.expandDims(-2));
}

function mean(old: Tensor, value: Tensor, keep: Tensor): Tensor {
  return old.mul(keep).add(value.mul(tf.sub(1, keep)));
}

function rootMeanSquare(tensor: Tensor): Tensor {
  return tensor.square().mean().sqrt();
}
