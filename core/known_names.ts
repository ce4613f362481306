/**
 * What to say of a name that is not known.
 *
 * @module
 */

/**
 * The known names, and the one that was probably meant: `Known: adam, sgd. Did you mean "adam"?`
 *
 * @param name What was given.
 * @param known In the order in which they are listed; repeated ones are listed once.
 */
export function knownNames(name: string, known: readonly string[]): string {
  const names = [...new Set(known)];
  const list = `Known: ${names.join(", ")}.`;
  let nearest: string | undefined;
  // A third of the letters may be wrong: of short names, one.
  let fewest = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    const edits = editsBetween(name.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) [nearest, fewest] = [candidate, edits];
  }
  return nearest === undefined ? list : `${list} Did you mean "${nearest}"?`;
}

/**
 * How many letters must be inserted, removed or replaced, or change places with the next, to make one name of the other
 * (optimal string alignment distance).
 */
function editsBetween(from: string, to: string): number {
  let before: readonly number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = row[j]! + (from[i] === to[j] ? 0 : 1);
      const swapped = i > 0 && j > 0 && from[i] === to[j - 1] && from[i - 1] === to[j] ? before[j - 1]! + 1 : Infinity;
      next.push(Math.min(replaced, swapped, row[j + 1]! + 1, next[j]! + 1));
    }
    [before, row] = [row, next];
  }
  return row[to.length]!;
}
