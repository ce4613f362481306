/**
 * Einstein summation.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

/** The gradient of einsum: for each operand, the contraction of `dy` with the other one. */
export function einsumGradients(): readonly KernelGradient[] {
  return [{
    kernel: "Einsum",
    inputs: "all",
    gradient: ([dy], operands, attributes) => {
      const { equation } = attributes as { readonly equation: string };
      const [left, right] = equation.replaceAll(" ", "").split("->") as [string, string];
      const terms = left.split(",");
      if ([...terms, right].some((term) => new Set(term).size < term.length)) {
        throw new RangeError(
          `Cannot differentiate einsum "${equation}": a letter stands twice in one term, which tfjs contracts ` +
            "wrongly. Expected each letter once a term: take the diagonal by a product with tf.eye() first.",
        );
      }
      return Object.fromEntries(
        terms.map((_, index) => [index, () => operandGradient(index, terms, right, dy!, operands)]),
      );
    },
  }];
}

function operandGradient(
  index: number,
  terms: readonly string[],
  right: string,
  dy: Tensor,
  operands: readonly Tensor[],
): Tensor {
  const other = terms.length > 1 ? 1 - index : undefined;
  const term = terms[index]!;
  const shape = operands[index]!.shape;
  const known = new Set(right + (other === undefined ? "" : terms[other]));
  const found = [...term].filter((letter) => known.has(letter)).join("");
  const contracted = other === undefined
    ? tf.einsum(`${right}->${found}`, dy)
    : contract([right, dy], [terms[other]!, operands[other]!], found);
  if (found === term) return contracted;
  // Letters that only this term has were summed away: every element along them has the same gradient.
  const kept = [...term].map((letter, axis) => found.includes(letter) ? shape[axis]! : 1);
  return tf.mul(tf.reshape(contracted, kept), tf.ones(shape));
}

/** Einsum of two, where tfjs's drops an operand without a summed letter beside one that has some. */
function contract(first: [string, Tensor], second: [string, Tensor], output: string): Tensor {
  const [[a, x], [b, y]] = [alone(first, second[0] + output), alone(second, first[0] + output)];
  return tf.einsum(`${a},${b}->${output}`, x, y);
}

/** Sums over the letters that stand nowhere else. */
function alone([term, value]: [string, Tensor], elsewhere: string): [string, Tensor] {
  const axes = [...term].flatMap((letter, axis) => elsewhere.includes(letter) ? [] : [axis]);
  if (axes.length === 0) return [term, value];
  return [[...term].filter((letter) => elsewhere.includes(letter)).join(""), tf.sum(value, axes)];
}
