/**
 * Readers of files that are too large for memory: tables, JSON lines and folders of images, for `dataset`. Imports from
 * core, the pipelines and the data folder above.
 *
 * @module
 */
export type { StreamSource } from "./byte_stream.ts";
export { type CsvStreamOptions, type CsvTypes, streamCsv, type TypedRow } from "./csv.ts";
export { type ImageFolder, imageFolder, type ImageFolderOptions } from "./image_folder.ts";
export { streamJsonLines } from "./json_lines.ts";
