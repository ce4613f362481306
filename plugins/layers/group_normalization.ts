/**
 * Normalization over groups of channels.
 *
 * @module
 */
import { formatShape, type Layer, type Tensor, tf } from "../../core/tf.ts";
import {
  type Constraint,
  firstShape,
  type Initializer,
  layerArguments,
  type LayerOptions,
  type Regularizer,
  WeightRule,
} from "./options.ts";
import { registerClass } from "./register.ts";

/** Options of `groupNormalization`. */
export interface GroupNormalizationOptions extends LayerOptions {
  /** How many groups the channels fall into; -1 for one each, which is instance normalization. @default 32 */
  readonly groups?: number;
  /** The channels' axis. @default -1 */
  readonly axis?: number;
  /** Added to the variance. @default 1e-3 */
  readonly epsilon?: number;
  /** Whether to add `beta`. @default true */
  readonly center?: boolean;
  /** Whether to multiply by `gamma`. @default true */
  readonly scale?: boolean;
  /** How `beta` begins. @default "zeros" */
  readonly betaInitializer?: Initializer;
  /** How `gamma` begins. @default "ones" */
  readonly gammaInitializer?: Initializer;
  /** What `beta` adds to the loss. @default none */
  readonly betaRegularizer?: Regularizer | null;
  /** What `gamma` adds to the loss. @default none */
  readonly gammaRegularizer?: Regularizer | null;
  /** What `beta` is projected to after each update. @default none */
  readonly betaConstraint?: Constraint | null;
  /** What `gamma` is projected to after each update. @default none */
  readonly gammaConstraint?: Constraint | null;
}

/** The class behind `groupNormalization`. */
export class GroupNormalization extends tf.layers.Layer {
  /** How tfjs finds it. */
  static className: string = "GroupNormalization";
  readonly #groups: number;
  readonly #axis: number;
  readonly #epsilon: number;
  readonly #gammaRule: WeightRule | undefined;
  readonly #betaRule: WeightRule | undefined;
  #gamma: tf.LayerVariable | undefined;
  #beta: tf.LayerVariable | undefined;

  /** @param options See `groupNormalization`. */
  constructor(options: GroupNormalizationOptions = {}) {
    super(layerArguments(options));
    registerClass(GroupNormalization);
    const { groups = 32, axis = -1, epsilon = 1e-3, center = true, scale = true } = options;
    if (!Number.isInteger(groups) || (groups < 1 && groups !== -1)) {
      throw new RangeError(
        `Cannot make a groupNormalization with groups = ${groups}: expected a positive integer, or -1 for one a channel.`,
      );
    }
    this.#groups = groups;
    this.#axis = axis;
    this.#epsilon = epsilon;
    this.supportsMasking = true;
    const { gammaInitializer = "ones", gammaRegularizer, gammaConstraint } = options;
    const { betaInitializer = "zeros", betaRegularizer, betaConstraint } = options;
    this.#gammaRule = scale ? new WeightRule(gammaInitializer, gammaRegularizer, gammaConstraint) : undefined;
    this.#betaRule = center ? new WeightRule(betaInitializer, betaRegularizer, betaConstraint) : undefined;
  }

  /** Makes `gamma` and `beta`, `[channels]`. */
  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = firstShape(inputShape);
    const channels = shape[this.#channelAxis(shape.length)];
    if (channels === null || channels === undefined) {
      throw new TypeError(
        `Cannot build the layer "${this.name}" on inputs of shape ${
          formatShape(shape)
        }: the number of channels, axis ` +
          `${this.#axis}, must be known.`,
      );
    }
    if (channels % this.#groupsOf(channels) !== 0) {
      throw new RangeError(
        `Cannot build the layer "${this.name}" on ${channels} channels: ${this.#groups} groups do not divide them. ` +
          "Expected a number of groups that does, or -1.",
      );
    }
    if (this.#gammaRule) {
      this.#gamma = this.addWeight("gamma", [channels], "float32", ...this.#gammaRule.arguments);
    }
    if (this.#betaRule) this.#beta = this.addWeight("beta", [channels], "float32", ...this.#betaRule.arguments);
    this.built = true;
  }

  /** The shape of the input. */
  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return inputShape;
  }

  /** Normalizes each group of each sample. */
  override call(inputs: Tensor | Tensor[]): Tensor {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      const axis = this.#channelAxis(x.rank);
      const channels = x.shape[axis]!;
      const groups = this.#groupsOf(channels);
      const grouped = tf.reshape(x, x.shape.toSpliced(axis, 1, groups, channels / groups));
      const axes = grouped.shape.map((_, index) => index).filter((index) => index !== 0 && index !== axis);
      const centred = tf.sub(grouped, tf.mean(grouped, axes, true));
      const variance = tf.mean(tf.square(centred), axes, true);
      const broadcast = grouped.shape.map((size, index) => index === axis || index === axis + 1 ? size : 1);
      let factor = tf.rsqrt(tf.add(variance, this.#epsilon));
      if (this.#gamma) factor = tf.mul(factor, tf.reshape(this.#gamma.read(), broadcast));
      let normalized: Tensor = tf.mul(centred, factor);
      if (this.#beta) normalized = tf.add(normalized, tf.reshape(this.#beta.read(), broadcast));
      return tf.reshape(normalized, x.shape);
    });
  }

  /** What makes the same layer. */
  override getConfig(): tf.serialization.ConfigDict {
    return {
      ...super.getConfig(),
      groups: this.#groups,
      axis: this.#axis,
      epsilon: this.#epsilon,
      center: this.#betaRule !== undefined,
      scale: this.#gammaRule !== undefined,
      ...this.#gammaRule?.config("gamma"),
      ...this.#betaRule?.config("beta"),
    };
  }

  #channelAxis(rank: number): number {
    const axis = this.#axis < 0 ? this.#axis + rank : this.#axis;
    if (axis >= 1 && axis < rank) return axis;
    throw new RangeError(
      `Cannot run the layer "${this.name}" on inputs of rank ${rank}: its channels are axis ${this.#axis}; expected ` +
        "one of theirs other than the batch axis.",
    );
  }

  #groupsOf(channels: number): number {
    return this.#groups === -1 ? channels : this.#groups;
  }
}

/**
 * Normalizes each sample over groups of its channels, so that the result does not depend on the batch.
 *
 * Source: Wu & He, "Group normalization", 2018; keras/src/layers/normalization/group_normalization.py.
 *
 * @returns A layer from `[batch, …, channels]` to the same shape; weights `gamma` and `beta`, `[channels]`.
 * @throws {RangeError} If the groups do not divide the channels.
 *
 * @example Two groups of two channels
 * ```ts
 * import { groupNormalization } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const output = groupNormalization({ groups: 2, epsilon: 0 }).apply(tf.tensor2d([[1, 3, 10, 30]])) as tf.Tensor;
 * (await output.data()).forEach((value, index) => assertAlmostEquals(value, index % 2 ? 1 : -1, 1e-5));
 * ```
 */
export function groupNormalization(options: GroupNormalizationOptions = {}): Layer {
  return new GroupNormalization(options);
}
