/**
 * Metrics that are computed on the host: what a step hands out for them, and what is made of it.
 *
 * @module
 */
import type { HostArray } from "../batch.ts";
import { concatRows } from "../data/host_array.ts";
import type { Nested } from "../nested.ts";
import type { Logs } from "../step.ts";
import type { Tensor } from "../tf.ts";
import type { HostEntry } from "./compiled_metrics.ts";
import { alignSampleWeights, alignTensors, outputNames } from "./outputs.ts";
import type { Prediction } from "./step_scope.ts";

type Part = "yTrue" | "yPred" | "sampleWeight";

const key = (part: Part, output: number): string => `${part}:${output}`;

/** The tensors that host metrics need of one batch, by part and output: copies, owned by the caller. */
export function hostOutputs(
  entries: readonly HostEntry[],
  { y, yPred, sampleWeight }: Prediction,
  known: readonly string[] | undefined,
): Readonly<Record<string, Tensor>> {
  const names = outputNames(yPred, known);
  const weights = alignSampleWeights(sampleWeight, names);
  const parts: Readonly<Record<Part, readonly (Tensor | undefined)[]>> = {
    yTrue: alignTensors(y, names, "targets y"),
    yPred: alignTensors(yPred, names, "predictions"),
    sampleWeight: weights,
  };
  const found: Record<string, Tensor> = {};
  for (const { output, weighted } of entries) {
    for (const part of ["yTrue", "yPred", ...(weighted ? ["sampleWeight" as const] : [])] as const) {
      const tensor = parts[part][output];
      if (tensor !== undefined) found[key(part, output)] ??= tensor.clone();
    }
  }
  return found;
}

/** The metrics' values from the outputs of all steps. */
export function hostLogs(entries: readonly HostEntry[], outputs: readonly Nested<HostArray>[]): Logs {
  const joined = (part: Part, output: number): HostArray | undefined => {
    const arrays = outputs.map((batch) => (batch as Readonly<Record<string, HostArray>>)[key(part, output)]);
    return arrays.some((array) => array === undefined) ? undefined : concatRows(arrays as HostArray[]);
  };
  return Object.fromEntries(entries.map(({ name, metric, output, weighted }) => {
    const sampleWeight = weighted ? joined("sampleWeight", output) : undefined;
    const all = { yTrue: joined("yTrue", output)!, yPred: joined("yPred", output)! };
    return [name, metric.compute(sampleWeight === undefined ? all : { ...all, sampleWeight })];
  }));
}
