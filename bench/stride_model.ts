/**
 * The workloads as Stride's models.
 *
 * @module
 */
import { Model } from "@stride/stride";
import type { Executor } from "@stride/stride/core";
import { sparseCategoricalCrossentropy } from "@stride/stride/losses";
import { oneDevice } from "@stride/stride/strategies";
import { Transformer } from "../examples/transformer_model.ts";
import { gpt, workloads } from "./workloads.ts";

/** How a workload is trained. */
export interface Training {
  /** The executor, by name or made. */
  readonly executor: string | Executor;
  /** The device's name. */
  readonly device: string;
  /** Steps in an execution. */
  readonly stepsPerExecution: number;
}

/** A new, compiled model of a workload. */
export function strideModel(name: string, { executor, device, stepsPerExecution }: Training): Model {
  const strategy = oneDevice({ device });
  if (name === gpt.name) {
    const model = strategy.scope(() => new Transformer(gpt.transformer));
    const loss = sparseCategoricalCrossentropy({ fromLogits: true });
    model.compile({ executor, stepsPerExecution, optimizer: "adam", loss });
    return model;
  }
  const { layers, optimizer, loss } = workloads[name]!;
  const model = strategy.scope(() => Model.from(layers()));
  model.compile({ executor, stepsPerExecution, optimizer, loss });
  return model;
}
