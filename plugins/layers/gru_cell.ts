/**
 * The cell of a GRU that resets after the product with the recurrent kernel.
 *
 * @module
 */
import { dropoutMask } from "../../core/layers/noise.ts";
import { type Layer, type Tensor, tf } from "../../core/tf.ts";
import { activationFunction, type ActivationName } from "./activations.ts";
import {
  type Constraint,
  firstShape,
  type Initializer,
  layerArguments,
  type LayerOptions,
  positiveInteger,
  type Regularizer,
  share,
  WeightRule,
} from "./options.ts";
import { registerClass } from "./register.ts";

/** Options of a GRU's cell. */
export interface GruCellOptions extends LayerOptions {
  /** Size of the state and of the output. */
  readonly units: number;
  /** Of the candidate state. @default "tanh" */
  readonly activation?: ActivationName;
  /** Of the gates. @default "sigmoid" */
  readonly recurrentActivation?: ActivationName;
  /** Whether products have a bias. @default true */
  readonly useBias?: boolean;
  /** How the kernel begins. @default "glorotUniform" */
  readonly kernelInitializer?: Initializer;
  /** How the recurrent kernel begins. @default "orthogonal" */
  readonly recurrentInitializer?: Initializer;
  /** How the bias begins. @default "zeros" */
  readonly biasInitializer?: Initializer;
  /** What the kernel adds to the loss. @default none */
  readonly kernelRegularizer?: Regularizer | null;
  /** What the recurrent kernel adds to the loss. @default none */
  readonly recurrentRegularizer?: Regularizer | null;
  /** What the bias adds to the loss. @default none */
  readonly biasRegularizer?: Regularizer | null;
  /** What the kernel is projected to after each update. @default none */
  readonly kernelConstraint?: Constraint | null;
  /** What the recurrent kernel is projected to after each update. @default none */
  readonly recurrentConstraint?: Constraint | null;
  /** What the bias is projected to after each update. @default none */
  readonly biasConstraint?: Constraint | null;
  /** Share of the input that is dropped in training. @default 0 */
  readonly dropout?: number;
  /** Share of the state that is dropped in training, before the recurrent kernel. @default 0 */
  readonly recurrentDropout?: number;
}

/** Update gate, reset gate, candidate. */
const GATES = 3;

/** The class behind `gruCell`. */
export class ResetAfterGRUCell extends tf.layers.Layer {
  /** How tfjs finds it. */
  static className: string = "ResetAfterGRUCell";
  /** Size of the state. */
  readonly stateSize: number;
  /** Share of the input that is dropped. */
  readonly dropout: number;
  /** Share of the state that is dropped. */
  readonly recurrentDropout: number;
  readonly #options: GruCellOptions;
  readonly #kernelRule: WeightRule;
  readonly #recurrentRule: WeightRule;
  readonly #biasRule: WeightRule | undefined;
  readonly #activation: (x: Tensor) => Tensor;
  readonly #recurrentActivation: (x: Tensor) => Tensor;
  readonly #inputMasks = new SequenceMasks();
  readonly #stateMasks = new SequenceMasks();
  #kernel: tf.LayerVariable | undefined;
  #recurrentKernel: tf.LayerVariable | undefined;
  #bias: tf.LayerVariable | undefined;

  /** @param options See `gruCell`. */
  constructor(options: GruCellOptions) {
    super(layerArguments(options));
    registerClass(ResetAfterGRUCell);
    this.#options = options;
    this.stateSize = positiveInteger("a GRU", "units", options.units);
    this.dropout = share("a GRU", "dropout", options.dropout ?? 0);
    this.recurrentDropout = share("a GRU", "recurrentDropout", options.recurrentDropout ?? 0);
    this.#activation = activationFunction(options.activation ?? "tanh");
    this.#recurrentActivation = activationFunction(options.recurrentActivation ?? "sigmoid");
    const { kernelInitializer = "glorotUniform", kernelRegularizer, kernelConstraint } = options;
    const { recurrentInitializer = "orthogonal", recurrentRegularizer, recurrentConstraint } = options;
    const { biasInitializer = "zeros", biasRegularizer, biasConstraint, useBias = true } = options;
    this.#kernelRule = new WeightRule(kernelInitializer, kernelRegularizer, kernelConstraint);
    this.#recurrentRule = new WeightRule(recurrentInitializer, recurrentRegularizer, recurrentConstraint);
    this.#biasRule = useBias ? new WeightRule(biasInitializer, biasRegularizer, biasConstraint) : undefined;
  }

  /** The input's masks, one a gate. Whoever runs a sequence sets them to `null` after it. */
  get dropoutMask(): Tensor[] | null {
    return this.#inputMasks.value;
  }
  set dropoutMask(masks: Tensor | Tensor[] | null) {
    this.#inputMasks.set(masks);
  }

  /** The state's masks, one a gate. Whoever runs a sequence sets them to `null` after it. */
  get recurrentDropoutMask(): Tensor[] | null {
    return this.#stateMasks.value;
  }
  set recurrentDropoutMask(masks: Tensor | Tensor[] | null) {
    this.#stateMasks.set(masks);
  }

  /** Makes `kernel`, `recurrent_kernel` and `bias`, of Keras's shapes. */
  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const features = firstShape(inputShape).at(-1)!;
    const width = GATES * this.stateSize;
    this.#kernel = this.addWeight("kernel", [features, width], "float32", ...this.#kernelRule.arguments);
    this.#recurrentKernel = this.addWeight(
      "recurrent_kernel",
      [this.stateSize, width],
      "float32",
      ...this.#recurrentRule.arguments,
    );
    if (this.#biasRule) this.#bias = this.addWeight("bias", [2, width], "float32", ...this.#biasRule.arguments);
    this.built = true;
  }

  /** One step: from input and state to output and state. */
  override call(inputs: Tensor | Tensor[], { training }: { training?: boolean }): Tensor[] {
    const [x, state] = inputs as [Tensor, Tensor];
    if (training) {
      // As in Keras, gates share a mask of the input unless the state is dropped too.
      const apart = this.recurrentDropout > 0;
      if (this.dropout > 0) this.#inputMasks.draw(x.shape, this.dropout, apart ? GATES : 1);
      if (this.recurrentDropout > 0) this.#stateMasks.draw(state.shape, this.recurrentDropout, GATES);
    }
    return tf.tidy(() => {
      const biases = this.#bias === undefined ? [] : tf.unstack(this.#bias.read());
      const [xz, xr, xh] = products(x, this.#kernel!.read(), biases[0], training ? this.dropoutMask : null);
      const [hz, hr, hh] = products(
        state,
        this.#recurrentKernel!.read(),
        biases[1],
        training ? this.recurrentDropoutMask : null,
      );
      const update = this.#recurrentActivation(tf.add(xz!, hz!));
      const reset = this.#recurrentActivation(tf.add(xr!, hr!));
      const candidate = this.#activation(tf.add(xh!, tf.mul(reset, hh!)));
      const output = tf.add(tf.mul(update, state), tf.mul(tf.sub(1, update), candidate));
      return [output, output];
    });
  }

  /** What makes the same cell. */
  override getConfig(): tf.serialization.ConfigDict {
    const { activation = "tanh", recurrentActivation = "sigmoid", useBias = true } = this.#options;
    return {
      ...super.getConfig(),
      units: this.stateSize,
      activation,
      recurrentActivation,
      useBias,
      dropout: this.dropout,
      recurrentDropout: this.recurrentDropout,
      ...this.#kernelRule.config("kernel"),
      ...this.#recurrentRule.config("recurrent"),
      ...this.#biasRule?.config("bias"),
    };
  }
}

/** What each gate gets, `[batch, units]`: one product where all read the same, else one each. */
function products(x: Tensor, kernel: Tensor, bias: Tensor | undefined, masks: Tensor[] | null): Tensor[] {
  if (masks === null || masks.length === 1) {
    const product = tf.matMul(masks === null ? x : tf.mul(x, masks[0]!), kernel);
    return tf.split(bias === undefined ? product : tf.add(product, bias), GATES, 1);
  }
  const biases = bias === undefined ? [] : tf.split(bias, GATES);
  return tf.split(kernel, GATES, 1).map((part, gate) => {
    const product = tf.matMul(tf.mul(x, masks[gate]!), part);
    return biases[gate] === undefined ? product : tf.add(product, biases[gate]);
  });
}

/** Masks that hold for all steps of a sequence: drawn at its first step, outliving its tidy, released at its end. */
class SequenceMasks {
  value: Tensor[] | null = null;
  #own = false;

  draw(shape: readonly number[], rate: number, count: number): void {
    if (this.value !== null) return;
    this.value = Array.from({ length: count }, () => tf.tidy(() => tf.keep(dropoutMask(shape, rate))));
    this.#own = true;
  }

  set(masks: Tensor | Tensor[] | null): void {
    if (this.#own) tf.dispose(this.value ?? []);
    this.#own = false;
    this.value = masks === null ? null : [masks].flat();
  }
}

/**
 * The cell of Keras 3's GRU, for `tf.layers.rnn` and `tf.layers.stackedRNNCells`: it resets after the product with the
 * recurrent kernel, and has a bias of two rows.
 *
 * @example Two stacked cells
 * ```ts
 * import { gruCell } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = tf.layers.rnn({ cell: [gruCell({ units: 4 }), gruCell({ units: 2 })] });
 * assertEquals(layer.computeOutputShape([null, 7, 3]), [null, 2]);
 * ```
 */
export function gruCell(options: GruCellOptions): GruCell {
  return new ResetAfterGRUCell(options) as unknown as GruCell;
}

/** A recurrent cell, as tfjs's recurrent layers take it. */
export type GruCell = Layer & {
  /** Size of the state. */
  stateSize: number | number[];
  /** Masks of the input while a sequence runs. */
  dropoutMask: Tensor | Tensor[];
  /** Masks of the state while a sequence runs. */
  recurrentDropoutMask: Tensor | Tensor[];
};
