/**
 * Sums of int32 as lists of terms, in the order of the atoms' ids.
 *
 * @module
 */
import type { AffineExpression, Expression } from "./types.ts";

/** `factor · atom` of each atom. */
export type Terms = AffineExpression["terms"];

/** The terms of an int32 expression; its constant is `constantOf`. */
export function termsOf(x: Expression): Terms {
  return x.kind === "affine" ? x.terms : x.kind === "number" ? [] : [{ atom: x, factor: 1 }];
}

/** What an int32 expression adds to its terms. */
export function constantOf(x: Expression): number {
  return x.kind === "affine" ? x.constant : x.kind === "number" ? x.value : 0;
}

/** `terms · by`, wrapping. */
export function scaleTerms(terms: Terms, by: number): Terms {
  if (by === 1) return terms;
  return terms.map(({ atom, factor }) => ({ atom, factor: Math.imul(factor, by) })).filter(({ factor }) =>
    factor !== 0
  );
}

/** `a + b · by`, wrapping. */
export function addTerms(a: Terms, b: Terms, by: number): Terms {
  if (a.length === 0) return scaleTerms(b, by);
  if (b.length === 0) return a;
  const sum: Terms[number][] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [x, y] = [a[i], b[j]];
    const first = x !== undefined && (y === undefined || x.atom.id <= y.atom.id);
    const second = y !== undefined && (x === undefined || y.atom.id <= x.atom.id);
    const factor = ((first ? x.factor : 0) + (second ? Math.imul(y.factor, by) : 0)) | 0;
    if (factor !== 0) sum.push({ atom: first ? x.atom : y!.atom, factor });
    if (first) i++;
    if (second) j++;
  }
  return sum;
}
