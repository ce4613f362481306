/**
 * Running sums and products, ranks, places in sorted sequences, and draws from distributions.
 *
 * @module
 */
import { TraceError } from "../../../core/errors.ts";
import type { Expressions } from "../ir/expressions.ts";
import type { Expression, Scan } from "../ir/types.ts";
import { axesOf } from "../shapes/types.ts";
import { axesIn, type Lowering } from "./lowering.ts";
import { attr, type Call, input, type Rule, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";

/** How values are run along an axis. */
type ScanOptions = Pick<Scan, "combine" | "exclusive" | "reverse"> & { readonly axis: number };

/** A running sum or product. */
function scan(lower: Lowering, x: Value, { axis, combine, exclusive, reverse }: ScanOptions): Value {
  const { ir } = lower;
  const places = lower.axes(x.shape);
  const [along] = axesIn([places[axis]!]);
  if (along === undefined) return exclusive ? lower.fill(x.shape, x.type, combine === "sum" ? 0 : 1) : x;
  const buffer = lower.newScratch(x.type, x.size);
  const result = ir.newResult();
  lower.kernels.push({
    kind: "scan",
    outer: axesIn(places.filter((_, each) => each !== axis)),
    along,
    reverse,
    exclusive,
    combine,
    value: x.at(places),
    result,
    stores: [{ buffer, index: ir.flatten(places, x.shape), value: ir.result(result, x.type) }],
  });
  return lower.loaded(buffer, x.shape, x.type);
}

function cumulative(combine: Scan["combine"]): Rule {
  return (call) => {
    const x = call.lower.cast(input(call, "x"), scalarType(call.output));
    const [axis] = axesOf(attr<number>(call, "axis"), x.shape) as [number];
    return scan(call.lower, x, {
      axis,
      combine,
      exclusive: attr<boolean>(call, "exclusive"),
      reverse: attr<boolean>(call, "reverse"),
    });
  };
}

/** Whether a number comes before another in descending order: NaN first, so that each has a rank of its own. */
function comesBefore(ir: Expressions, a: Expression, b: Expression, earlier: Expression): Expression {
  const larger = ir.compare("gt", a, b);
  const ties = ir.and(ir.compare("eq", a, b), earlier);
  if (a.type !== "f32") return ir.binary("or", larger, ties);
  const [first, second] = [ir.unary("isNan", a), ir.unary("isNan", b)];
  const nan = ir.and(first, ir.binary("or", ir.unary("not", second), earlier));
  return ir.binary("or", ir.binary("or", larger, ties), nan);
}

/** The largest numbers of the last axis and their places: each number's rank is how many come before it. */
function topK(call: Call): readonly Value[] {
  const { lower, output } = call;
  const { ir } = lower;
  const given = input(call, "x");
  const x = given.type === "bool" ? lower.cast(given, "i32") : given;
  lower.store(x);
  const size = x.shape.at(-1)!;
  const outer = x.shape.slice(0, -1);
  const before = lower.value([...x.shape, size], "i32", (index) => {
    const [own, other] = index.slice(-2) as [Expression, Expression];
    const row = index.slice(0, -2);
    const earlier = ir.compare("lt", other, own);
    return ir.cast(comesBefore(ir, x.at([...row, other]), x.at([...row, own]), earlier), "i32");
  });
  const ranks = lower.reduce(before, { combine: "sum", axes: [outer.length + 1] });
  lower.beforeRepeating(ranks);
  const matches = lower.value([...output.shape, size], "i32", (index) => {
    const [rank, place] = index.slice(-2) as [Expression, Expression];
    const row = index.slice(0, -2);
    return ir.select(ir.compare("eq", ranks.at([...row, place]), rank), place, ir.int(0));
  });
  const places = lower.reduce(matches, { combine: "max", axes: [outer.length + 1] });
  const values = lower.value(
    output.shape,
    x.type,
    (index) => x.at([...index.slice(0, -1), places.at(index)]),
  );
  return [lower.cast(values, given.type), places];
}

/** Where each value belongs in a sorted sequence: halved as often as the longest search takes. */
function searchSorted(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const sequence = input(call, "sortedSequence");
  const values = input(call, "values");
  const operation = attr<string>(call, "side") === "left" ? "lt" : "le";
  const size = sequence.shape[1]!;
  lower.store(sequence);
  lower.beforeRepeating(values);
  return lower.value(output.shape, "i32", ([row, place]) => {
    const value = values.at([row!, place!]);
    let [low, high]: Expression[] = [ir.int(0), ir.int(size)];
    for (let left = size; left > 0; left = Math.floor(left / 2)) {
      const middle = ir.floorDiv(ir.add(low!, high!), 2);
      const searching = ir.compare("lt", low!, high!);
      const after = ir.compare(operation, sequence.at([row!, middle]), value);
      const upper = ir.and(searching, after);
      high = ir.select(ir.and(searching, ir.unary("not", after)), middle, high!);
      low = ir.select(upper, ir.add(middle, 1), low!);
    }
    return low!;
  });
}

/** Draws by the inverse of the distribution function: new numbers for each row and sample. */
function multinomial(call: Call): Value {
  const { lower, output, node } = call;
  const { ir } = lower;
  const { stream } = node;
  if (stream === undefined) {
    throw new TraceError(
      "unknown-kernel",
      `Cannot compile "Multinomial"${
        node.place ? ` at ${node.place}` : ""
      } with a seed of its own: compiled executors ` +
        'draw from the streams of the step\'s key. Leave the seed out, or use executor "eager".',
    );
  }
  const logits = lower.cast(input(call, "logits"), "f32");
  const events = logits.shape[1]!;
  if (events === 1) return lower.fill(output.shape, "i32", 0);
  const weights = attr<boolean>(call, "normalized") ? logits : softmax(lower, logits);
  // The last event happens where none before it does.
  const others = lower.value([logits.shape[0]!, events - 1], "f32", (index) => weights.at(index));
  const distribution = scan(lower, others, { axis: 1, combine: "sum", exclusive: false, reverse: false });
  lower.beforeRepeating(distribution);
  const drawn = lower.value(
    output.shape,
    "f32",
    (index) => ir.random("uniform", stream, ir.flatten(index, output.shape)),
  );
  lower.beforeRepeating(drawn);
  const passed = lower.value([...output.shape, events - 1], "i32", ([row, sample, event]) => {
    const here = ir.compare("lt", drawn.at([row!, sample!]), distribution.at([row!, event!]));
    return ir.cast(ir.unary("not", here), "i32");
  });
  return lower.reduce(passed, { combine: "sum", axes: [2] });
}

function softmax(lower: Lowering, logits: Value): Value {
  const { ir } = lower;
  lower.beforeRepeating(logits);
  const along = { axes: [1], keepDims: true };
  const largest = lower.reduce(logits, { combine: "max", ...along });
  const powers = lower.map(logits.shape, "f32", [logits, largest], (x, top) => ir.unary("exp", ir.sub(x!, top!)));
  lower.store(powers);
  const total = lower.reduce(powers, { combine: "sum", ...along });
  return lower.map(logits.shape, "f32", [powers, total], (power, sum) => ir.div(power!, sum!));
}

/** Rules of scans and what is made of them. */
export const scanRules: Rules = {
  Cumsum: cumulative("sum"),
  Cumprod: cumulative("prod"),
  TopK: topK,
  SearchSorted: searchSorted,
  Multinomial: multinomial,
};
