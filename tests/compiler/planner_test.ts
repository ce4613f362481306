import { assertEquals, assertNotEquals } from "@std/assert";
import { Model, setRandomSeed, type Tensor, tf } from "@stride/stride";
import { auto, wasm } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { keeping, reporting } from "../../plugins/compiler/planner.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import type { Step } from "../../core/step.ts";

/** A model that counts how often its host code runs, with dropout, whose rate is frozen when the step is traced. */
class Counted extends Model {
  calls = 0;
  readonly #hidden = tf.layers.dense({ units: 8, activation: "relu", kernelInitializer: "ones" });
  readonly #head = tf.layers.dense({ units: 1, kernelInitializer: "ones" });
  override call(x: Tensor, { training }: { training: boolean }): Tensor {
    this.calls++;
    const hidden = this.apply(this.#hidden, x);
    return this.apply(this.#head, training ? tf.dropout(hidden, 0.25) : hidden);
  }
}

const data = {
  x: Array.from({ length: 10 }, (_, i) => [Math.sin(i), Math.cos(i)]),
  y: Array.from({ length: 10 }, (_, i) => [Math.sin(i + 1)]),
};
const options = { batchSize: 4, verbose: 0 } as const;

function counted(executor = wasm()): Counted {
  const model = oneDevice({ device: "cpu" }).scope(() => new Counted());
  model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"], executor });
  return model;
}

/** How often the host code runs while `body` does. */
async function callsOf(model: Counted, body: () => Promise<unknown>): Promise<number> {
  const before = model.calls;
  await body();
  return model.calls - before;
}

for (const [name, executor] of Object.entries({ wasm: wasm(), auto: auto() })) {
  Deno.test(`fit(), evaluate() and predict() trace nothing the second time: ${name}`, async () => {
    const model = counted(executor);
    const runs = [
      () => model.fit(data, { ...options, validationData: data }),
      () => model.evaluate(data, options),
      async () => (await model.predict({ x: data.x }, options)).dispose(),
    ];
    // Two signatures, of 4 rows and of 2, each traced twice; the first call builds the model too.
    assertEquals(await callsOf(model, runs[0]!), 1 + 4 + 4);
    assertEquals(await callsOf(model, runs[1]!), 0);
    assertEquals(await callsOf(model, runs[2]!), 4);
    for (const run of runs) assertEquals(await callsOf(model, run), 0);
    assertEquals(await callsOf(model, () => model.fit(data, { ...options, batchSize: 5 })), 2);
    assertEquals(await callsOf(model, () => model.fit(data, options)), 0);
    model.dispose();
  });
}

Deno.test("compile() and recompile() have steps traced again", async () => {
  const model = counted();
  const fit = () => callsOf(model, () => model.fit(data, options));
  assertEquals(await fit(), 5);
  model.recompile();
  assertEquals(await fit(), 4);
  model.compile({ optimizer: "sgd", loss: "mse", executor: wasm() });
  assertEquals(await fit(), 4);
  assertEquals(await fit(), 0);
  model.dispose();
});

Deno.test("a kept plan trains as one that is made anew, also where weights were assigned or data moved in between", async () => {
  const trained = async (between: (model: Counted) => void) => {
    setRandomSeed(7);
    const model = counted();
    await model.fit(data, options);
    between(model);
    model.setWeights(model.getWeights().map((weight) => tf.mul(weight, 0.5)));
    const other = counted();
    await other.fit({ x: [[1, 2]], y: [[3]] }, options);
    await model.fit({ x: data.x.toReversed(), y: data.y }, { ...options, epochs: 2 });
    const weights = model.getWeights().map((weight) => [...weight.dataSync()]);
    const { loss } = await model.evaluate(data, options);
    model.dispose();
    other.dispose();
    setRandomSeed(null);
    return { weights, loss };
  };
  const kept = await trained(() => {});
  assertEquals(kept, await trained((model) => model.recompile()));
});

Deno.test("a layer that is frozen is trained until compile(), as in Keras", async () => {
  const layer = tf.layers.dense({ units: 1, inputShape: [2] });
  const model = oneDevice({ device: "cpu" }).scope(() => Model.from(tf.sequential({ layers: [layer] })));
  const compile = () => model.compile({ optimizer: "sgd", loss: "mse", executor: wasm() });
  const weights = () => model.getWeights().flatMap((weight) => [...weight.dataSync()]);
  compile();
  await model.fit(data, options);
  layer.trainable = false;
  const before = weights();
  await model.fit(data, options);
  assertNotEquals(weights(), before);
  compile();
  const frozen = weights();
  await model.fit(data, options);
  assertEquals(weights(), frozen);
  model.dispose();
});

Deno.test("keeping() plans a signature once for each step, and forgets what was not used for long", () => {
  const made: string[] = [];
  const plan = (name: string) => {
    made.push(name);
    return { name } as unknown as Plan;
  };
  const seen: Plan[] = [];
  const planner = reporting(
    keeping({
      plan: (_, { rows }) => plan(`${rows}`),
      planPhase: (_, phase, { rows }) => ({ compute: plan(`${phase}: ${rows}`) }),
    }),
    (plan) => seen.push(plan),
  );
  const steps = [{}, {}] as Step[];
  const signature = (rows: number) =>
    ({ rows, globalRows: rows, arrays: { x: { shape: [rows], dtype: "float32" } }, columns: [] }) as const;
  const ask = (step: number, rows: number) => planner.plan(steps[step]!, signature(rows), { inputs: [] });
  assertEquals(ask(0, 1), ask(0, 1));
  assertEquals([made.length, seen.length], [1, 2]);
  ask(1, 1);
  planner.planPhase(steps[0]!, 0, signature(1), { inputs: [] });
  planner.planPhase(steps[0]!, 1, signature(1), { inputs: [] });
  planner.planPhase(steps[0]!, 1, signature(1), { inputs: [] });
  assertEquals(made, ["1", "1", "0: 1", "1: 1"]);
  for (let rows = 2; rows < 50; rows++) {
    ask(0, 1);
    ask(0, rows);
  }
  assertEquals(made.length, 4 + 48);
  ask(0, 2);
  assertEquals(made.length, 4 + 48 + 1);
});
