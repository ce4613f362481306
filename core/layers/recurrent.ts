/**
 * Recurrent layers: masks, dropout, and states kept in variables.
 *
 * @module
 */
import { formatShape, type Tensor, tf } from "../tf.ts";
import {
  type CallArguments,
  type CellInternals,
  className,
  first,
  internals,
  isRecurrent,
  methodOwner,
  type RecurrentInternals,
  type Tensors,
  toList,
} from "./internals.ts";
import { clearDropout, drawDropout } from "./recurrent_cells.ts";

/** tfjs's recurrent classes. A class of the user's own that writes its own `call` keeps it. */
const OWNERS: ReadonlySet<string> = new Set(["RNN", "SimpleRNN", "GRU", "LSTM", "ConvRNN2D", "ConvLSTM2D"]);

const states = new WeakMap<tf.layers.Layer, tf.Variable[]>();

const zeroed = new WeakSet<tf.layers.Layer>();

/**
 * Makes the outputs of a recurrent layer zeros at masked steps where it returns sequences, as Keras does inside
 * Bidirectional. Elsewhere the output before is repeated.
 */
export function zeroMaskedSteps(layer: tf.layers.Layer): void {
  zeroed.add(layer);
}

/** The variables that hold the states of a stateful recurrent layer; none before it is built. */
export function stateVariables(layer: tf.layers.Layer): readonly tf.Variable[] {
  return states.get(layer) ?? [];
}

/** Replaces how a recurrent layer runs its cell and where it keeps its states. */
export function adoptRecurrent(layer: tf.layers.Layer): void {
  if (!isRecurrent(layer) || !OWNERS.has(methodOwner(layer, "call"))) return;
  const own = internals<RecurrentInternals>(layer);
  own.call = (inputs, args) => run(layer, first(inputs), args);
  if (!layer.stateful) return;
  own.resetStates = () => resetVariables(layer);
  if (layer.built) {
    tf.dispose(own.keptStates);
    tf.dispose((own.states_ ?? []).filter((state) => state !== null));
    own.keptStates = [];
    own.states_ = null;
    resetVariables(layer);
  }
}

/** Sets the states to zeros, creating their variables where there are none yet: tfjs calls it when it builds. */
function resetVariables(layer: tf.layers.Layer): void {
  const kept = states.get(layer);
  if (kept !== undefined) {
    for (const state of kept) tf.tidy(() => state.assign(tf.zeros(state.shape)));
    return;
  }
  const own = internals<RecurrentInternals>(layer);
  const inputShape = own.inputSpec[0]?.shape ?? [];
  if (typeof inputShape[0] !== "number") {
    throw new TypeError(
      `Cannot build the stateful layer "${layer.name}" on inputs of shape ${
        formatShape(inputShape)
      }: its states need ` +
        "a fixed number of rows. Give the first layer a `batchInputShape`, or the input a `batchShape`.",
    );
  }
  const created = tf.tidy(() => stateShapes(own, inputShape).map((shape) => tf.variable(tf.zeros(shape), false)));
  states.set(layer, created);
  own.states_ = created;
}

function sizes(own: RecurrentInternals): readonly number[] {
  return toList(internals<CellInternals>(own.cell).stateSize as number | number[]);
}

/** The shape of each state, from the shape of the inputs with its rows known. */
function stateShapes(own: RecurrentInternals, inputShape: readonly (number | null)[]): number[][] {
  if (own.computeSingleOutputShape === undefined) return sizes(own).map((size) => [inputShape[0]!, size]);
  const [rows, , ...image] = own.computeSingleOutputShape(inputShape);
  return sizes(own).map(() => [rows, ...image] as number[]);
}

function run(layer: tf.layers.Layer, x: Tensor, args: CallArguments): Tensors {
  const own = internals<RecurrentInternals>(layer);
  const cells = className(own.cell) === "StackedRNNCells" ? internals<CellInternals>(own.cell).cells! : [own.cell];
  const kept = stateVariables(layer);
  if (kept.length > 0 && kept[0]!.shape[0] !== x.shape[0]) {
    throw new TypeError(
      `Cannot run the stateful layer "${layer.name}" on ${x.shape[0]} rows: it keeps states of ${kept[0]!.shape[0]} ` +
        "rows. Give it batches of that size, also the last one.",
    );
  }
  return tf.tidy(() => {
    const initial = args.initialState ?? (kept.length > 0 ? kept.map((state) => state.clone()) : zeros(own, x));
    if (initial.length !== sizes(own).length) {
      throw new TypeError(
        `Cannot run the layer "${layer.name}" from ${initial.length} initial states: its cell has ` +
          `${sizes(own).length}. Pass one tensor for each.`,
      );
    }
    try {
      if (args.training) drawFor(cells, x, initial);
      const { outputs, states } = loop(
        own,
        x,
        initial,
        first<Tensor | null>(args.mask ?? null),
        args.training ?? false,
        own.returnSequences && zeroed.has(layer),
      );
      kept.forEach((variable, index) => variable.assign(states[index]!));
      const output = own.returnSequences ? tf.stack([...outputs], 1) : outputs.at(-1)!;
      return own.returnState ? [output, ...states] : output;
    } finally {
      cells.forEach(clearDropout);
    }
  });
}

function zeros(own: RecurrentInternals, x: Tensor): Tensor[] {
  const builtIn = own.computeSingleOutputShape !== undefined ||
    own.getInitialState === internals<RecurrentInternals>(tf.RNN.prototype).getInitialState;
  return builtIn ? stateShapes(own, x.shape).map((shape) => tf.zeros(shape)) : own.getInitialState(x);
}

/** Draws each cell's masks; a stacked cell reads what the one below gives. */
function drawFor(cells: readonly tf.layers.Layer[], x: Tensor, initial: readonly Tensor[]): void {
  let inputShape = [x.shape[0]!, ...x.shape.slice(2)];
  for (const cell of cells) {
    const stateShape = cells.length === 1
      ? initial[0]!.shape
      : [x.shape[0]!, first(internals<CellInternals>(cell).stateSize as number | number[])];
    drawDropout(cell, inputShape, stateShape);
    inputShape = stateShape;
  }
}

interface Sequence {
  readonly outputs: readonly Tensor[];
  readonly states: readonly Tensor[];
}

/** The steps one after the other, backwards where the layer goes backwards; outputs in the order of running. */
function loop(
  own: RecurrentInternals,
  x: Tensor,
  initial: readonly Tensor[],
  mask: Tensor | null,
  training: boolean,
  zeroMasked: boolean,
): Sequence {
  const cell = internals<CellInternals>(own.cell);
  const steps = tf.unstack(x, 1);
  const masks = mask === null ? undefined : new StepMasks(mask);
  const outputs: Tensor[] = [];
  let states: readonly Tensor[] = initial;
  for (let index = 0; index < steps.length; index++) {
    const time = own.goBackwards ? steps.length - 1 - index : index;
    const before = states;
    const ran = tf.tidy(() => toList(cell.call([steps[time]!, ...before], { training })));
    // Widened masks serve all steps: they are made outside of the tidy of one.
    masks?.prepare(ran.map(({ shape }) => shape));
    const [output, ...after] = masks === undefined
      ? ran
      : tf.tidy(() => carryOver(masks, time, ran[0]!, ran.slice(1), before, outputs.at(-1)));
    states = after;
    outputs.push(output!);
  }
  if (masks === undefined || !zeroMasked) return { outputs, states };
  const shown = outputs.map((output, index) => {
    const time = own.goBackwards ? steps.length - 1 - index : index;
    return tf.where(masks.at(time, output.shape), output, tf.zerosLike(output));
  });
  return { outputs: shown, states };
}

/** At masked positions states stay as they were, and the output is the first state, which is the output before. */
function carryOver(
  masks: StepMasks,
  time: number,
  output: Tensor,
  after: readonly Tensor[],
  before: readonly Tensor[],
  previous: Tensor | undefined,
): Tensor[] {
  const kept = after.map((state, index) => tf.where(masks.at(time, state.shape), state, before[index]!));
  if (output === after[0]) return [kept[0]!, ...kept];
  const same = before[0] !== undefined && before[0].shape.join() === output.shape.join();
  const fallback = same ? before[0]! : previous ?? tf.zerosLike(output);
  return [tf.where(masks.at(time, output.shape), output, fallback), ...kept];
}

/** A mask `[batch, time]` cut into steps and widened to the shapes that it is applied to, once for each shape. */
class StepMasks {
  readonly #mask: Tensor;
  readonly #steps = new Map<string, Tensor[]>();

  constructor(mask: Tensor) {
    const trailing = mask.shape.slice(2).map((_, index) => index + 2);
    this.#mask = trailing.length > 0 ? tf.max(mask.cast("float32"), trailing) : mask.cast("float32");
  }

  /** Widens the mask to the shapes of a step's output and states. */
  prepare(shapes: readonly (readonly number[])[]): void {
    for (const shape of shapes) {
      const key = shape.join();
      if (this.#steps.has(key)) continue;
      const [batch, length] = this.#mask.shape;
      const column = tf.reshape(this.#mask, [batch!, length!, ...shape.slice(1).map(() => 1)]);
      this.#steps.set(key, tf.unstack(tf.greater(tf.tile(column, [1, 1, ...shape.slice(1)]), 0.5), 1));
    }
  }

  /** The mask of one step, for a shape that was prepared. */
  at(time: number, shape: readonly number[]): Tensor {
    return this.#steps.get(shape.join())![time]!;
  }
}
