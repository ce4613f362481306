/**
 * Large numbers for people.
 *
 * @module
 */

/** A number with a unit: `250k`, `6.2M`. */
export function formatCount(value: number): string {
  return scaled(value, 1000, ["", "k", "M", "G", "T"]);
}

/** Bytes with a unit: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let unit = 0;
  while (value >= step && unit < units.length - 1) {
    value /= step;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${units[unit]}`;
}
