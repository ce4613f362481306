/**
 * Dropout in recurrent cells: one mask for all the steps of a sequence, drawn anew for each sequence, and never kept.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { type CellInternals, className, internals, methodOwner, toList } from "./internals.ts";
import { dropoutMask } from "./noise.ts";

/** tfjs's cells, and how many gates each has. */
const GATES: Readonly<Record<string, number>> = { SimpleRNNCell: 1, GRUCell: 3, LSTMCell: 4, ConvLSTM2DCell: 4 };

/** Keeps a cell from drawing and keeping masks of its own, and gives recurrent dropout Keras's meaning. */
export function adoptCell(layer: tf.layers.Layer): void {
  const owner = methodOwner(layer, "call");
  if (!(owner in GATES)) return;
  const cell = internals<CellInternals>(layer);
  const original = cell.call.bind(layer);
  tf.dispose([cell.dropoutMask, cell.recurrentDropoutMask].flat().filter((mask) => mask !== null));
  clearDropout(layer);
  cell.call = (inputs, args) => {
    if (!hasDropout(cell)) return original(inputs, args);
    const [x, ...states] = toList(inputs);
    if (!args.training) return withoutDropout(cell, () => original(inputs, args));
    const drawn = cell.dropoutMask === null && cell.recurrentDropoutMask === null;
    if (drawn) drawDropout(layer, x!.shape, states[0]!.shape);
    try {
      if (cell.recurrentDropoutMask !== null && owner === "LSTMCell") return lstm(cell, x!, states[0]!, states[1]!);
      if (cell.recurrentDropoutMask !== null && owner === "GRUCell") return gru(cell, x!, states[0]!);
      return original(inputs, args);
    } finally {
      if (drawn) clearDropout(layer);
    }
  };
}

/** Draws the masks for one sequence. They belong to the caller's tidy; `clearDropout` must follow. */
export function drawDropout(
  layer: tf.layers.Layer,
  inputShape: readonly number[],
  stateShape: readonly number[],
): void {
  const gates = GATES[methodOwner(layer, "call")] ?? GATES[className(layer)];
  if (gates === undefined) return;
  const cell = internals<CellInternals>(layer);
  // Keras drops all gates alike, except where recurrent dropout makes it compute them one by one.
  const apart = cell.recurrentDropout > 0 || className(layer) === "ConvLSTM2DCell";
  cell.dropoutMask = masks(cell.dropout, inputShape, gates, apart);
  cell.recurrentDropoutMask = masks(cell.recurrentDropout, stateShape, gates, true);
}

/** Forgets the masks of a sequence. */
export function clearDropout(layer: tf.layers.Layer): void {
  const cell = internals<CellInternals>(layer);
  cell.dropoutMask = null;
  cell.recurrentDropoutMask = null;
}

function masks(rate: number, shape: readonly number[], gates: number, apart: boolean): Tensor | Tensor[] | null {
  if (!(rate > 0 && rate < 1)) return null;
  if (gates === 1) return dropoutMask(shape, rate);
  if (apart) return Array.from({ length: gates }, () => dropoutMask(shape, rate));
  const mask = dropoutMask(shape, rate);
  return Array.from({ length: gates }, () => mask);
}

function hasDropout(cell: CellInternals): boolean {
  return cell.dropout > 0 || cell.recurrentDropout > 0;
}

function withoutDropout<T>(cell: CellInternals, body: () => T): T {
  const { dropout, recurrentDropout } = cell;
  cell.dropout = 0;
  cell.recurrentDropout = 0;
  try {
    return body();
  } finally {
    cell.dropout = dropout;
    cell.recurrentDropout = recurrentDropout;
  }
}

/** What each gate gets from the input and from the state, `[batch, units]`, each through masks of its own. */
function gateInputs(cell: CellInternals, x: Tensor, gates: number): Tensor[] {
  const kernels = tf.split(cell.kernel.read(), gates, 1);
  const biases = cell.bias === null ? undefined : tf.split(cell.bias.read(), gates);
  return kernels.map((kernel, gate) => {
    const product = tf.matMul(masked(x, cell.dropoutMask, gate), kernel);
    return biases === undefined ? product : tf.add(product, biases[gate]!);
  });
}

function masked(value: Tensor, masks: Tensor | Tensor[] | null, gate: number): Tensor {
  return masks === null ? value : tf.mul(value, toList(masks)[gate]!);
}

function lstm(cell: CellInternals, x: Tensor, h: Tensor, c: Tensor): Tensor[] {
  return tf.tidy(() => {
    const kernels = tf.split(cell.recurrentKernel.read(), 4, 1);
    const [i, f, g, o] = gateInputs(cell, x, 4).map((input, gate) =>
      tf.add(input, tf.matMul(masked(h, cell.recurrentDropoutMask, gate), kernels[gate]!))
    );
    const kept = tf.mul(cell.recurrentActivation.apply(f!), c);
    const carry = tf.add(kept, tf.mul(cell.recurrentActivation.apply(i!), cell.activation.apply(g!)));
    const output = tf.mul(cell.recurrentActivation.apply(o!), cell.activation.apply(carry));
    return [output, output, carry];
  });
}

/** The reset gate before the product; the state that is mixed into the next one is not dropped. */
function gru(cell: CellInternals, x: Tensor, h: Tensor): Tensor[] {
  return tf.tidy(() => {
    const [kz, kr, kh] = tf.split(cell.recurrentKernel.read(), 3, 1);
    const [xz, xr, xh] = gateInputs(cell, x, 3);
    const part = (gate: number) => masked(h, cell.recurrentDropoutMask, gate);
    const z = cell.recurrentActivation.apply(tf.add(xz!, tf.matMul(part(0), kz!)));
    const r = cell.recurrentActivation.apply(tf.add(xr!, tf.matMul(part(1), kr!)));
    const candidate = cell.activation.apply(tf.add(xh!, tf.matMul(tf.mul(r, part(2)), kh!)));
    const output = tf.add(tf.mul(z, h), tf.mul(tf.sub(1, z), candidate));
    return [output, output];
  });
}
