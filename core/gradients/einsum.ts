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
  const others = terms.filter((_, other) => other !== index);
  const known = new Set([right, ...others].join(""));
  const term = terms[index]!;
  const found = [...term].filter((letter) => known.has(letter)).join("");
  const rest = operands.filter((_, other) => other !== index);
  const contracted = tf.einsum(`${[right, ...others].join(",")}->${found}`, dy, ...rest);
  if (found === term) return contracted;
  // Letters that only this term has were summed away: every element along them has the same gradient.
  const shape = operands[index]!.shape;
  const kept = [...term].map((letter, axis) => found.includes(letter) ? shape[axis]! : 1);
  return tf.mul(tf.reshape(contracted, kept), tf.ones(shape));
}
