/**
 * Kernels that reduce along axes.
 *
 * @module
 */
import type { Combine } from "../ir/types.ts";
import { axesOf } from "../shapes/types.ts";
import { attr, type Call, input, type Rule, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";

interface ReductionOptions {
  readonly combine: Combine;
  /** tfjs's name of the attribute that holds axes. @default "axis" */
  readonly axisName?: string;
}

function axes(call: Call, x: Value, name: string): number[] {
  return axesOf(attr<number | number[]>(call, name), x.shape);
}

function reduction({ combine, axisName = "axis" }: ReductionOptions): Rule {
  return (call) => {
    const { lower, output } = call;
    const type = scalarType(output);
    const given = input(call, "x");
    // Sums and products of truth values count them; the others keep the type.
    const x = lower.cast(given, type);
    const how: Combine = type !== "bool" ? combine : combine === "max" ? "any" : combine === "min" ? "all" : combine;
    const reduced = lower.reduce(x, { combine: how, axes: axes(call, x, axisName) });
    return lower.reshape(reduced, output.shape);
  };
}

function place(combine: "argMax" | "argMin"): Rule {
  return (call) => {
    const x = input(call, "x");
    const numbers = x.type === "bool" ? call.lower.cast(x, "i32") : x;
    return call.lower.reduce(numbers, { combine, axes: axes(call, x, "axis") });
  };
}

/** Mean: a sum, divided once. */
function mean(call: Call): Value {
  const { lower, output } = call;
  const x = lower.cast(input(call, "x"), "f32");
  const along = axes(call, x, "axis");
  const count = along.reduce((product, axis) => product * x.shape[axis]!, 1);
  const sum = lower.reshape(lower.reduce(x, { combine: "sum", axes: along }), output.shape);
  return lower.map(output.shape, "f32", [sum], (total) => lower.ir.div(total!, count));
}

/** Softmax along the last axis, from differences to the largest. */
function softmax(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const logits = lower.cast(input(call, "logits"), "f32");
  lower.beforeRepeating(logits);
  const axis = attr<number | undefined>(call, "dim") ?? -1;
  const along = { axes: axesOf(axis, logits.shape), keepDims: true };
  const largest = lower.reduce(logits, { combine: "max", ...along });
  const powers = lower.map(output.shape, "f32", [logits, largest], (x, top) => ir.unary("exp", ir.sub(x!, top!)));
  lower.store(powers);
  const total = lower.reduce(powers, { combine: "sum", ...along });
  return lower.map(output.shape, "f32", [powers, total], (power, sum) => ir.div(power!, sum!));
}

/** Rules of reductions. */
export const reductionRules: Rules = {
  All: reduction({ combine: "all" }),
  Any: reduction({ combine: "any" }),
  Sum: reduction({ combine: "sum" }),
  Prod: reduction({ combine: "prod" }),
  Min: reduction({ combine: "min" }),
  Max: reduction({ combine: "max", axisName: "reductionIndices" }),
  Mean: mean,
  ArgMax: place("argMax"),
  ArgMin: place("argMin"),
  Softmax: softmax,
};
