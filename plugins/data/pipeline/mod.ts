/**
 * Data pipelines: samples are mapped, shuffled, cut into batches and read ahead, and every position can be returned to.
 * Imports from core and its own folder only.
 *
 * @module
 */
export type { BatchOptions } from "./batch.ts";
export { Batches } from "./batches.ts";
export type { BatchOf, HostNested, SampleOf, Stored } from "./elements.ts";
export type { MapContext, MapFunction, MapOptions } from "./map.ts";
export { dataset, Samples, zip } from "./samples.ts";
export type { ShuffleOptions } from "./shuffle.ts";
export type { AnyIterable } from "./sources.ts";
export type { Deferred, Elements, Rows, Stage } from "./stage.ts";
