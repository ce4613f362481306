/**
 * Runs one callback trace: which hooks fire, in which order, with which indices and log keys.
 *
 * @module
 */
import { type Callback, type HookName, hookNames, type Logs, Model, oneDevice, type Pending, tf } from "./stride.ts";
import { type CaseResult, Comparison } from "./compare.ts";
import { camelCase } from "./keras_options.ts";
import type { RunWith } from "./training_case.ts";

/** One hook: its name in Keras, its index, the keys of its logs. */
export type TraceEntry = readonly [hook: string, index: number | null, keys: readonly string[]];

/** Runs what the name of a trace says, and compares the hooks. */
export async function runTraceCase(
  name: string,
  expected: readonly TraceEntry[],
  { executor, device }: RunWith,
): Promise<CaseResult> {
  const { action, options } = parseCall(name);
  const { n = 10, stepsPerExecution = 1, validationData, ...rest } = options;
  const layers = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] });
  const model = oneDevice({ device }).scope(() => Model.from(layers));
  model.compile({
    optimizer: "sgd",
    loss: "mse",
    metrics: ["mae"],
    stepsPerExecution: Number(stepsPerExecution),
    executor,
  });
  const data = (rows: number): { x: number[][]; y: number[][] } => ({
    x: Array.from({ length: rows }, (_, row) => [row, 1, -row].map((value) => value / rows)),
    y: Array.from({ length: rows }, (_, row) => [row % 2]),
  });
  const seen: TraceEntry[] = [];
  const stopAt = /stop_training set in (\w+) of batch (\d+)/.exec(name);
  const callback = recorder(seen, stopAt === null ? undefined : { hook: stopAt[1]!, batch: Number(stopAt[2]) });
  const common = { ...rest, verbose: 0 as const, callbacks: [callback] };
  if (action === "fit") {
    await model.fit(data(Number(n)), { ...common, ...(validationData ? { validationData: data(Number(n)) } : {}) });
  } else if (action === "evaluate") await model.evaluate(data(Number(n)), common);
  else if (action === "predict") (await model.predict({ x: data(Number(n)).x }, common)).dispose();
  else throw new RangeError(`Cannot run "${action}": expected fit, evaluate or predict.`);
  model.dispose();
  const compared = new Comparison();
  const wanted = trueLastIndices(expected, Number(n), Number(rest.batchSize ?? 32));
  for (let i = 0; i < Math.max(seen.length, wanted.length); i++) compared.equal(`hook ${i}`, seen[i], wanted[i]);
  return compared.result(name);
}

/** Keras 3 over-reports the last index of a partial execution; the true last index is what Stride reports. */
function trueLastIndices(trace: readonly TraceEntry[], n: number, batchSize: number): readonly TraceEntry[] {
  const last = Math.ceil(n / batchSize) - 1;
  return trace.map(([hook, index, keys]) =>
    hook.endsWith("batch_end") && index !== null ? [hook, Math.min(index, last), keys] : [hook, index, keys]
  );
}

function parseCall(name: string): { action: string; options: Record<string, unknown> } {
  const match = /^(\w+)\((.*?)\)(?: with .*)?$/.exec(name);
  if (match === null) throw new SyntaxError(`Cannot read the call in "${name}".`);
  const options: Record<string, unknown> = {};
  for (const [, key, value] of match[2]!.matchAll(/(\w+)=(\([^)]*\)|[^,]+)/g)) {
    options[camelCase(key!)] = value!.startsWith("(") ? true : Number(value);
  }
  // "validation_data=(x,y)" has a parenthesis of its own, which ends the lazy match early.
  if (name.includes("validation_data=(")) options.validationData = true;
  for (const [, key, value] of name.matchAll(/(\w+)=([\d.]+)/g)) options[camelCase(key!)] = Number(value);
  return { action: match[1]!, options };
}

function recorder(seen: TraceEntry[], stopAt: { hook: string; batch: number } | undefined): Callback {
  const record = async (
    hook: HookName,
    event: { epoch?: number; batch?: number; logs?: Logs | Pending<Logs>; outputs?: unknown },
    stop: () => void,
  ): Promise<void> => {
    const kerasName = hook.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const logs = event.logs && "read" in event.logs && typeof event.logs.read === "function"
      ? await event.logs.read()
      : event.logs as Logs | undefined;
    const keys = event.outputs !== undefined ? ["outputs"] : Object.keys(logs ?? {}).sort();
    seen.push([kerasName, event.epoch ?? event.batch ?? null, keys]);
    if (stopAt !== undefined && kerasName === stopAt.hook && event.batch === stopAt.batch) stop();
  };
  return {
    name: "recorder",
    ...Object.fromEntries(
      hookNames.map((
        hook,
      ) => [hook, (event: Record<string, never>, { stop }: { stop(): void }) => record(hook, event, stop)]),
    ),
  };
}
