/**
 * Numbers that are known when a step is compiled, looked up by places: as arithmetic where they follow a simple line.
 *
 * @module
 */
import type { Expression } from "../ir/types.ts";
import type { Lowering } from "./lowering.ts";

/** A number by its place. */
export type Lookup = (places: readonly Expression[]) => Expression;

/** Looks int32 numbers up. @param shape Of the table: row-major. */
export function lookupInts(lower: Lowering, values: readonly number[], shape: readonly number[]): Lookup {
  return lookupLine(lower, values, shape) ?? lookupSteps(lower, values, shape) ??
    lookupMemory(lower, Int32Array.from(values), shape);
}

/** Looks float32 numbers up. @param shape Of the table: row-major. */
export function lookupFloats(lower: Lowering, values: readonly number[], shape: readonly number[]): Lookup {
  const [first = 0] = values;
  if (values.every((value) => Object.is(value, first))) return () => lower.ir.float(first);
  return lookupMemory(lower, Float32Array.from(values), shape);
}

/** Numbers a + b · i + c · j + …, if they are such. */
function lookupLine({ ir }: Lowering, values: readonly number[], shape: readonly number[]): Lookup | undefined {
  const sizes = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const [start = 0] = values;
  const steps = sizes.map((size, axis) => shape[axis]! > 1 ? values[size]! - start : 0);
  const fits = values.every((value, flat) =>
    value === sizes.reduce((sum, size, axis) => sum + steps[axis]! * (Math.floor(flat / size) % shape[axis]!), start)
  );
  if (!fits) return undefined;
  return (places) => places.reduce((sum, place, axis) => ir.add(sum, ir.mul(place, steps[axis]!)), ir.int(start));
}

/** Numbers a + b · ⌊i / n⌋ by the flat place i, if they are such. */
function lookupSteps({ ir }: Lowering, values: readonly number[], shape: readonly number[]): Lookup | undefined {
  const [start = 0] = values;
  const length = values.findIndex((value) => value !== start);
  if (length < 1) return undefined;
  const step = values[length]! - start;
  if (!values.every((value, i) => value === start + step * Math.floor(i / length))) return undefined;
  return (places) => ir.add(ir.mul(ir.floorDiv(ir.flatten(places, shape), length), step), start);
}

function lookupMemory(lower: Lowering, values: Float32Array | Int32Array, shape: readonly number[]): Lookup {
  const { ir } = lower;
  const type = values instanceof Float32Array ? "f32" : "i32";
  const buffer = ir.buffer(type, values.length, { kind: "constant", values });
  lower.constants.push(buffer);
  return (places) => ir.load(buffer, ir.flatten(places, shape), type);
}
