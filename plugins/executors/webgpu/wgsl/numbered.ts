/**
 * Variables that are taken by number.
 *
 * @module
 */
import type { Emitter } from "./emitter.ts";

/**
 * Takes one of some variables of the same type by a number that is known when the shader runs: a tree of selects on its
 * bits. Arrays of an invocation's own make lavapipe compile for seconds, and memory costs it more than the selects.
 *
 * @param lists Lists of equal length; the same number is taken from each.
 * @param number The name of an int32 variable.
 * @returns A name for each list.
 */
export function takeNumbered(emitter: Emitter, lists: readonly (readonly string[])[], number: string): string[] {
  let left = lists.map((names) => [...names]);
  for (let bit = 1; left[0]!.length > 1; bit *= 2) {
    const odd = emitter.newName("odd");
    emitter.line(`let ${odd} = (${number} & ${bit}) != 0;`);
    left = left.map((names) => {
      const next: string[] = [];
      for (let i = 0; i < names.length; i += 2) {
        const [even, other] = [names[i]!, names[i + 1]];
        if (other === undefined) {
          next.push(even);
          continue;
        }
        const name = emitter.newName("t");
        emitter.line(`let ${name} = select(${even}, ${other}, ${odd});`);
        next.push(name);
      }
      return next;
    });
  }
  return left.map(([name]) => name!);
}
