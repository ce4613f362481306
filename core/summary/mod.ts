/**
 * What a model is made of: its layers, their sizes and costs, as data and as a table. Imports from core only.
 *
 * @module
 */
export { LayerRecords } from "./layer_records.ts";
export { formatSummary, type FormatSummaryOptions, type SummaryOptions } from "./format.ts";
export { type LayerSummary, type ModelSummary, type Sizes, summarize } from "./summarize.ts";
