/**
 * Attention itself, after the projections: no weights.
 *
 * @module
 */
import { type Tensor, tf } from "../../core/tf.ts";

/** What may not be looked at. */
export interface AttentionMasks {
  /** Queries that count, `[batch, queries]`. */
  readonly query: Tensor | null;
  /** Values that count, `[batch, keys]`. */
  readonly value: Tensor | null;
  /** Keys that count, `[batch, keys]`. */
  readonly key: Tensor | null;
  /** Nonzero where a query may look, `[batch, (heads,) queries, keys]`. */
  readonly given: Tensor | null;
  /** Whether a query may only look at keys up to its own position. */
  readonly causal: boolean;
}

/** What attention is computed from. */
export interface AttentionInputs {
  /** Scaled, `[batch, …, heads, keyDim]`. */
  readonly query: Tensor;
  /** `[batch, …, heads, keyDim]`. */
  readonly key: Tensor;
  /** `[batch, …, heads, valueDim]`. */
  readonly value: Tensor;
  /** The axes that attention runs over. */
  readonly axes: readonly number[];
  /** What may not be looked at. */
  readonly masks: AttentionMasks;
  /** What a query that may look nowhere gets. */
  readonly blind: "zeros" | "mean";
  /** Drops some of the attention. */
  readonly drop: (attention: Tensor) => Tensor;
}

/** The heads' outputs `[batch, …, heads, valueDim]`, and the attention `[batch, free…, heads, queries…, keys…]`. */
export interface Attended {
  readonly output: Tensor;
  readonly scores: Tensor;
}

/** Far below any score, and finite: a row without anything to look at must not become NaN. */
const NEVER = -1e9;

/** Attention by scaled products. */
export function attend({ query, key, value, axes, masks, blind, drop }: AttentionInputs): Attended {
  const q = arranged(query, axes); // [batch, free…, heads, queries, keyDim]
  const k = arranged(key, axes);
  const v = arranged(value, axes);
  const logits = tf.matMul(q, k, false, true); // [batch, free…, heads, queries, keys]
  const sizes = { queries: axes.map((axis) => query.shape[axis]!), keys: axes.map((axis) => key.shape[axis]!) };
  const allowed = combined(masks, logits, sizes);
  let attention: Tensor = tf.softmax(allowed === null ? logits : tf.where(allowed, logits, NEVER));
  if (allowed !== null && blind === "zeros") attention = tf.mul(attention, allowed.cast("float32"));
  const output = tf.matMul(drop(attention), v); // [batch, free…, heads, queries, valueDim]
  return {
    output: restored(output, axes, query.shape),
    scores: tf.reshape(attention, [...attention.shape.slice(0, -2), ...sizes.queries, ...sizes.keys]),
  };
}

/** The order of axes that puts the free ones first, then heads, then those that attention runs over. */
function order(rank: number, axes: readonly number[]): number[] {
  const free = Array.from({ length: rank - 2 }, (_, axis) => axis).filter((axis) => !axes.includes(axis));
  return [...free, rank - 2, ...axes, rank - 1];
}

/** `[batch, free…, heads, positions, dim]`. */
function arranged(x: Tensor, axes: readonly number[]): Tensor {
  const moved = tf.transpose(x, order(x.rank, axes));
  const positions = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
  return tf.reshape(moved, [...moved.shape.slice(0, -axes.length - 1), positions, x.shape.at(-1)!]);
}

/** Undoes `arranged`, for a tensor with the positions of `like`. */
function restored(x: Tensor, axes: readonly number[], like: readonly number[]): Tensor {
  const perm = order(like.length, axes);
  const apart = tf.reshape(x, [...x.shape.slice(0, -2), ...axes.map((axis) => like[axis]!), x.shape.at(-1)!]);
  return tf.transpose(apart, perm.map((_, axis) => perm.indexOf(axis)));
}

interface Sizes {
  readonly queries: readonly number[];
  readonly keys: readonly number[];
}

/** Where queries may look, with as many axes as the logits, or `null` for everywhere. */
function combined({ query, value, key, given, causal }: AttentionMasks, logits: Tensor, sizes: Sizes): Tensor | null {
  const [queries, keys] = logits.shape.slice(-2) as [number, number];
  const masks: Tensor[] = [];
  // Masks of positions have the axes of the positions, which are one axis here.
  const positions = (mask: Tensor, shape: [number, number]) => {
    if (mask.size !== mask.shape[0]! * shape[0] * shape[1]) {
      throw new TypeError(
        `Cannot attend with a mask of shape [${mask.shape}]: it has other positions than the ${
          shape[0] * shape[1]
        } that attention runs over. Pass an attention mask as the fourth input instead.`,
      );
    }
    masks.push(widened(tf.reshape(mask.cast("bool"), [mask.shape[0]!, ...shape]), logits.rank));
  };
  if (query !== null) positions(query, [queries, 1]);
  if (value !== null) positions(value, [1, keys]);
  if (key !== null) positions(key, [1, keys]);
  if (causal) {
    const triangle = Uint8Array.from({ length: queries * keys }, (_, at) => at % keys <= Math.floor(at / keys) ? 1 : 0);
    masks.push(widened(tf.tensor(triangle, [1, queries, keys], "bool"), logits.rank));
  }
  if (given !== null) masks.push(widened(flattened(given, sizes), logits.rank));
  if (masks.length === 0) return null;
  return masks.reduce((all, mask) => tf.logicalAnd(all, mask));
}

/** A mask `[batch, …, queries…, keys…]` with one axis for queries and one for keys. */
function flattened(mask: Tensor, { queries, keys }: Sizes): Tensor {
  const count = queries.length;
  const lead = mask.shape.slice(0, mask.rank - 2 * count);
  if (mask.rank < 2 * count || mask.shape.slice(lead.length).join() !== [...queries, ...keys].join()) {
    throw new TypeError(
      `Cannot attend with an attention mask of shape [${mask.shape}]: expected [batch, ${[...queries, ...keys]}].`,
    );
  }
  const product = (sizes: readonly number[]) => sizes.reduce((total, size) => total * size, 1);
  return tf.reshape(mask.cast("bool"), [...lead, product(queries), product(keys)]);
}

/** Axes of one before the last two, as many as are missing. */
function widened(mask: Tensor, rank: number): Tensor {
  const missing = Array.from({ length: rank - mask.rank }, () => 1);
  return tf.reshape(mask, [...mask.shape.slice(0, -2), ...missing, ...mask.shape.slice(-2)]);
}
