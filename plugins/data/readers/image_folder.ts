/**
 * Images in folders, one for each class.
 *
 * @module
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import type { HostArray } from "../../../core/batch.ts";
import { dataset, type Samples } from "../pipeline/samples.ts";
import { decodeImage } from "./decode_image.ts";

/** What images become. */
export interface ImageFolderOptions {
  /** Height and width in pixels that all images are resized to. */
  readonly size: readonly [height: number, width: number];
  /** 3 for red, green and blue, 1 for shades of gray. @default 3 */
  readonly channels?: 1 | 3;
  /** Folders that are classes, in the order of their numbers. @default all, sorted by name */
  readonly classes?: readonly string[];
  /** How many files may be read at a time. @default 1 */
  readonly parallel?: number;
}

/** Images of a folder. */
export interface ImageFolder {
  /**
   * Samples, class by class: `x` is uint8 `[height, width, channels]`, whose `scale` makes it float32 from 0 to 1 on
   * the device; `y` is the number of the class. A file is read and decoded when a batch needs it: shuffle first.
   */
  readonly data: Samples<{ readonly x: HostArray; readonly y: number }>;
  /** What the numbers of classes stand for. */
  readonly classes: readonly string[];
  /** Paths of the files, in the order of `data`. */
  readonly files: readonly string[];
}

/**
 * Finds the PNG and JPEG files in the folders of a folder; each folder is a class. Files in folders deeper down belong
 * to the class above; files beside the classes and names that begin with a dot are left out. The order is that of the
 * names, the same on every machine.
 *
 * Source: Keras, `image_dataset_from_directory`.
 *
 * @param path The folder that holds the classes. Needs permission to read it.
 * @throws {Deno.errors.NotFound} If there is no such folder.
 * @throws {TypeError} If it holds no classes or no images; while reading, if a file is damaged.
 *
 * ```ts
 * import { imageFolder } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 * import { encode } from "fast-png";
 *
 * const folder = await Deno.makeTempDir();
 * for (const kind of ["cat", "dog"]) {
 *   await Deno.mkdir(`${folder}/${kind}`);
 *   const png = encode({ width: 4, height: 4, channels: 1, data: new Uint8Array(16).fill(255) });
 *   await Deno.writeFile(`${folder}/${kind}/0.png`, png);
 * }
 * const { data, classes } = await imageFolder(folder, { size: [2, 2] });
 * assertEquals(classes, ["cat", "dog"]);
 * for await (const { x } of data.shuffle(Infinity, { seed: 1 }).batch(2)) assertEquals(x.shape, [2, 2, 2, 3]);
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function imageFolder(path: string | URL, options: ImageFolderOptions): Promise<ImageFolder> {
  const { size: [height, width], channels = 3, parallel = 1 } = options;
  for (const [name, value] of [["height", height], ["width", width]] as const) {
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(`Cannot resize images to a ${name} of ${value}: expected an integer of at least 1.`);
    }
  }
  const root = path instanceof URL ? path : pathToFileURL(path);
  const folder = root.href.endsWith("/") ? root : new URL(`${root.href}/`);
  const classes = options.classes ?? await entries(folder, "isDirectory");
  if (classes.length === 0) {
    throw new TypeError(`Cannot read images from ${path}: it has no folders; expected one for each class.`);
  }
  const found: { readonly file: URL; readonly y: number }[] = [];
  for (const [y, name] of classes.entries()) {
    for (const file of await imagesIn(child(folder, name, true))) found.push({ file, y });
  }
  if (found.length === 0) {
    throw new TypeError(
      `Cannot read images from ${path}: found no .png, .jpg or .jpeg files in its folders ${classes.join(", ")}.`,
    );
  }
  const data = dataset(found).map(async ({ file, y }) => ({
    x: await decodeImage(await Deno.readFile(file), { height, width, channels }, fileURLToPath(file)),
    y,
  }), { parallel });
  return { data, classes, files: found.map(({ file }) => fileURLToPath(file)) };
}

async function imagesIn(folder: URL): Promise<readonly URL[]> {
  const files = (await entries(folder, "isFile")).filter((name) => /\.(png|jpe?g)$/i.test(name));
  const found = files.map((name) => child(folder, name, false));
  for (const name of await entries(folder, "isDirectory")) found.push(...await imagesIn(child(folder, name, true)));
  return found;
}

/** Names sorted by code unit: a locale's order would differ between machines. Links count as what they point to. */
async function entries(folder: URL, kind: "isDirectory" | "isFile"): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.startsWith(".")) continue;
    const info = entry.isSymlink ? await Deno.stat(child(folder, entry.name, false)) : entry;
    if (info[kind]) names.push(entry.name);
  }
  return names.sort();
}

function child(folder: URL, name: string, isFolder: boolean): URL {
  return new URL(`./${encodeURIComponent(name)}${isFolder ? "/" : ""}`, folder);
}
