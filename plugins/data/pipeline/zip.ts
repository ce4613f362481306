/**
 * Elements of several data sets side by side.
 *
 * @module
 */
import { type Deferred, type Elements, type Stage, through } from "./stage.ts";

/** Elements by name, up to the end of the shortest. A position is that of each part. */
export function zipStage<T extends Readonly<Record<string, unknown>>>(
  parts: { readonly [K in keyof T]: Stage<T[K]> },
): Stage<T> {
  const names = Object.keys(parts) as (keyof T & string)[];
  if (names.length === 0) throw new TypeError("Cannot zip: there are no data sets; expected at least one, by name.");
  const sizes = names.map((name) => parts[name].size);
  return {
    size: sizes.some((size) => size === undefined) ? undefined : Math.min(...sizes as number[]),
    open: async (pass, from) => {
      const opened: Elements<unknown>[] = [];
      const close = async (): Promise<void> => {
        for (const elements of opened) await elements.return();
      };
      try {
        for (const name of names) {
          const elements = await parts[name].open(pass, from);
          if (elements === undefined) {
            await close();
            return undefined;
          }
          opened.push(elements);
        }
      } catch (error) {
        await close();
        throw error;
      }
      return through(opened, sideBySide<T>(names, opened));
    },
  };
}

async function* sideBySide<T>(
  names: readonly string[],
  opened: readonly Elements<unknown>[],
): AsyncGenerator<Deferred<T>> {
  while (true) {
    const row: Deferred<unknown>[] = [];
    for (const elements of opened) {
      const result = await elements.next();
      if (result.done) return;
      row.push(result.value);
    }
    yield {
      get: async () => {
        const values: Record<string, unknown> = {};
        for (let i = 0; i < names.length; i++) values[names[i]!] = await row[i]!.get();
        return values as T;
      },
    };
  }
}
