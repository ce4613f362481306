import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { loadPlugins, stride, tf } from "@stride/stride";

const EXAMPLE = new URL("../examples/plugin.ts", import.meta.url).href;

Deno.test("loadPlugins() adds a strategy, a callback and a metric from a URL, and they train", async () => {
  const { Model, registry } = await loadPlugins([EXAMPLE]);
  const lines: string[] = [];
  const log = console.log;
  console.log = (line: string) => lines.push(line);
  try {
    const strategy = registry.create("strategies", "announced");
    const model = strategy.scope(() =>
      Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 2, activation: "softmax", inputShape: [1] })] }))
    );
    model.compile({ optimizer: "sgd", loss: "crossentropy", metrics: ["balance"] });
    const { history } = await model.fit({ x: [[-1], [1]], y: [0, 1] }, {
      verbose: 0,
      callbacks: [registry.create("callbacks", "stopwatch")],
    });
    assert(history.balance![0]! >= 0.5 && history.balance![0]! <= 1);
    model.dispose();
  } finally {
    console.log = log;
  }
  assertEquals(lines[0], "announced: a train run, 1 batches a pass");
  assert(/^epoch 1 took \d+\.\d s$/.test(lines[1]!));
});

Deno.test("loadPlugins() takes a path relative to the working directory", async () => {
  const path = new URL(EXAMPLE).pathname.slice(Deno.cwd().length + 1);
  assert((await loadPlugins([path])).registry.has("metrics", "balance"));
});

Deno.test("loadPlugins() refuses a module without a plugin, and names its exports", async () => {
  const url = "data:text/javascript,export const other = 1";
  await assertRejects(() => loadPlugins([url]), TypeError, "found exports other; expected `default` or `plugin`");
});

Deno.test("stride().use() refuses a name that is taken, and leaves the registry as it was", () => {
  const { registry } = stride();
  const taken = { name: "mine", losses: { mse: () => registry.create("losses", "mse") } };
  assertThrows(() => stride().use(taken), RangeError, 'the loss name "mse" is taken');
  assertEquals(stride().registry.names("losses"), registry.names("losses"));
});
