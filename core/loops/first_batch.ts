/**
 * The batch that a model is built from.
 *
 * @module
 */
import type { Batch, Dataset } from "../batch.ts";
import type { StepKind } from "../step.ts";

/**
 * The first batch of a data set, which is not used up.
 *
 * @throws {RangeError} If there is none.
 */
export async function firstBatch(data: Dataset, kind: StepKind): Promise<Batch> {
  const batch = await data.peek();
  if (batch !== undefined) return batch;
  throw new RangeError(
    `Cannot ${
      kind === "test" ? "evaluate" : kind
    } on empty data: expected at least one batch. A generator can be read ` +
      "only once: pass a function that returns a new one.",
  );
}
