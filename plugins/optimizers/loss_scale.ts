/**
 * A loss scale that follows the gradients.
 *
 * @module
 */
import type { LearningRateSchedule, Optimizer } from "../../core/optimizer.ts";
import type { StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { checkInteger, checkNames, checkNumber } from "./check.ts";

/** Options of {@linkcode dynamicLossScale}. */
export interface DynamicLossScaleOptions {
  /** What the loss is multiplied by at first, up to 2 ** 127. @default 32768 */
  readonly initialScale?: number;
  /** After so many steps in a row with finite gradients the scale doubles. @default 2000 */
  readonly dynamicGrowthSteps?: number;
}

/**
 * An optimizer that multiplies the loss by a scale found while training, so that small gradients do not vanish.
 *
 * A step with an infinite or NaN gradient is skipped, with everything that the inner optimizer would have written, and
 * halves the scale; `dynamicGrowthSteps` finite ones in a row double it. All of it happens on the device: the scale and
 * the steps counted are slots, saved and restored with the others. Replicas agree, as they apply the same gradients.
 *
 * `iterations`, schedules, bias corrections and `emaOverwriteFrequency` count skipped steps too, which the host does not
 * know of; in Keras they do not. So Adam's updates after a skipped first step are smaller than Keras's, three quarters of
 * them at first, and moving averages of weights start from the initial weights. Both fade with the steps; nothing differs
 * until a step is skipped. The scale stays between 1 (or `initialScale` where that is smaller) and 2 ** 127, where Keras's may
 * reach zero or infinity and stay there.
 *
 * Source: Keras, `optimizers/loss_scale_optimizer.py`.
 *
 * @param inner What updates the weights. It belongs to the result from then on, and gives it its name.
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range, or the inner optimizer scales the loss or accumulates gradients.
 *
 * @example
 * ```ts
 * import { dynamicLossScale, sgd } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = dynamicLossScale(sgd({ learningRate: 0.1 }), { initialScale: 1024 });
 * assertEquals(optimizer.lossScale, 1024);
 * assertEquals(optimizer.build([]).map(({ path }) => path), ["sgd/loss_scale", "sgd/finite_steps"]);
 * optimizer.dispose();
 * ```
 */
export function dynamicLossScale(inner: Optimizer, options: DynamicLossScaleOptions = {}): Optimizer {
  const what = `scale the loss for optimizer "${inner.name}"`;
  checkNames(what, options, ["initialScale", "dynamicGrowthSteps"]);
  const { initialScale = 2 ** 15, dynamicGrowthSteps = 2000 } = options;
  checkNumber(what, "initialScale", initialScale, "(0, Infinity)");
  if (initialScale > LARGEST_SCALE) {
    throw new RangeError(`Cannot ${what}: initialScale is ${initialScale}; expected at most 2 ** 127.`);
  }
  checkInteger(what, "dynamicGrowthSteps", dynamicGrowthSteps, 1);
  if (inner.lossScale !== undefined && inner.lossScale !== 1) {
    const found = typeof inner.lossScale === "number" ? `by ${inner.lossScale} already` : "dynamically already";
    throw new RangeError(
      `Cannot ${what}: it scales the loss ${found}; expected a loss scale of 1. Leave out its lossScaleFactor, or ` +
        "dynamicLossScale.",
    );
  }
  if (inner.columns.includes("applies")) {
    throw new RangeError(
      `Cannot ${what}: it accumulates gradients over a number of steps that the host counts, and steps are skipped ` +
        "without the host's knowing; expected one update a step. Leave out its gradientAccumulationSteps, or use its " +
        "lossScaleFactor, a constant.",
    );
  }
  return new LossScaled(inner, initialScale, dynamicGrowthSteps);
}

/** The next power of two is infinite in float32. */
const LARGEST_SCALE = 2 ** 127;
const LARGEST_FLOAT = (2 - 2 ** -23) * 2 ** 127;

interface Own {
  readonly scale: StepVariable;
  readonly finiteSteps: StepVariable;
}

class LossScaled implements Optimizer {
  readonly name: string;
  readonly columns: readonly string[];
  readonly #inner: Optimizer;
  readonly #initialScale: number;
  readonly #growthSteps: number;
  #slots: readonly StepVariable[] = [];
  #own: Own | undefined;

  constructor(inner: Optimizer, initialScale: number, growthSteps: number) {
    this.name = inner.name;
    this.columns = inner.columns;
    this.#inner = inner;
    this.#initialScale = initialScale;
    this.#growthSteps = growthSteps;
  }

  get learningRate(): number | LearningRateSchedule {
    return this.#inner.learningRate;
  }

  set learningRate(value: number | LearningRateSchedule) {
    this.#inner.learningRate = value;
  }

  get iterations(): number {
    return this.#inner.iterations;
  }

  set iterations(value: number) {
    this.#inner.iterations = value;
  }

  get lossScale(): number | StepVariable {
    return this.#own?.scale ?? this.#initialScale;
  }

  get averages(): readonly (StepVariable | null)[] | undefined {
    return this.#inner.averages;
  }

  row(iteration: number): readonly number[] {
    return this.#inner.row(iteration);
  }

  build(variables: readonly StepVariable[]): readonly StepVariable[] {
    this.#slots = this.#inner.build(variables);
    this.#own ??= {
      scale: this.#scalar("loss_scale", this.#initialScale),
      finiteSteps: this.#scalar("finite_steps", 0),
    };
    return [...this.#slots, this.#own.scale, this.#own.finiteSteps];
  }

  apply(
    gradients: readonly (Tensor | null)[],
    variables: readonly StepVariable[],
    scalars: Readonly<Record<string, Tensor>>,
  ): void {
    const own = this.#own;
    if (own === undefined) {
      throw new Error(
        `Cannot apply gradients with optimizer "${this.name}": it has no slots; expected that build was called, which ` +
          "compile does when a model is built.",
      );
    }
    tf.tidy(() => {
      const finite = allFinite(gradients);
      // Nothing to scale: frozen models, and gradients that the inner optimizer refuses.
      if (finite === null) return this.#inner.apply(gradients, variables, scalars);
      const restored = [...new Set([...variables, ...this.#slots].map(({ variable }) => variable))];
      const before = restored.map((variable) => variable.clone());
      const held = restored.map(({ dataId }) => dataId);
      const unscaled = gradients.map((gradient) => gradient && gradient.div(own.scale.variable));
      this.#inner.apply(unscaled, variables, scalars);
      restored.forEach((variable, index) => {
        if (variable.dataId === held[index]) return;
        tf.tidy(() => variable.assign(tf.where(finite, variable, before[index]!)));
      });
      this.#adapt(finite, own);
    });
  }

  /** Doubles or halves the scale where it is time to. */
  #adapt(finite: Tensor, { scale, finiteSteps }: Own): void {
    const steps = finiteSteps.variable.add(1);
    const grows = steps.greaterEqual(this.#growthSteps);
    const larger = tf.where(grows, tf.minimum(scale.variable.mul(2), LARGEST_SCALE), scale.variable);
    const smaller = tf.maximum(scale.variable.mul(0.5), Math.min(1, this.#initialScale));
    scale.variable.assign(tf.where(finite, larger, smaller));
    finiteSteps.variable.assign(tf.where(tf.logicalAnd(finite, tf.logicalNot(grows)), steps, tf.zerosLike(steps)));
  }

  finalize(variables: readonly StepVariable[]): void {
    this.#inner.finalize?.(variables);
  }

  dispose(): void {
    this.#inner.dispose();
    this.#slots = [];
    this.#own?.scale.variable.dispose();
    this.#own?.finiteSteps.variable.dispose();
    this.#own = undefined;
  }

  #scalar(name: string, value: number): StepVariable {
    return {
      path: `${this.name}/${name}`,
      variable: tf.tidy(() => tf.variable(tf.scalar(value, "float32"), false)),
      role: "slot",
      acrossReplicas: "mirrored",
    };
  }
}

/**
 * Whether all elements are finite, a bool scalar; `null` where there are no gradients.
 *
 * A NaN is found because it is not below the largest number: drivers take `x != x` and `x - x` for false and 0, and drop
 * NaN in `max`, as they may by WGSL's rules.
 */
function allFinite(gradients: readonly (Tensor | null)[]): Tensor | null {
  return gradients
    .filter((gradient) => gradient !== null)
    .map((gradient): Tensor => gradient.abs().lessEqual(LARGEST_FLOAT).all())
    .reduce<Tensor | null>((all, each) => all === null ? each : tf.logicalAnd(all, each), null);
}
