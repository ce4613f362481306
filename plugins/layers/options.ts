/**
 * Options that layers have in common, and how tfjs's names for initializers, regularizers and constraints are resolved.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";
import type { LstmOptions } from "./lstm.ts";

/** How weights begin: a name of tfjs's, such as `glorotUniform`, or one of `tf.initializers`. */
export type Initializer = NonNullable<LstmOptions["kernelInitializer"]>;
/** What a weight adds to the loss: a name, or one of `tf.regularizers`. */
export type Regularizer = NonNullable<LstmOptions["kernelRegularizer"]>;
/** What a weight is projected to after each update: a name, or one of `tf.constraints`. */
export type Constraint = NonNullable<LstmOptions["kernelConstraint"]>;

/** What every layer takes. */
export interface LayerOptions {
  /** Its name. @default made up from the class */
  readonly name?: string;
  /** Whether its weights are trained. @default true */
  readonly trainable?: boolean;
  /** Shape of one sample, for the first layer of a `tf.sequential`. */
  readonly inputShape?: readonly (number | null)[];
  /** Shape of a batch, in place of `inputShape`. */
  readonly batchInputShape?: readonly (number | null)[];
}

/** What tfjs's `Layer` is constructed with. */
export type LayerArguments = ConstructorParameters<typeof tf.layers.Layer>[0];

/** Options as tfjs's `Layer` takes them. */
export function layerArguments(options: LayerOptions): LayerArguments {
  const { name, trainable, inputShape, batchInputShape } = options;
  return {
    ...(name === undefined ? {} : { name }),
    ...(trainable === undefined ? {} : { trainable }),
    ...(inputShape ? { inputShape: [...inputShape] } : {}),
    ...(batchInputShape ? { batchInputShape: [...batchInputShape] } : {}),
  };
}

/** What a dense layer of tfjs has made of its options. */
interface Resolved {
  readonly kernelInitializer: object;
  readonly kernelRegularizer: object | null;
  readonly kernelConstraint: object | null;
  getConfig(): tf.serialization.ConfigDict;
}

/** How one weight is made, as tfjs's objects. */
export class WeightRule {
  readonly #resolved: Resolved;

  /** tfjs has no public way from names to objects, but every one of its layers goes that way. */
  constructor(initializer: Initializer, regularizer?: Regularizer | null, constraint?: Constraint | null) {
    this.#resolved = tf.layers.dense({
      name: "weight_rule",
      units: 1,
      kernelInitializer: initializer,
      ...(regularizer ? { kernelRegularizer: regularizer } : {}),
      ...(constraint ? { kernelConstraint: constraint } : {}),
    }) as unknown as Resolved;
  }

  /** The arguments of `addWeight` after name, shape and dtype. */
  get arguments(): [never, never, boolean, never] {
    const { kernelInitializer, kernelRegularizer, kernelConstraint } = this.#resolved;
    return [kernelInitializer as never, kernelRegularizer as never, true, kernelConstraint as never];
  }

  /** The rule as configuration, under `kernelInitializer` and so on for the weight `kernel`. */
  config(weight: string): tf.serialization.ConfigDict {
    const { kernelInitializer, kernelRegularizer, kernelConstraint } = this.#resolved.getConfig();
    return {
      [`${weight}Initializer`]: kernelInitializer!,
      [`${weight}Regularizer`]: kernelRegularizer!,
      [`${weight}Constraint`]: kernelConstraint!,
    };
  }
}

/** A positive integer, or an error that names the layer and the option. */
export function positiveInteger(layer: string, option: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`Cannot make ${layer} with ${option} = ${value}: expected a positive integer.`);
}

/** A share from 0 up to but not including 1, or an error. */
export function share(layer: string, option: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new RangeError(
    `Cannot make ${layer} with ${option} = ${value}: expected a number from 0 up to, not including, 1.`,
  );
}

/** The sizes of a shape, or of the first of several. */
export function firstShape(shape: tf.Shape | tf.Shape[]): tf.Shape {
  return Array.isArray(shape[0]) ? shape[0] as tf.Shape : shape as tf.Shape;
}
