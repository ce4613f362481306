/**
 * What all optimizers do the same way, around an algorithm that updates one weight.
 *
 * @module
 */
import type { LearningRateSchedule, Optimizer } from "../../core/optimizer.ts";
import type { StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import type { Algorithm } from "./algorithm.ts";
import { checkNumber, describe } from "./check.ts";
import { clipGradients } from "./clip.ts";
import { checkOptions, matchesPath, type OptimizerOptions } from "./optimizer_options.ts";
import { type Slot, SlotStore } from "./slot_store.ts";

/**
 * Makes an optimizer from a rule for one weight. Adds, in Keras's order: dividing by the loss scale, accumulating
 * gradients, clipping, weight decay, the update, and moving averages of weights. The trainer applies constraints after.
 *
 * @param options Those of every optimizer; `learningRate` is required.
 * @throws {TypeError} If an option has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * Source: Keras, `optimizers/base_optimizer.py`.
 *
 * @example Sign descent
 * ```ts
 * import { createOptimizer } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = createOptimizer({
 *   name: "sign",
 *   update: ({ gradient, weight, scalars }) => ({ weight: weight.sub(gradient.sign().mul(scalars.learningRate)) }),
 * }, { learningRate: 0.1, clipnorm: 1 });
 * assertEquals(optimizer.columns, ["learningRate"]);
 * assertEquals(optimizer.row(0), [0.1]);
 * ```
 */
export function createOptimizer<Slots extends string = never, Columns extends string = never>(
  algorithm: Algorithm<Slots, Columns>,
  options: OptimizerOptions & { readonly learningRate: number | LearningRateSchedule },
): Optimizer {
  return new ComposedOptimizer(algorithm, options);
}

const ACCUMULATOR = "gradient_accumulator";
const AVERAGE = "average";

class ComposedOptimizer<Slots extends string, Columns extends string> implements Optimizer {
  readonly name: string;
  readonly columns: readonly string[];
  readonly lossScale: number;
  iterations = 0;
  readonly #algorithm: Algorithm<Slots, Columns>;
  readonly #options: OptimizerOptions;
  readonly #accumulationSteps: number;
  readonly #emaMomentum: number;
  readonly #store: SlotStore;
  #learningRate: number | LearningRateSchedule = 0;
  #averages: readonly StepVariable[] | undefined;

  constructor(
    algorithm: Algorithm<Slots, Columns>,
    options: OptimizerOptions & { readonly learningRate: number | LearningRateSchedule },
  ) {
    this.name = options.name ?? algorithm.name;
    checkOptions(this.name, options);
    this.#algorithm = algorithm;
    this.#options = options;
    this.#accumulationSteps = options.gradientAccumulationSteps ?? 1;
    this.#emaMomentum = options.emaMomentum ?? 0.99;
    this.#store = new SlotStore(this.name);
    this.lossScale = options.lossScaleFactor ?? 1;
    this.learningRate = options.learningRate;
    this.columns = [
      "learningRate",
      ...(algorithm.columns ?? []),
      ...(this.#accumulates ? ["applies"] : []),
      ...(options.useEma ? ["averageMomentum"] : []),
      ...(this.#overwrites ? ["overwrites"] : []),
    ];
  }

  get learningRate(): number | LearningRateSchedule {
    return this.#learningRate;
  }

  set learningRate(value: number | LearningRateSchedule) {
    if (typeof value !== "function") {
      checkNumber(`set the learning rate of optimizer "${this.name}"`, "learningRate", value, "[0, Infinity)");
    }
    this.#learningRate = value;
  }

  get #accumulates(): boolean {
    return this.#accumulationSteps > 1;
  }

  get #overwrites(): boolean {
    return this.#options.useEma === true && typeof this.#options.emaOverwriteFrequency === "number";
  }

  row(iteration: number): readonly number[] {
    const learningRate = this.#learningRateAt(iteration);
    // Schedules count batches, everything else counts updates, as in Keras.
    const updates = Math.floor(iteration / this.#accumulationSteps);
    const values = [learningRate, ...(this.#algorithm.row?.(updates + 1, learningRate) ?? [])];
    if (this.#accumulates) values.push((iteration + 1) % this.#accumulationSteps === 0 ? 1 : 0);
    // The first average is the weight itself, not a mix with the zero that it would start from.
    if (this.#options.useEma) values.push(updates === 0 ? 0 : this.#emaMomentum);
    if (this.#overwrites) values.push((updates + 1) % this.#options.emaOverwriteFrequency! === 0 ? 1 : 0);
    return values;
  }

  #learningRateAt(iteration: number): number {
    if (typeof this.#learningRate === "number") return this.#learningRate;
    const value: unknown = this.#learningRate(iteration);
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
    throw new RangeError(
      `Cannot take step ${iteration} of optimizer "${this.name}": its learning rate schedule returned ` +
        `${describe(value)}; expected a finite number >= 0.`,
    );
  }

  build(variables: readonly StepVariable[]): readonly StepVariable[] {
    const { useEma } = this.#options;
    const slots = this.#store.build(variables, (variable): readonly Slot[] => [
      ...(this.#accumulates ? [{ name: ACCUMULATOR }] : []),
      // Starts from the weight, so that one that joins later is not averaged with zeros.
      ...(useEma ? [{ name: AVERAGE, create: () => copy(variable.variable) }] : []),
      ...(this.#algorithm.slots?.(variable) ?? []),
    ]);
    this.#averages = useEma ? variables.map((variable) => this.#store.get(variable)[AVERAGE]!) : undefined;
    return slots;
  }

  get averages(): readonly StepVariable[] | undefined {
    return this.#averages;
  }

  apply(
    gradients: readonly (Tensor | null)[],
    variables: readonly StepVariable[],
    scalars: Readonly<Record<string, Tensor>>,
  ): void {
    this.#checkApply(gradients, variables, scalars);
    if (variables.length === 0) return;
    tf.tidy(() => {
      const applies = this.#accumulates ? scalars.applies!.greater(0.5) : null;
      const ready = clipGradients(this.#accumulate(gradients, variables, applies), this.#options);
      variables.forEach((variable, index) =>
        tf.tidy(() => {
          const gradient = ready[index] ?? null;
          let weight: Tensor = variable.variable;
          if (gradient !== null) weight = this.#update(gradient, variable, scalars, applies);
          if (this.#options.useEma) weight = this.#average(weight, variable, scalars);
          if (weight !== variable.variable) variable.variable.assign(weight);
        })
      );
    });
  }

  /** Gradients divided by the loss scale and, where they are accumulated, averaged with those of earlier steps. */
  #accumulate(
    gradients: readonly (Tensor | null)[],
    variables: readonly StepVariable[],
    applies: Tensor | null,
  ): readonly (Tensor | null)[] {
    return gradients.map((given, index) => {
      if (given === null) return null;
      const gradient = this.lossScale === 1 ? given : given.div(this.lossScale);
      if (applies === null) return gradient;
      const { variable: accumulator } = this.#store.get(variables[index]!)[ACCUMULATOR]!;
      const total = accumulator.add(gradient);
      accumulator.assign(tf.where(applies, tf.zerosLike(total), total));
      return total.div(this.#accumulationSteps);
    });
  }

  /** Writes a weight's slots and returns its new value; both stay the same on steps that only accumulate. */
  #update(
    gradient: Tensor,
    variable: StepVariable,
    scalars: Readonly<Record<string, Tensor>>,
    applies: Tensor | null,
  ): Tensor {
    const choose = (value: Tensor, old: Tensor): Tensor => applies === null ? value : tf.where(applies, value, old);
    const slots = this.#store.get(variable);
    const values: Record<string, Tensor> = Object.fromEntries(
      Object.entries(slots).map(([name, slot]) => [name, slot.variable]),
    );
    const update = this.#algorithm.update({
      gradient,
      weight: this.#decay(variable, scalars.learningRate!),
      slots: values as Readonly<Record<Slots, Tensor>>,
      scalars: scalars as Record<Columns | "learningRate", Tensor>,
      variable,
    });
    for (const [name, value] of Object.entries<Tensor | undefined>(update.slots ?? {})) {
      const slot = slots[name]?.variable;
      if (slot !== undefined && value !== undefined) slot.assign(choose(value, slot));
    }
    return choose(update.weight, variable.variable);
  }

  #decay(variable: StepVariable, learningRate: Tensor): Tensor {
    const { weightDecay, excludeFromWeightDecay } = this.#options;
    const rate = this.#algorithm.weightDecay ? this.#algorithm.weightDecay(variable) : weightDecay;
    if (!rate || matchesPath(variable.path, excludeFromWeightDecay?.paths ?? [])) return variable.variable;
    return variable.variable.sub(variable.variable.mul(learningRate.mul(rate)));
  }

  #average(weight: Tensor, variable: StepVariable, scalars: Readonly<Record<string, Tensor>>): Tensor {
    const slot = this.#store.get(variable)[AVERAGE]!.variable;
    const momentum = scalars.averageMomentum!;
    const average = slot.mul(momentum).add(weight.mul(tf.sub(1, momentum)));
    slot.assign(average);
    return this.#overwrites ? tf.where(scalars.overwrites!.greater(0.5), average, weight) : weight;
  }

  finalize(variables: readonly StepVariable[]): void {
    if (!this.#options.useEma) return;
    for (const variable of variables) {
      const average = this.#store.get(variable)[AVERAGE]!.variable;
      tf.tidy(() => variable.variable.assign(copy(average)));
    }
  }

  dispose(): void {
    this.#store.dispose();
    this.#averages = undefined;
  }

  #checkApply(
    gradients: readonly (Tensor | null)[],
    variables: readonly StepVariable[],
    scalars: Readonly<Record<string, Tensor>>,
  ): void {
    const what = `apply gradients with optimizer "${this.name}"`;
    if (gradients.length !== variables.length) {
      throw new TypeError(
        `Cannot ${what}: found ${gradients.length} gradients for ${variables.length} variables; expected one for each, ` +
          "null where there is none.",
      );
    }
    if (variables.length > 0 && gradients.every((gradient) => gradient === null)) {
      throw new TypeError(
        `Cannot ${what}: none of the ${variables.length} variables has a gradient; expected at least one. ` +
          "Does the loss depend on them, through differentiable operations?",
      );
    }
    gradients.forEach((gradient, index) => {
      const { path, variable } = variables[index]!;
      if (gradient !== null && !tf.util.arraysEqual(gradient.shape, variable.shape)) {
        throw new TypeError(
          `Cannot ${what}: the gradient of "${path}" has shape [${gradient.shape.join(", ")}]; expected ` +
            `[${variable.shape.join(", ")}].`,
        );
      }
    });
    const missing = this.columns.filter((column) => scalars[column] === undefined);
    if (missing.length > 0) {
      throw new TypeError(
        `Cannot ${what}: no value of ${missing.join(", ")}; expected a scalar for each of ${this.columns.join(", ")}.`,
      );
    }
  }
}

/** A copy with data of its own: variables that share data could not be updated in place. */
function copy(tensor: Tensor): Tensor {
  return tensor.mul(1);
}
