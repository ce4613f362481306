/**
 * A plugin: a strategy, a callback and a metric in one file, loaded from a URL on the command line:
 *
 * ```sh
 * deno task mnist --plugin examples/plugin.ts --metric balance --callback stopwatch
 * ```
 *
 * @module
 */
import { type Callback, type Metric, type Plugin, runInScope, type Strategy, tf } from "@stride/stride/core";
import { oneDevice } from "@stride/stride/strategies";

/** How evenly predictions are spread over classes: 1 when all are equally frequent, 1 / classes when one is predicted. */
export function balance(): Metric {
  return {
    name: "balance",
    direction: "max",
    build: (_yTrue, yPred) => {
      const classes = yPred.at(-1);
      if (typeof classes !== "number" || classes < 2) throw new TypeError("expected predictions [batch, classes].");
      return {
        size: classes,
        combine: "sum",
        update: (_target, prediction) => tf.sum(tf.oneHot(tf.argMax(prediction, -1), classes), 0),
        result: (counts) => {
          const total = counts.reduce((sum, count) => sum + count, 0);
          const squares = counts.reduce((sum, count) => sum + (count / total) ** 2, 0);
          return 1 / (classes * squares);
        },
      };
    },
  };
}

/** Prints how long each epoch takes, in seconds. */
export function stopwatch(): Callback {
  let started = 0;
  return {
    name: "stopwatch",
    onEpochBegin: () => {
      started = performance.now();
    },
    onEpochEnd: ({ epoch }) =>
      console.log(`epoch ${epoch + 1} took ${((performance.now() - started) / 1000).toFixed(1)} s`),
  };
}

/** One device, and a line for every run that it is asked for. */
export function announced(): Strategy {
  const inner = oneDevice({ device: "cpu" });
  const strategy: Strategy = {
    ...inner,
    name: "announced",
    // A strategy's scope makes that strategy current: the inner one's would leave this one out.
    scope: (create) => runInScope(strategy, create),
    prepare: (plan) => {
      console.log(`announced: a ${plan.step.kind} run, ${plan.data.batches ?? "unknown"} batches a pass`);
      return inner.prepare(plan);
    },
  };
  return strategy;
}

/** What `use` and `--plugin` take. */
export const plugin: Plugin = {
  name: "example",
  metrics: { balance },
  callbacks: { stopwatch },
  strategies: { announced },
};
export default plugin;
