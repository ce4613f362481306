/**
 * Normalization with given statistics, and by neighbouring channels.
 *
 * @module
 */
import type { Expression } from "../ir/types.ts";
import type { Lowering } from "./lowering.ts";
import { attr, type Call, input, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";
import { elementOr } from "./windows.ts";

/** tfjs's default. */
const EPSILON = 0.001;

function batchNormalization(call: Call): Value {
  const { lower, inputs, output } = call;
  const { ir } = lower;
  const type = scalarType(output);
  const floats = (name: string) => lower.cast(input(call, name), "f32");
  const epsilon = attr<number | null | undefined>(call, "varianceEpsilon") ?? EPSILON;
  const variance = floats("variance");
  const scale = inputs.scale ? [floats("scale")] : [];
  const shape = scale[0] && scale[0].size > variance.size ? scale[0].shape : variance.shape;
  const factor = lower.map(shape, "f32", [variance, ...scale], (spread, gain) => {
    const deviation = ir.unary("sqrt", ir.add(spread!, epsilon));
    return ir.div(gain ?? ir.float(1), deviation);
  });
  const offset = inputs.offset ? [floats("offset")] : [];
  const normal = lower.map(
    output.shape,
    "f32",
    [floats("x"), floats("mean"), factor, ...offset],
    (x, mean, by, shift) => {
      const scaled = ir.mul(ir.sub(x!, mean!), by!);
      return shift ? ir.add(scaled, shift) : scaled;
    },
  );
  return lower.cast(normal, type);
}

/** How channels are normalized by their neighbours. */
interface Neighbours {
  readonly radius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

function neighboursOf(call: Call): Neighbours {
  const [radius, bias, alpha, beta] = ["depthRadius", "bias", "alpha", "beta"].map((name) => attr<number>(call, name));
  return { radius: radius!, bias: bias!, alpha: alpha!, beta: beta! };
}

/** Sums over neighbouring channels. */
function sumNeighbours(
  lower: Lowering,
  value: Value,
  radius: number,
  compute?: (element: Expression) => Expression,
): Value {
  const { ir } = lower;
  const channels = value.shape[3]!;
  const reach = Math.min(radius, channels - 1);
  const neighbours = lower.value([...value.shape, 2 * reach + 1], "f32", (index) => {
    const channel = ir.add(ir.sub(index[3]!, reach), index[4]!);
    return elementOr(lower, value, [...index.slice(0, 3), channel], 0, { compute });
  });
  return lower.reduce(neighbours, { combine: "sum", axes: [4] });
}

/** `bias + alpha · Σ x²` over neighbouring channels. */
function norms(lower: Lowering, x: Value, { radius, bias, alpha }: Neighbours): Value {
  const { ir } = lower;
  const sums = sumNeighbours(lower, x, radius, (element) => ir.mul(element, element));
  return lower.map(x.shape, "f32", [sums], (sum) => ir.add(ir.mul(sum!, alpha), bias));
}

function localResponse(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const by = neighboursOf(call);
  const x = lower.cast(input(call, "x"), "f32");
  lower.beforeRepeating(x);
  const norm = norms(lower, x, by);
  const normal = lower.map(
    output.shape,
    "f32",
    [x, norm],
    (element, sum) => ir.mul(element!, ir.binary("pow", sum!, ir.float(-by.beta))),
  );
  return lower.cast(normal, scalarType(output));
}

function localResponseGradient(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const by = neighboursOf(call);
  const [x, y, dy] = ["x", "y", "dy"].map((name) => lower.cast(input(call, name), "f32")) as [Value, Value, Value];
  [x, y, dy].forEach((value) => lower.beforeRepeating(value));
  const norm = norms(lower, x, by);
  const shares = lower.map(
    x.shape,
    "f32",
    [y, dy, norm],
    (result, gradient, sum) => ir.div(ir.mul(result!, gradient!), sum!),
  );
  lower.store(shares);
  const shared = sumNeighbours(lower, shares, by.radius);
  const gradient = lower.map(output.shape, "f32", [x, dy, norm, shared], (element, own, sum, others) => {
    const direct = ir.mul(own!, ir.binary("pow", sum!, ir.float(-by.beta)));
    return ir.sub(direct, ir.mul(ir.mul(element!, others!), 2 * by.alpha * by.beta));
  });
  return lower.cast(gradient, scalarType(output));
}

/** Rules of normalization. */
export const normalizationRules: Rules = {
  FusedBatchNorm: batchNormalization,
  LRN: localResponse,
  LRNGrad: localResponseGradient,
};
