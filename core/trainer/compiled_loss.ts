/**
 * The `loss` and `lossWeights` of compile, applied to a model's outputs.
 *
 * @module
 */
import { describeValue } from "../data/host_array.ts";
import type { Loss, LossFunction } from "../loss.ts";
import { isPlainObject, type Nested } from "../nested.ts";
import { applyLoss } from "../reduce.ts";
import type { Registry } from "../registry.ts";
import { type Tensor, tf } from "../tf.ts";
import {
  alignOptions,
  alignSampleWeights,
  alignTensors,
  checkTargetShape,
  openShape,
  outputNames,
  variantByShape,
} from "./outputs.ts";
import { getMask } from "./step_scope.ts";

/** One loss: by name, as an object or as a function of `(yTrue, yPred)`. */
export type LossChoice<Name extends string = string> = Name | Loss | LossFunction;

/** The losses of a model: one for all outputs, a list, or by output name; `null` for an output without one. */
export type LossSpec<Name extends string = string> =
  | LossChoice<Name>
  | readonly (LossChoice<Name> | null)[]
  | { readonly [output: string]: LossChoice<Name> | null };

/** What the losses of the outputs are multiplied by in their sum. */
export type LossWeights = number | readonly number[] | { readonly [output: string]: number };

/** Losses of a batch: scaled by this replica's share, so that adding them over replicas gives the batch's loss. */
export interface LossValues {
  /** The weighted sum over outputs; `undefined` where no output has a loss. */
  readonly total: Tensor | undefined;
  /** Each output's own loss, unweighted. */
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/** What `compute` is given. */
export interface LossInputs {
  /** Targets. */
  readonly y?: Nested<Tensor>;
  /** Predictions. */
  readonly yPred: Nested<Tensor>;
  /** Sample weights. */
  readonly sampleWeight?: Nested<Tensor>;
  /** This replica's share of the batch. */
  readonly share: number;
  /** Names of the outputs where the model knows them. */
  readonly outputNames?: readonly string[];
}

/** Losses by output. */
export class CompiledLoss {
  readonly #spec: LossSpec;
  readonly #weights: LossWeights | undefined;
  readonly #registry: Registry;
  readonly #resolved = new Map<string, Loss>();

  /**
   * @throws {RangeError} If a name is unknown.
   * @throws {TypeError} If something is no loss.
   */
  constructor(spec: LossSpec, weights: LossWeights | undefined, registry: Registry) {
    this.#spec = spec;
    this.#weights = weights;
    this.#registry = registry;
    for (const choice of allChoices(spec)) if (choice !== null) checkChoice(choice, registry);
  }

  /** Computes the losses of one batch. */
  compute({ y, yPred, sampleWeight, share, outputNames: known }: LossInputs): LossValues {
    const names = outputNames(yPred, known);
    const predictions = alignTensors(yPred, names, "predictions");
    const targets = alignTensors(y, names, "targets y");
    const weights = alignSampleWeights(sampleWeight, names);
    const choices = isChoice(this.#spec)
      ? names.map(() => this.#spec as LossChoice)
      : alignOptions<LossChoice>(this.#spec, names, "`loss`", { exact: true });
    const factors = this.#weights === undefined
      ? names.map(() => 1)
      : alignOptions<number>(this.#weights, names, "`lossWeights`", { exact: false });
    let total: Tensor | undefined;
    const outputs = new Map<string, Tensor>();
    names.forEach((name, index) => {
      const choice = choices[index];
      if (choice === null || choice === undefined) return;
      const target = targets[index];
      if (target === undefined) {
        throw new TypeError(
          `Cannot compute the loss of output "${name}": there are no targets for it. Pass y, ` +
            "or give the output `null` as its loss.",
        );
      }
      const value = this.#value(choice, name, target, predictions[index]!, weights[index], share);
      outputs.set(name, value);
      const factor = factors[index] ?? 1;
      const weighted = factor === 1 ? value : tf.mul(value, factor);
      total = total === undefined ? weighted : tf.add(total, weighted);
    });
    return { total, outputs };
  }

  #value(
    choice: LossChoice,
    output: string,
    yTrue: Tensor,
    yPred: Tensor,
    sampleWeight: Tensor | undefined,
    share: number,
  ): Tensor {
    const loss = this.#resolve(choice, output, yTrue, yPred);
    const known = this.#registry.has("losses", loss.name) && loss.ownTargetShape !== true;
    if (known) checkTargetShape(loss.name, yTrue, yPred, output);
    const reduced = applyLoss(loss, yTrue, yPred, {
      ...(sampleWeight === undefined ? {} : { sampleWeight }),
      ...(getMask(yPred) === null ? {} : { mask: getMask(yPred)! }),
    });
    if (reduced.rank !== 0) {
      throw new TypeError(
        `Cannot train on loss "${loss.name}" of output "${output}": its reduction is "${loss.reduction}", which gives shape ` +
          `[${reduced.shape}]; expected a single number. Use "sum_over_batch_size" or "sum".`,
      );
    }
    return loss.reduction === "sum" || share === 1 ? reduced : tf.mul(reduced, share);
  }

  #resolve(choice: LossChoice, output: string, yTrue: Tensor, yPred: Tensor): Loss {
    if (typeof choice === "object") return choice;
    const name = typeof choice === "function"
      ? choice.name || "loss"
      : isCrossentropy(choice)
      ? `${variantByShape(openShape(yTrue), openShape(yPred))}_crossentropy`
      : choice;
    const key = `${output}:${name}`;
    const found = this.#resolved.get(key);
    if (found !== undefined) return found;
    const loss: Loss = typeof choice === "function"
      ? { name, reduction: "sum_over_batch_size", values: (a, b) => checkTensor(choice(a, b), name) }
      : this.#registry.create("losses", name);
    this.#resolved.set(key, loss);
    return loss;
  }
}

/** Whether a name stands for the crossentropy that fits the shapes. */
export function isCrossentropy(name: string): boolean {
  return name === "crossentropy" || name === "ce";
}

function isChoice(spec: LossSpec): spec is LossChoice {
  return typeof spec === "string" || typeof spec === "function" || isLoss(spec);
}

function isLoss(value: unknown): value is Loss {
  // Arrays have a method `values` too.
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    typeof (value as Loss).values === "function";
}

function allChoices(spec: LossSpec): readonly (LossChoice | null)[] {
  return Array.isArray(spec) || (isPlainObject(spec) && !isLoss(spec)) ? Object.values(spec) : [spec as LossChoice];
}

function checkTensor(values: Tensor, loss: string): Tensor {
  if (values instanceof tf.Tensor) return values;
  throw new TypeError(`Cannot compute loss "${loss}": it returned ${describeValue(values)}; expected a tensor.`);
}

function checkChoice(choice: LossChoice, registry: Registry): void {
  if (typeof choice === "function" || isLoss(choice)) return;
  if (typeof choice !== "string") {
    throw new TypeError(
      `Cannot compile: expected a loss by name, a Loss or a function (yTrue, yPred) => tensor; found ${
        isPlainObject(choice) ? `an object with ${Object.keys(choice)}` : String(choice)
      }.`,
    );
  }
  if (!isCrossentropy(choice)) registry.create("losses", choice);
}
