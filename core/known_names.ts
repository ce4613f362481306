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

/** How many letters must be inserted, removed or replaced to make one name of the other (Levenshtein's distance). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = row[j]! + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
