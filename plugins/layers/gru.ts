/**
 * GRU with Keras 3's defaults.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";
import { activationIdentifier } from "./activations.ts";
import { type GruCell, type GruCellOptions, ResetAfterGRUCell } from "./gru_cell.ts";
import { layerArguments } from "./options.ts";
import { registerClass } from "./register.ts";

/** Options of `gru`. */
export interface GruOptions extends GruCellOptions {
  /** Whether the reset gate acts after the product with the recurrent kernel. @default true */
  readonly resetAfter?: boolean;
  /** Whether to give the output of every step. @default false */
  readonly returnSequences?: boolean;
  /** Whether to give the last state too. @default false */
  readonly returnState?: boolean;
  /** Whether to run from the last step to the first. @default false */
  readonly goBackwards?: boolean;
  /** Whether the next batch goes on from this one's states. @default false */
  readonly stateful?: boolean;
}

/** A recurrent layer of tfjs. */
export type RecurrentLayer = tf.RNN;

/** The class behind `gru`. */
export class ResetAfterGRU extends tf.RNN {
  /** How tfjs finds it. */
  static override className: string = "ResetAfterGRU";

  /** @param options See `gru`. */
  constructor(options: GruOptions) {
    const { returnSequences, returnState, goBackwards, stateful } = options;
    const { name: _name, inputShape: _shape, batchInputShape: _batchShape, ...cell } = options;
    super({
      ...layerArguments(options),
      cell: new ResetAfterGRUCell(cell) as unknown as GruCell,
      returnSequences,
      returnState,
      goBackwards,
      stateful,
    });
    registerClass(ResetAfterGRU);
  }

  /** Makes a layer from what `getConfig` gave. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    layerClass: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    return new layerClass(config);
  }
}

/**
 * Keras 3's GRU. The reset gate acts after the product with the recurrent kernel, which tfjs's cannot; with
 * `resetAfter: false` it is tfjs's with Keras 3's defaults.
 *
 * Source: Cho et al., 2014; keras/src/layers/rnn/gru.py.
 *
 * @returns A layer from `[batch, time, features]` to `[batch, units]`, or `[batch, time, units]` with
 * `returnSequences`. Weights: `kernel` `[features, 3 units]`, `recurrent_kernel` `[units, 3 units]`, `bias`
 * `[2, 3 units]`; update gate, reset gate, candidate.
 *
 * @example
 * ```ts
 * import { gru } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const model = tf.sequential({ layers: [gru({ units: 4, inputShape: [7, 3] })] });
 * assertEquals(model.weights.map(({ shape }) => shape), [[3, 12], [4, 12], [2, 12]]);
 * ```
 */
export function gru(options: GruOptions): RecurrentLayer {
  const { resetAfter = true, ...rest } = options;
  if (resetAfter) return new ResetAfterGRU(rest);
  const { activation = "tanh", recurrentActivation = "sigmoid" } = rest;
  return tf.layers.gru({
    kernelInitializer: "glorotUniform",
    ...rest,
    activation: activationIdentifier(activation),
    recurrentActivation: activationIdentifier(recurrentActivation),
  } as tf.GRULayerArgs);
}
