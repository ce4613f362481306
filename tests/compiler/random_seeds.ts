/** Which random cases are tested. */

/**
 * Seeds from the environment variable `STRIDE_SEEDS`, such as `7` or `100-200,317`; those given where it is not set. A
 * failing test says its seed in its name.
 */
export function seeds(usual: readonly number[]): readonly number[] {
  const text = Deno.env.get("STRIDE_SEEDS");
  if (text === undefined) return usual;
  return text.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number) as [number, number?];
    if (!(Number.isInteger(first) && Number.isInteger(last))) {
      throw new TypeError(`Cannot read STRIDE_SEEDS "${text}": expected seeds and ranges, as in 7 or 100-200,317.`);
    }
    return Array.from({ length: last! - first + 1 }, (_, index) => first + index);
  });
}
