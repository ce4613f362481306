/**
 * Matrix products.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { Expression } from "../ir/types.ts";
import { activate } from "./elementwise.ts";
import { attr, type Call, input, list, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";

/** A product of the last two axes, the others broadcast. */
function matMul(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const [a, b] = [lower.cast(input(call, "a"), "f32"), lower.cast(input(call, "b"), "f32")];
  const transposeA = attr<boolean>(call, "transposeA");
  const transposeB = attr<boolean>(call, "transposeB");
  lower.asOperand(a);
  lower.asOperand(b);
  const batch = output.shape.slice(0, -2);
  const [rows, columns] = output.shape.slice(-2) as [number, number];
  const inner = a.shape.at(transposeA ? -2 : -1)!;
  /** A factor's element: its own batch axes may be fewer, or of size 1. */
  const element = (value: Value, outer: readonly Expression[], i: Expression, j: Expression) => {
    const own = value.shape.slice(0, -2);
    const skip = outer.length - own.length;
    return value.at([...own.map((size, axis) => size === 1 ? ir.int(0) : outer[skip + axis]!), i, j]);
  };
  // Where only one factor has batches, they are rows or columns: one large product instead of many small ones.
  const onlyA = !transposeA && batch.length > 0 && b.shape.slice(0, -2).every((size) => size === 1);
  const product = onlyA
    ? lower.contract({
      batch: [],
      rows: [...batch, rows],
      columns: [columns],
      inner: [inner],
      left: (_, outer, k) => element(a, outer.slice(0, -1), outer.at(-1)!, k[0]!),
      right: (_, k, j) =>
        transposeB
          ? element(b, batch.map(() => ir.int(0)), j[0]!, k[0]!)
          : element(b, batch.map(() => ir.int(0)), k[0]!, j[0]!),
    }, output.shape)
    : lower.contract({
      batch,
      rows: [rows],
      columns: [columns],
      inner: [inner],
      left: (outer, i, k) => transposeA ? element(a, outer, k[0]!, i[0]!) : element(a, outer, i[0]!, k[0]!),
      right: (outer, k, j) => transposeB ? element(b, outer, j[0]!, k[0]!) : element(b, outer, k[0]!, j[0]!),
    }, output.shape);
  return lower.cast(product, scalarType(output));
}

/** A product with bias and activation. */
function fusedMatMul(call: Call): Value {
  const { lower, output, inputs } = call;
  const { ir } = lower;
  const product = matMul(call);
  const { bias, preluActivationWeights: slopes } = inputs;
  const activation = attr<string | undefined>(call, "activation");
  if (bias === undefined && (activation ?? "linear") === "linear") return product;
  const values = [product, ...bias ? [bias] : [], ...slopes ? [slopes] : []];
  return lower.map(output.shape, "f32", values, (x, ...rest) => {
    const summed = bias ? ir.add(x!, rest[0]!) : x!;
    return activate(call, activation, summed, slopes && rest.at(-1));
  });
}

/** Einstein's sum: letters of both operands are batches, letters that the result lacks are summed over. */
function einsum(call: Call): Value {
  const { lower, output } = call;
  const type = scalarType(output);
  const operands = list(call);
  const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(
    attr<string>(call, "equation"),
    operands.length,
  );
  const sizes = new Array<number>(allDims.length).fill(1);
  idDims.forEach((dims, which) => dims.forEach((dim, axis) => sizes[dim] = operands[which]!.shape[axis]!));
  const kept = allDims.length - summedDims.length;
  const letters = sizes.map((_, dim) => dim);
  const repeats = idDims.some((dims) => new Set(dims).size < dims.length);
  const [left, right] = idDims;
  const alone = letters.some((dim) => dim >= kept && idDims.some((dims) => !dims.includes(dim)));
  if (operands.length === 2 && type === "f32" && !repeats && !alone && summedDims.length > 0) {
    const [a, b] = operands.map((operand) => lower.cast(operand, "f32"));
    lower.asOperand(a!);
    lower.asOperand(b!);
    const groups = {
      batch: letters.filter((dim) => dim < kept && left!.includes(dim) && right!.includes(dim)),
      rows: letters.filter((dim) => dim < kept && left!.includes(dim) && !right!.includes(dim)),
      columns: letters.filter((dim) => dim < kept && !left!.includes(dim)),
      inner: letters.filter((dim) => dim >= kept),
    };
    const sized = (dims: readonly number[]) => dims.map((dim) => sizes[dim]!);
    const at = (
      value: Value,
      dims: readonly number[],
      ...placed: (readonly [readonly number[], readonly Expression[]])[]
    ) => {
      const places = new Map(placed.flatMap(([own, index]) => own.map((dim, axis) => [dim, index[axis]!] as const)));
      return value.at(dims.map((dim) => places.get(dim)!));
    };
    const order = [...groups.batch, ...groups.rows, ...groups.columns];
    const product = lower.contract({
      batch: sized(groups.batch),
      rows: sized(groups.rows),
      columns: sized(groups.columns),
      inner: sized(groups.inner),
      left: (batch, rows, inner) => at(a!, left!, [groups.batch, batch], [groups.rows, rows], [groups.inner, inner]),
      right: (batch, inner, columns) =>
        at(b!, right!, [groups.batch, batch], [groups.inner, inner], [groups.columns, columns]),
    }, sized(order));
    return lower.value(output.shape, "f32", (index) => product.at(order.map((dim) => index[dim]!)));
  }
  const wide = operands.map((operand) => lower.cast(operand, type));
  for (const operand of wide) lower.beforeRepeating(operand);
  const whole = lower.value(
    sizes,
    type,
    (index) =>
      wide.map((operand, which) => operand.at(idDims[which]!.map((dim) => index[dim]!)))
        .reduce((product, factor) => lower.ir.mul(product, factor)),
  );
  if (summedDims.length === 0) return whole;
  return lower.reduce(whole, { combine: "sum", axes: letters.filter((dim) => dim >= kept) });
}

/** Rules of matrix products. */
export const productRules: Rules = {
  BatchMatMul: matMul,
  _FusedMatMul: fusedMatMul,
  Einsum: einsum,
};
